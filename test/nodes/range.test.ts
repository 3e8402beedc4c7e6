/** Which Node.js is refused, told of, or silently fine; in one place, and true everywhere it is said. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { BINARY, ROOT } from "../cli/command.js";
import { judgeNode, PACKAGED_NODE, TRIED_NODES } from "./releases.js";

const manifestOf = (path: string): { engines: { node: string } } =>
  JSON.parse(readFileSync(join(ROOT, path), "utf8"));
const TOO_NEW = "27.3.1";

/** A process that takes itself for another release: `process.versions` from before the command is loaded. */
function runAs(version: string, script: string, args: string[]) {
  const disguise = `data:text/javascript,Object.defineProperty(process.versions,"node",{value:"${version}"})`;
  return spawnSync(process.execPath, ["--import", disguise, script, ...args], {
    encoding: "utf8",
  });
}

test("releases older than the floor are refused, newer than any tried are told of", () => {
  for (const version of ["16.0.0", "18.20.8", "20.0.0", "20.18.3"]) {
    const { refusal, mend } = judgeNode(version);
    assert.match(refusal ?? "", /too old/, version);
    assert.match(mend ?? "", /20\.19 or newer/);
  }
  for (const version of ["20.19.0", "20.19.2", "22.0.0", "24.22.3", "26.99.9", ...TRIED_NODES])
    assert.deepEqual(judgeNode(version), {}, version);
  for (const version of ["27.0.0", TOO_NEW, "100.1.0", "27.0.0-nightly2026"])
    assert.match(judgeNode(version).warning ?? "", /newer than any .* \(up to 26\)/, version);
});

test("the floor, the tried releases and the packaged one agree with each other", () => {
  const floors = ["package.json", "native/xdp-node/package.json", "native/graphblas-wasm/package.json"].map(
    (path) => manifestOf(path).engines.node,
  );
  assert.equal(new Set(floors).size, 1, floors.join(" "));
  assert.ok(TRIED_NODES.includes(PACKAGED_NODE));
  assert.equal(Number(PACKAGED_NODE.split(".")[0]) % 2, 0, "long-term releases have even numbers");
  const floor = floors[0]!.replace(/^>=(\d+\.\d+).*$/, "$1");
  assert.ok(readFileSync(join(ROOT, "README.md"), "utf8").includes(`Node.js ${floor} or newer`));
});

test("a daemon on a release that is too new says so in one line, once, and goes on", () => {
  for (const daemon of ["sensor", "aggregator"]) {
    const { stderr, status } = runAs(TOO_NEW, BINARY, [daemon, "--config", "/nonexistent.toml"]);
    const [first, second, ...rest] = stderr.trim().split("\n");
    assert.match(first ?? "", /^sparsewire: warning: Node\.js 27\.3\.1 is newer than any/);
    assert.match(second ?? "", /nonexistent\.toml/);
    assert.deepEqual([rest, status], [[], 2]);
  }
  assert.equal(runAs(TOO_NEW, BINARY, ["--version"]).stderr, "", "no daemon");
});

test("a release that is too old is refused by the command and by the set-up, with what to do", () => {
  for (const args of [["sensor"], ["aggregator"], ["--version"]]) {
    const { stderr, status } = runAs("18.20.8", BINARY, args);
    assert.match(stderr, /^sparsewire: Node\.js 18\.20\.8 is too old; install Node\.js 20\.19 or newer\n$/);
    assert.equal(status, 5);
  }
  const { stderr, status } = runAs("18.20.8", join(ROOT, "native/setup.mjs"), []);
  assert.match(stderr, /^setup: Node\.js 18\.20\.8 is too old; install Node\.js 20\.19 or newer\n$/);
  assert.equal(status, 1);
});
