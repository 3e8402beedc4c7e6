/** Real captures through the sandbox, against what tshark finds in them. */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { openSource } from "../../daemon/ingest/file-source.js";
import { FRAME_REASONS } from "../../lib/reasons.js";
import { addLink, FileReaderUnderTest, sumCounter, sumLinks } from "./file-harness.js";

const folder =
  process.env.SPARSEWIRE_PCAPS ?? fileURLToPath(new URL("../../../../shared/pcaps", import.meta.url));
const captures = existsSync(folder)
  ? readdirSync(folder).filter((name) => /\.(pcap|pcapng|gz|zst)$/.test(name))
  : [];
if (captures.length === 0) {
  test("real captures", { skip: `no captures in ${folder}: set SPARSEWIRE_PCAPS` }, () => {});
}

/** NAME.v4.csv: lines src,dst,packets,bytes; no file where there is no pair. */
function expected(name: string, family: "v4" | "v6"): Map<string, [number, number]> {
  const path = join(folder, `${name}.${family}.csv`);
  const links = new Map<string, [number, number]>();
  const lines = existsSync(path) ? readFileSync(path, "utf8").split("\n") : [];
  for (const [source, destination, packets, bytes] of lines.filter(Boolean).map((line) => line.split(","))) {
    addLink(links, `${source},${destination}`, Number(packets), Number(bytes));
  }
  return links;
}

/** Files that MANIFEST.tsv tags as damaged. */
const damaged = new Set(
  (existsSync(join(folder, "MANIFEST.tsv")) ? readFileSync(join(folder, "MANIFEST.tsv"), "utf8") : "")
    .split("\n")
    .filter((line) => /\bcorrupt/.test(line))
    .map((line) => line.split("\t")[0]),
);

const reader = captures.length === 0 ? undefined : new FileReaderUnderTest();
for (const name of captures) {
  test(name, async () => {
    const source = await openSource(join(folder, name));
    const reading = await reader!.read(source);
    source.close();
    assert.deepEqual(sumLinks(reading.intervals, "links4"), sorted(expected(name, "v4")));
    assert.deepEqual(sumLinks(reading.intervals, "links6"), expected(name, "v6"));
    const reasons = FRAME_REASONS.reduce(
      (sum, reason) => sum + sumCounter(reading.intervals, `frames_${reason}`),
      0,
    );
    assert.equal(reasons, reading.records, "every record is under one reason");
    assert.equal(sumCounter(reading.intervals, "frames"), reading.records);
    assert.equal(reading.damage !== undefined, damaged.has(name), JSON.stringify(reading.damage));
  });
}

const sorted = (links: Map<string, [number, number]>): Map<string, [number, number]> =>
  new Map([...links].sort());
