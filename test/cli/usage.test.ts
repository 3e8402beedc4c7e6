import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, closeSync, openSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { BINARY, requireProgram, sparsewire, temporaryFolder } from "./command.js";
import { captureOf } from "./traffic.js";

/** Everything that fails says so in one line, with its exit code. */
function fails(args: string[], code: number, line: RegExp): void {
  const ran = sparsewire(args);
  const label = args.join(" ");
  assert.equal(ran.code, code, `${label}: ${ran.err}`);
  assert.match(ran.err, line, label);
  assert.match(ran.err, /^sparsewire: [^\n]+\n$/, label);
  assert.equal(ran.out, "", label);
}

test("help teaches: examples and exit codes, for every command", () => {
  const whole = sparsewire(["--help"]);
  assert.equal(whole.code, 0);
  for (const text of [
    "sensor",
    "aggregator",
    "ingest",
    "matrix",
    "status",
    "top",
    "doctor",
    "check-config",
    "NO_COLOR",
  ]) {
    assert.match(whole.out, new RegExp(`\\b${text}\\b`));
  }
  const commands = ["sensor", "aggregator", "ingest", "status", "top", "doctor", "check-config"].map(
    (name) => [name],
  );
  const matrix = ["export", "quantities", "top", "sum", "diff"].map((name) => ["matrix", name]);
  for (const command of [...commands, ...matrix]) {
    const { code, out, err } = sparsewire([...command, "--help"]);
    assert.deepEqual([code, err], [0, ""], command.join(" "));
    assert.match(out, /Usage: sparsewire /);
    assert.match(out, /Examples:\n {2}\S/);
    assert.match(out, /Exit codes:\n {2}0 {2}ok/);
  }
  assert.match(sparsewire(["--version"]).out, /^\d+\.\d+\.\d+\n$/);
});

test("without a command: help on stderr, exit 2", () => {
  for (const args of [[], ["matrix"]]) {
    const { code, out, err } = sparsewire(args);
    assert.deepEqual([code, out], [2, ""]);
    assert.match(err, /^Usage: sparsewire/);
  }
});

test("usage errors: exit 2, one line, with the mend", (t) => {
  const folder = temporaryFolder(t);
  fails(["foo"], 2, /unknown command 'foo'/);
  fails(["matrix", "exprot"], 2, /Did you mean export/);
  fails(["matrix", "export", "--fromat", "csv"], 2, /Did you mean --format/);
  fails(
    ["matrix", "export", "--format", "xml", "x"],
    2,
    /Allowed choices are csv, tsv, json, parquet, mtx, d4m, npz, grb/,
  );
  fails(["matrix", "export", "--family", "5", "x"], 2, /Allowed choices are 4, 6/);
  fails(["matrix", "export"], 2, /nothing to read; name archives/);
  fails(["matrix", "top", "--by", "weight", "x"], 2, /packets, bytes, fan-out, fan-in/);
  fails(["matrix", "top", "-n", "0", "x"], 2, /whole number from 1/);
  fails(["matrix", "export", "/nowhere/x.pcap"], 2, /cannot read \/nowhere\/x.pcap: there is no such file/);
  fails(["matrix", "diff", "a"], 2, /missing required argument 'b'/);
  fails(["ingest"], 2, /missing required argument/);
  fails(["ingest", "x", "--interval", "5"], 2, /the unit is missing/);
  fails(["ingest", "x", "--interval", "1s", "--window-packets", "5"], 2, /exclude one another/);
  fails(["ingest", "x", "--sensor", "a/b"], 2, /not a sensor's name/);
  fails(["ingest", join(folder, "absent.pcap"), "-o", folder], 2, /absent.pcap/);
  fails(["sensor", "--mode", "sniff", "--interface", "x"], 2, /--mode: "sniff" is not one of/);
  fails(
    ["sensor", "--interface", "x", "--set", "metrics.port=99999"],
    2,
    /--set metrics.port: must be at most 65535/,
  );
  fails(["sensor", "--interface", "x", "--set", "nonsense"], 2, /is not key=value/);
  fails(["sensor", "--config", "/nowhere.toml"], 2, /cannot read the configuration/);
  fails(["aggregator", "--port", "x"], 2, /whole number from 0 to 65535/);
  fails(["doctor", "--try"], 2, /--try needs an interface/);
  fails(["check-config"], 2, /there is no file to check/);
  fails(["check-config", "/nowhere.toml"], 2, /there is no such file/);
  fails(["status", "extra"], 2, /too many arguments/);
});

test("nobody there: exit 1, with the mend", (t) => {
  const socket = join(temporaryFolder(t), "none.sock");
  for (const command of [["status"], ["top"], ["matrix", "export", "--live"]]) {
    fails(
      [...command, "--socket", socket],
      1,
      /no sensor is running at .*; start one with sparsewire sensor/,
    );
  }
  fails(["top", "--aggregator", "http://127.0.0.1:1"], 1, /no aggregator answers at/);
});

test("bad input: exit 3", (t) => {
  const folder = temporaryFolder(t);
  const file = (name: string, content: string | Uint8Array) => {
    writeFileSync(join(folder, name), content);
    return join(folder, name);
  };
  fails(["matrix", "export", file("text", "hello\n")], 3, /neither an archive/);
  fails(["matrix", "export", file("empty", "")], 3, /is empty/);
  fails(["matrix", "export", folder], 3, /holds no .tar archive/);
  const tar = Buffer.alloc(1024);
  tar.write("ustar", 257);
  fails(["matrix", "export", file("bad.tar", tar)], 3, /bad.tar: /);
  const capture = file("a.pcap", captureOf([["10.0.0.1", "10.0.0.2", 1]]));
  fails(["matrix", "quantities", capture, "--ranges", file("r.txt", "10.0.0.0/8\nbanana\n")], 3, /line 2/);
});

test("unreadable files and folders: exit 4", (t) => {
  if (process.getuid?.() !== 0) return t.skip("needs root, to become somebody else");
  const folder = temporaryFolder(t);
  chmodSync(folder, 0o755);
  const file = join(folder, "secret.pcap");
  writeFileSync(file, captureOf([["10.0.0.1", "10.0.0.2", 1]]), { mode: 0o600 });
  const nobody = 65_534;
  for (const args of [
    ["matrix", "export", file],
    ["check-config", file],
    ["matrix", "quantities", file, "--ranges", file],
    ["check-config", "--example", "sensor", "-o", join(folder, "x.toml")],
  ]) {
    const { code, err } = sparsewire(args, { uid: nobody });
    assert.equal(code, 4, `${args.join(" ")}: ${err}`);
    assert.match(err, /^sparsewire: cannot (read|write) [^\n]*permission denied; [^\n]*\n$/);
  }
});

test("--json: errors are JSON too", () => {
  const { code, out, err } = sparsewire(["matrix", "export", "/nowhere", "--json"]);
  assert.deepEqual([code, out], [2, ""]);
  const { error } = JSON.parse(err) as { error: Record<string, string> };
  assert.equal(error.code, "NO_SUCH_FILE");
  assert.match(error.message!, /no such file/);
  assert.equal(error.mend, "check the path");
});

test("a reader that has seen enough ends the command quietly", (t) => {
  if (!requireProgram(t, "head")) return;
  const folder = temporaryFolder(t);
  const pairs = Array.from({ length: 40_000 }, (_, at): [string, string, number] => [
    `10.${at >> 16}.${(at >> 8) & 255}.${at & 255}`,
    "10.0.0.1",
    1,
  ]);
  const capture = join(folder, "many.pcap");
  writeFileSync(capture, captureOf(pairs));
  const pipeline = `"$0" "$1" matrix export "$2" | head -1; echo "code \${PIPESTATUS[0]}"`;
  const ran = spawnSync("bash", ["-c", pipeline, process.execPath, BINARY, capture], { encoding: "utf8" });
  assert.equal(ran.stdout, "src,dst,packets,bytes\ncode 0\n");
  assert.equal(ran.stderr, "");
});

test("no colour leaves a pipe, with NO_COLOR or without", () => {
  for (const env of [{}, { NO_COLOR: "1" }]) {
    const { out } = sparsewire(["doctor"], { env });
    assert.ok(!out.includes("\u001b"));
  }
});

test("a full or missing place for -o: exit 1, nothing left behind", (t) => {
  const folder = temporaryFolder(t);
  const capture = join(folder, "a.pcap");
  writeFileSync(capture, captureOf([["10.0.0.1", "10.0.0.2", 1]]));
  fails(
    ["matrix", "export", capture, "-o", join(folder, "no/where.csv")],
    1,
    /its folder does not exist; give -o another place/,
  );
  fails(["matrix", "export", capture, "-o", "/dev/full"], 1, /the disk is full/);
  const full = openSync("/dev/full", "w");
  const { status, stderr } = spawnSync(process.execPath, [BINARY, "matrix", "export", capture], {
    stdio: ["ignore", full, "pipe"],
    encoding: "utf8",
  });
  closeSync(full);
  assert.equal(status, 1);
  assert.match(
    stderr,
    /^sparsewire: cannot write standard output: the disk is full; give -o another place\n$/,
  );
});

test("check-config knows that a server beyond loopback needs a certificate", (t) => {
  const folder = temporaryFolder(t);
  const file = join(folder, "a.toml");
  const check = (text: string, kind: string) => {
    writeFileSync(file, text);
    const { code, out } = sparsewire(["check-config", file, "--kind", kind]);
    return `${code} ${out.replaceAll(`${file}:`, "")}`;
  };
  assert.match(
    check('[listen]\naddress = "0.0.0.0"\n', "aggregator"),
    /^2 2:1: listen\.address: 0\.0\.0\.0 can be reached/,
  );
  assert.match(
    check('interface = "a"\nmetrics.address = "::"\n', "sensor"),
    /^2 2:1: metrics\.address: :: can/,
  );
  const open = '[listen]\naddress = "0.0.0.0"\ntls_cert = "/c.pem"\n';
  assert.match(check(open, "aggregator"), /^0 /, "key and token may be credentials");
  assert.match(check('interface = "a"\nmetrics = { enabled = false, address = "::" }\n', "sensor"), /^0 /);
});
