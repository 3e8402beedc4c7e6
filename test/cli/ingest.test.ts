import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { progressLine } from "../../daemon/cli/progress.js";
import { decodeArchive, parseArchiveName } from "../../lib/archive.js";
import { eth, pcapFile } from "../pcap/writer.js";
import { BINARY, requireProgram, sparsewire, temporaryFolder } from "./command.js";
import { captureOf } from "./traffic.js";

const PCAP_HEADER_BYTES = 24;

test("ingest writes one archive an interval, and a summary", (t) => {
  const folder = temporaryFolder(t);
  const start = 1_700_000_000_000_000_000n;
  const records = Array.from({ length: 30 }, (_, at) => ({
    data: eth().ipv4("10.0.0.1", "10.0.0.2").udp(1, 2, 10).bytes(),
    timestamp: start + BigInt(at) * 100_000_000n,
  }));
  const capture = join(folder, "a.pcap");
  writeFileSync(capture, pcapFile(records));
  const out = join(folder, "deep/out");
  const ran = sparsewire(["ingest", capture, "-o", out, "--json", "--sensor", "lab"]);
  assert.deepEqual([ran.code, ran.err], [0, ""]);
  const summary = JSON.parse(ran.out) as { archives: number; packets: number; files: { packets: number }[] };
  assert.deepEqual([summary.archives, summary.packets, summary.files[0]!.packets], [3, 30, 30]);
  const names = readdirSync(out).toSorted();
  assert.equal(names.length, 3);
  for (const name of names) {
    const { manifest } = decodeArchive(readFileSync(join(out, name)));
    assert.deepEqual([manifest.sensor, manifest.mode, manifest.packets], ["lab", "pcap", 10]);
    assert.equal(parseArchiveName(name)!.start, manifest.start);
  }
  const words = sparsewire(["ingest", capture, "-o", join(folder, "w"), "--window-packets", "20"]);
  assert.equal(words.code, 0);
  assert.match(words.out, /^2 archives in .*: 30 packets of 30 frames, [\d,]+ bytes, /);
  assert.equal(sparsewire(["matrix", "export", out]).out, sparsewire(["matrix", "export", capture]).out);
});

test("every matrix of an archive has its quantities, one without a link too", (t) => {
  const folder = temporaryFolder(t);
  const capture = join(folder, "a.pcap");
  writeFileSync(capture, captureOf([["2001:db8::1", "2001:db8::2", 3]]));
  assert.equal(sparsewire(["ingest", capture, "-o", folder]).code, 0);
  const name = readdirSync(folder).find((file) => file.endsWith(".tar"))!;
  const { manifest, member } = decodeArchive(readFileSync(join(folder, name)));
  const quantities = JSON.parse(Buffer.from(member("quantities.json")!).toString()) as Record<
    string,
    Record<string, number>
  >;
  const matrices = manifest.members.map((each) => each.name).filter((file) => file.endsWith(".grb"));
  assert.deepEqual(
    Object.keys(quantities).toSorted(),
    matrices.map((file) => file.replace(/\.grb$/, "")).toSorted(),
  );
  const [none, some] = [quantities["links4.packets"]!, quantities["links6.packets"]!];
  assert.deepEqual(Object.keys(none), Object.keys(some));
  assert.deepEqual([...new Set(Object.values(none))], [0]);
  assert.equal(some.n_packets, 3);
});

test("ingest reads stdin; a damaged capture yields what precedes the damage, exit 3", (t) => {
  const folder = temporaryFolder(t);
  const whole = captureOf([["10.0.0.1", "10.0.0.2", 5]]);
  const ran = sparsewire(["ingest", "-", "-o", folder], { input: whole.subarray(0, whole.length - 3) });
  assert.equal(ran.code, 3, ran.err);
  assert.match(ran.err, /^sparsewire: warning: - is damaged at byte \d+ .*what precedes it was written\n$/);
  assert.match(ran.out, /^1 archive in .*: 4 packets/);
});

test("ingest into a place that cannot be written: exit 1, and why", (t) => {
  const folder = temporaryFolder(t);
  const capture = join(folder, "a.pcap");
  writeFileSync(capture, captureOf([["10.0.0.1", "10.0.0.2", 5]]));
  const ran = sparsewire(["ingest", capture, "-o", join(capture, "x")]);
  assert.equal(ran.code, 1);
  assert.match(ran.err, /^sparsewire: cannot write .*; give -o another folder\n$/);
});

test("on a terminal a long ingest shows its progress, and leaves the line empty", (t) => {
  if (!requireProgram(t, "script")) return;
  const folder = temporaryFolder(t);
  const capture = join(folder, "a.pcap");
  const one = captureOf([["10.0.0.1", "10.0.0.2", 1]]);
  const record = one.subarray(PCAP_HEADER_BYTES);
  const packets = 500_000;
  const bytes = Buffer.alloc(PCAP_HEADER_BYTES + record.length * packets);
  bytes.set(one.subarray(0, PCAP_HEADER_BYTES));
  for (let at = 0; at < packets; at++) bytes.set(record, PCAP_HEADER_BYTES + at * record.length);
  writeFileSync(capture, bytes);
  const command = `stty cols 100; ${process.execPath} ${BINARY} ingest ${capture} -o ${folder}/out >${folder}/summary`;
  const { stdout, status } = spawnSync("script", ["-qec", command, "/dev/null"], { encoding: "utf8" });
  assert.equal(status, 0, stdout);
  const lines = stdout.split("\r").map((line) => line.replaceAll(`${String.fromCharCode(27)}[K`, ""));
  assert.ok(
    lines.some((line) => /^\[#* *\] +\d+% .* MiB {2}\d.* packets/.test(line)),
    JSON.stringify(stdout),
  );
  assert.equal(lines.at(-1), "");
  assert.ok(lines.every((line) => line.length < 100));
  assert.match(
    readFileSync(join(folder, "summary"), "utf8"),
    /^1 archive in .*: 500,000 packets of 500,000 frames/,
  );
});

test("the progress line fits every width", () => {
  const state = { bytesRead: 1.2e9, bytesTotal: 2.4e9, packets: 12_345_678 };
  for (let columns = 1; columns <= 200; columns++) {
    assert.ok(progressLine(state, 3, columns).length <= Math.max(1, columns - 1), `${columns}`);
    assert.ok(progressLine({ bytesRead: 5, packets: 1 }, 0, columns).length <= Math.max(1, columns - 1));
  }
  assert.match(
    progressLine(state, 3, 120),
    /^\[#+ +\] +50% {2}1.1 GiB of 2.2 GiB {2}12.3M packets {2}4.12M\/s {2}3 s left$/,
  );
});
