import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { load } from "graphblas-wasm";
import { BINARY, sparsewire, sparsewireAsync, temporaryFolder } from "./command.js";
import { archiveOf, captureOf, type Row } from "./traffic.js";

/** A daemon that runs until the test ends, and its log. */
class Daemon {
  log = "";
  readonly process: ChildProcess;
  readonly ended: Promise<number | null>;

  constructor(t: TestContext, args: string[]) {
    this.process = spawn(process.execPath, [BINARY, ...args], { stdio: ["ignore", "ignore", "pipe"] });
    this.process.stderr!.setEncoding("utf8").on("data", (text: string) => {
      this.log += text;
    });
    this.ended = new Promise((resolve) => this.process.on("close", resolve));
    t.after(() => this.process.kill("SIGKILL"));
  }

  /** The first line of the log that matches, as JSON. */
  async line(pattern: RegExp): Promise<Record<string, unknown>> {
    const end = Date.now() + 30_000;
    for (;;) {
      const found = this.log.split("\n").find((line) => pattern.test(line));
      if (found !== undefined) return JSON.parse(found) as Record<string, unknown>;
      assert.ok(Date.now() < end && this.process.exitCode === null, `waited for ${pattern} in:\n${this.log}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

/** Ships one interval of the last seconds: 500 packets, 50,000 bytes, two links. */
async function upload(url: string): Promise<void> {
  const end = BigInt(Date.now() - 1000) * 1_000_000n;
  const rows: Row[] = [
    ["10.0.0.1", "10.0.0.2", 490, 49_000],
    ["10.0.0.3", "10.0.0.2", 10, 1000],
  ];
  const body = archiveOf(await load(), rows, { start: end - 1_000_000_000n, end });
  const digest = createHash("sha256").update(body).digest("base64");
  const answer = await fetch(`${url}/api/v1/intervals/test-1/0123456789abcdef/7`, {
    method: "PUT",
    body,
    headers: { "content-type": "application/x-tar", "content-digest": `sha-256=:${digest}:` },
  });
  assert.equal(answer.status, 201, await answer.text());
}

test("aggregator: starts, reloads, refuses a broken reload, stops cleanly", async (t) => {
  const folder = temporaryFolder(t);
  const config = join(folder, "aggregator.toml");
  const write = (extra: string) =>
    writeFileSync(config, `listen.port = 0\nstore.path = "${folder}/store"\n${extra}`);
  write("");
  const daemon = new Daemon(t, ["aggregator", "--config", config]);
  const { url, level } = await daemon.line(/"url"/);
  assert.equal(level, "info");
  assert.match(String(url), /^http:\/\/127\.0\.0\.1:\d+$/);
  await upload(String(url));
  const top = await sparsewireAsync(["top", "--aggregator", String(url)]);
  assert.deepEqual([top.code, top.err], [0, ""]);
  assert.match(top.out, /^sparsewire top {2}aggregator http.* 1 sensor /);
  assert.match(top.out, /^50 packets\/s {2}40.0kbit\/s {2}2 links {2}2 sources {2}1 destination$/m);
  assert.match(top.out, /^10.0.0.1 +10.0.0.2 +49 +4.90k$/m);

  write('log.levle = "debug"\n[limits]\nmax_uploads = "many"\n');
  daemon.process.kill("SIGHUP");
  const refused = await daemon.line(/reload refused, the old configuration stays/);
  assert.deepEqual(refused.faults, [
    `${config}:3:1: log.levle: unknown key; did you mean "level"?`,
    `${config}:5:1: limits.max_uploads: expected a number, found "many"; write a number without quotes`,
  ]);

  write('log.level = "debug"\nlimits.memory_bytes = "64MiB"\n');
  daemon.process.kill("SIGHUP");
  assert.deepEqual((await daemon.line(/some keys need a restart/)).restart, ["limits.memory_bytes"]);
  daemon.process.kill("SIGTERM");
  assert.equal(await daemon.ended, 0, daemon.log);
});

test("aggregator: beyond loopback only with TLS and a token", (t) => {
  const folder = temporaryFolder(t);
  const ran = sparsewire(["aggregator", "--address", "0.0.0.0", "--store", folder]);
  assert.equal(ran.code, 2);
  assert.match(ran.err, /^sparsewire: [^\n]+\n$/);
});

test("sensor: reads a capture to its end, through flags alone", async (t) => {
  const folder = temporaryFolder(t);
  const capture = join(folder, "a.pcap");
  writeFileSync(capture, captureOf([["10.0.0.1", "10.0.0.2", 5]]));
  const flags = ["--mode", "pcap", "--file", capture, "--control", join(folder, "s.sock")];
  const ran = await sparsewireAsync([
    "sensor",
    ...flags,
    "--set",
    "metrics.enabled=false",
    "--set",
    `spool.path=${folder}/spool`,
  ]);
  assert.equal(ran.code, 0, ran.err);
  assert.ok(
    ran.err
      .split("\n")
      .filter(Boolean)
      .every((line) => (JSON.parse(line) as { level: string }).level === "info"),
    ran.err,
  );
});

test("sensor: what cannot be captured is refused in one line", () => {
  const missing = sparsewire(["sensor", "--interface", "no-such-if"]);
  assert.notEqual(missing.code, 0);
  assert.match(missing.err, /^sparsewire: [^\n]*no-such-if[^\n]*\n$/);
  const nothing = sparsewire(["sensor"]);
  assert.equal(nothing.code, 2);
  assert.match(nothing.err, /give --interface NAME, or a configuration with --config/);
});

test("check-config: faults on stdout, exit 2; the kind is told from the content", (t) => {
  const folder = temporaryFolder(t);
  const path = join(folder, "x.toml");
  writeFileSync(path, 'interfac = "eth0"\n[spool]\npath = 1\n[metrics]\nport = 0\n');
  const text = sparsewire(["check-config", path]);
  assert.deepEqual([text.code, text.err], [2, ""]);
  assert.equal(
    text.out,
    `${path}:1:1: interfac: unknown key; did you mean "interface"?\n` +
      `${path}:3:1: spool.path: expected a string, found 1; write it in quotes\n`,
  );
  const json = JSON.parse(sparsewire(["check-config", path, "--json"]).out) as Record<string, unknown>;
  assert.deepEqual([json.kind, json.ok, (json.faults as unknown[]).length], ["sensor", false, 2]);
  writeFileSync(path, "[store]\nkeep_raw = 5\n[listen]\n");
  assert.match(sparsewire(["check-config", path]).out, /store.keep_raw: expected a string, found 5/);
  writeFileSync(path, 'interface = "eth0"\n');
  assert.equal(sparsewire(["check-config", path]).out, `${path}: ok (sensor)\n`);
  for (const kind of ["sensor", "aggregator"]) {
    const example = join(folder, `${kind}.toml`);
    assert.equal(sparsewire(["check-config", "--example", kind, "-o", example]).code, 0);
    assert.equal(sparsewire(["check-config", example]).out, `${example}: ok (${kind})\n`);
  }
});
