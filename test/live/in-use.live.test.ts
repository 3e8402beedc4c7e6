/** An interface whose frames somebody on this host lives on is not taken: not a bridge's, not a VLAN's. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { CLI } from "./rig.js";
import { liveSkipReason, type Namespace, NetworkLab } from "./tools/netns.js";

describe("an interface that others live on", { skip: liveSkipReason() }, () => {
  const folder = mkdtempSync(join(tmpdir(), "sparsewire-in-use-"));
  let lab: NetworkLab;
  let space: Namespace;

  before(() => {
    writeFileSync(join(folder, "file"), "");
    lab = new NetworkLab("sw-use-");
    space = lab.namespace("host");
    lab.veth(space, "p0", space, "p1");
  });
  after(() => {
    lab.close();
    rmSync(folder, { recursive: true });
  });

  /** Starts a sensor that ends at once: if it may capture, then because its control socket has no place. */
  function start(...more: string[]): { code: number | null; said: string } {
    const words = [
      CLI,
      "sensor",
      "--set",
      `spool.path=${folder}/spool`,
      "--control",
      `${folder}/file/s.sock`,
    ];
    const done = spawnSync("ip", ["netns", "exec", space.name, process.execPath, ...words, ...more], {
      encoding: "utf8",
      timeout: 20_000,
    });
    return { code: done.status, said: done.stderr };
  }
  const FREE = /ENOTDIR|EEXIST/;
  const refusal = (name: string, why: string): RegExp =>
    new RegExp(`refusing to capture on ${name}: ${why}, and frames that AF_XDP takes`);

  test("the two ends of a cable are in nobody's use", () => {
    assert.match(start("--interface", "p0").said, FREE);
  });

  test("a port of a bridge", () => {
    space.exec("ip", "link", "add", "br-lan", "type", "bridge");
    space.exec("ip", "link", "set", "p0", "master", "br-lan");
    const { code, said } = start("--interface", "p0");
    assert.equal(code, 2, said);
    assert.match(said, refusal("p0", "it is a part of the bridge br-lan"));
    assert.match(
      start("--mode", "inline", "--interface", "p1", "--peer", "p0").said,
      refusal("p0", "it is a part of the bridge br-lan"),
    );
    assert.match(start("--interface", "p0", "--force").said, FREE);
    space.exec("ip", "link", "del", "br-lan");
  });

  test("an interface with another on top, while that is up", (t) => {
    const made = ["vlan", "macvlan"].find((kind) => {
      const words = [
        "link",
        "add",
        "link",
        "p0",
        "name",
        "top0",
        "type",
        kind,
        ...(kind === "vlan" ? ["id", "7"] : []),
      ];
      return spawnSync("ip", ["-n", space.name, ...words]).status === 0;
    });
    if (made === undefined) return t.skip("this kernel has neither vlan nor macvlan");
    assert.match(start("--interface", "p0").said, FREE);
    space.exec("ip", "link", "set", "top0", "up");
    assert.match(start("--interface", "p0").said, refusal("p0", `the ${made} top0 is on top of it`));
  });
});
