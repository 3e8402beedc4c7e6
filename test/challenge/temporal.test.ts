import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { load, type Matrix } from "graphblas-wasm";
import { TemporalQuantities, type TemporalRow } from "../../daemon/challenge/temporal.js";
import { quantitiesOfMatrix } from "../../lib/traffic.js";
import { sparsewire, temporaryFolder } from "../cli/command.js";
import { captureOf } from "../cli/traffic.js";
import { Random } from "../pcap/fuzz.js";

const BASE = 50;

test("windows of every level are the direct sums of their packets, partial ones too", async () => {
  const grb = await load();
  const random = new Random(11);
  for (const packets of [1, 50, 51, 100, 399, 400, 401, 650, 777]) {
    const stream = BigUint64Array.from({ length: packets }, () => BigInt(random.int(30)) * 2n ** 32n);
    const direct = (from: number, to: number): Matrix => grb.buildPacked("UINT32", stream.slice(from, to));
    for (const largest of [BASE, BASE * 4, BASE * 1024]) {
      const found: TemporalRow[] = [];
      using levels = new TemporalQuantities(BASE, largest, (row) => found.push(row));
      for (let at = 0; at < packets; at += BASE) levels.add(direct(at, at + BASE));
      levels.finish();
      const expected: TemporalRow[] = [];
      for (let size = BASE; size <= largest; size *= 2) {
        for (let at = 0; at < packets; at += size) {
          using window = direct(at, at + size);
          const held = Math.min(size, packets - at);
          expected.push({
            window_packets: size,
            window: at / size,
            matrices: Math.ceil(held / BASE),
            partial: held < size,
            quantities: quantitiesOfMatrix(window),
          });
        }
        if (size >= packets) break;
      }
      const order = (a: TemporalRow, b: TemporalRow) =>
        a.window_packets - b.window_packets || a.window - b.window;
      assert.deepEqual(found.sort(order), expected, `${packets} packets, up to ${largest}`);
      assert.equal(grb.liveObjects(), 0);
    }
  }
});

test("at most one matrix a level is held", async () => {
  const grb = await load();
  using levels = new TemporalQuantities(1, 1024, () => {});
  for (let packet = 0; packet < 5000; packet++) {
    levels.add(grb.buildPacked("UINT32", BigUint64Array.of(BigInt(packet))));
    assert.ok(grb.liveObjects() <= 10);
  }
});

test("matrix quantities --temporal: of captures and of their tars alike", (t) => {
  const folder = temporaryFolder(t);
  const [capture, tars] = [join(folder, "a.pcap"), join(folder, "tars")];
  const pairs = Array.from({ length: 11 }, (_, at): [string, string, number] => [
    `10.0.0.${at % 5}`,
    "10.9.9.9",
    2,
  ]);
  writeFileSync(capture, captureOf(pairs));
  const ok = (args: string[]): string => {
    const { code, out, err } = sparsewire(args);
    assert.deepEqual([code, err], [0, ""], args.join(" "));
    return out;
  };
  ok(["ingest", capture, "-o", tars, "--archive", "challenge", "--window-packets", "4"]);
  const windows = ["--temporal", "--window", "4", "--max-window", "16"];
  const tsv = ok(["matrix", "quantities", capture, ...windows, "--tsv"]);
  assert.equal(ok(["matrix", "quantities", tars, ...windows, "--tsv"]), tsv);
  const [head, ...lines] = tsv.trim().split("\n");
  assert.match(head!, /^window_packets\twindow\tmatrices\tpartial\tn_packets\tn_links\tn_sources/);
  assert.deepEqual(
    lines.map((line) => line.split("\t").slice(0, 5).join(" ")),
    [
      ...["4 0 1 0 4", "4 1 1 0 4", "4 2 1 0 4", "4 3 1 0 4", "4 4 1 0 4", "4 5 1 1 2"],
      ...["8 0 2 0 8", "8 1 2 0 8", "8 2 2 1 6"],
      ...["16 0 4 0 16", "16 1 2 1 6"],
    ],
  );
  const wide = sparsewire(["matrix", "quantities", tars, "--temporal", "--window", "2"]);
  assert.equal(wide.code, 3);
  assert.match(wide.err, /a window of 4 packets, more than 2; write it with sparsewire ingest/);
  assert.equal(sparsewire(["matrix", "quantities", tars, "--temporal", "--max-window", "2^17"]).code, 0);
  assert.equal(sparsewire(["matrix", "quantities", tars, "--temporal", "--max-window", "200000"]).code, 2);
});
