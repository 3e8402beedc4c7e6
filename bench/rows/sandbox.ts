import { SandboxFixture } from "../../test/sandbox/fixture.js";
import type { BenchOptions, Row, RowGroup } from "../report.js";

/** Distributions of native/sandbox/bench.c, by their number there. */
const DISTRIBUTIONS = ["all-distinct", "uniform over 2^18 links", "zipf over 2^18 links"];
const SUB_WINDOW = 1 << 17;
/** Chunks of 2 KiB: room for a sub-window of packed frames, and rings for the breaths. */
const CHUNKS = 1 << 14;

interface BenchExports {
  bench_pack(distribution: number, frames: number, seed: number): number;
  bench_window(frames: number, times: number): number;
  bench_fill(distribution: number, frames: number, seed: number): number;
  bench_ring(frames: number): void;
}

/** The sandbox alone, in one thread, without a kernel: what a packet costs in the WebAssembly that captures. */
export const sandboxGroup: RowGroup = {
  name: "sandbox",
  about: "ns per packet of the capture sandbox, by distribution",
  run: async (options) => {
    const rows = DISTRIBUTIONS.flatMap((name, number) => rowsOf(name, number, options));
    // By measurement first: the distributions stand below one another.
    return rows.sort((a, b) => Number(a.what > b.what) - Number(a.what < b.what)).reverse();
  },
};

function rowsOf(name: string, distribution: number, { smoke }: BenchOptions): Row[] {
  const fixture = new SandboxFixture({
    module: "bench",
    logEntries: SUB_WINDOW,
    linkBudget: 1 << 20,
    chunks: CHUNKS,
  }).start();
  const row = (what: string, value: number, note: string): Row => {
    return { group: "sandbox", what, subject: name, value, unit: "ns/packet", note };
  };
  return [
    row(
      "extract, sort and fold 2^17 packets",
      windowCost(fixture, distribution, smoke ? 1 : 20),
      "frames in cache, best of several",
    ),
    row(
      "breathe: rings, extract, sort, fold, merge, seal",
      breathCost(fixture, distribution, smoke),
      "2^14 frames of UMEM, whole intervals",
    ),
  ];
}

function windowCost(fixture: SandboxFixture, distribution: number, rounds: number): number {
  const exports = fixture.exports as unknown as BenchExports;
  exports.bench_pack(distribution, SUB_WINDOW, 1);
  exports.bench_window(SUB_WINDOW, 1);
  return best(rounds, () => exports.bench_window(SUB_WINDOW, 1)) / SUB_WINDOW;
}

/** Intervals of 2^20 packets through the rings, seals included. The same 2^14 frames come again and again. */
function breathCost(fixture: SandboxFixture, distribution: number, smoke: boolean): number {
  const exports = fixture.exports as unknown as BenchExports;
  const frames = exports.bench_fill(distribution, CHUNKS, 1);
  const passes = smoke ? 1 : 64;
  const interval = () => {
    let taken = 0;
    for (let pass = 0; pass < passes; pass++) {
      exports.bench_ring(frames);
      for (let n = 0; (n = fixture.exports.breathe(4096)) > 0; ) taken += n;
    }
    fixture.seal(() => undefined);
    if (taken !== passes * frames) throw new Error(`${taken} of ${passes * frames} frames were taken`);
  };
  interval();
  return best(smoke ? 1 : 5, interval) / (passes * frames);
}

/** The shortest of `rounds` runs, in ns. */
function best(rounds: number, work: () => void): number {
  let shortest = Number.POSITIVE_INFINITY;
  for (let round = 0; round < rounds; round++) {
    const start = process.hrtime.bigint();
    work();
    shortest = Math.min(shortest, Number(process.hrtime.bigint() - start));
  }
  return shortest;
}
