import { HeldView } from "../../daemon/extension/held-view.js";
import { SandboxFixture } from "../../test/sandbox/fixture.js";
import type { BenchOptions, Row, RowGroup } from "../report.js";

/** Distributions of native/sandbox/bench.c, by their number there. */
const DISTRIBUTIONS = ["all-distinct", "uniform over 2^18 links", "zipf over 2^18 links"];
const SUB_WINDOW = 1 << 17;
/** Chunks of 2 KiB: room for a sub-window of packed frames, and rings for the breaths. */
const CHUNKS = 1 << 14;

const ZIPF = 2;
/** As at 1 Mpps: frames that a breath finds. */
const HELD_BREATH = 1024;

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
    rows.push(heldRow(options));
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

/**
 * What the thread that captures pays for extensions: every frame is noted for them, and its chunk goes back to the kernel
 * when they are done with it, 8 breaths later. By turns with a sandbox that has none.
 */
function heldRow({ smoke }: BenchOptions): Row {
  const entries = 4 * CHUNKS;
  const kinds = [undefined, entries].map((heldEntries) => {
    const options = { module: "bench", logEntries: SUB_WINDOW, linkBudget: 1 << 20, chunks: CHUNKS } as const;
    const fixture = new SandboxFixture({ ...options, ...(heldEntries && { heldEntries }) }).start();
    const exports = fixture.exports as unknown as BenchExports;
    exports.bench_fill(ZIPF, CHUNKS, 1);
    const tap = new HeldView(fixture.memory).tap(0);
    if (heldEntries !== undefined) tap.join();
    return { fixture, exports, tap, heldEntries, shortest: Number.POSITIVE_INFINITY };
  });
  const passes = smoke ? 1 : 64;
  for (let round = 0; round < (smoke ? 1 : 15); round++) {
    for (const kind of kinds) {
      const { fixture, exports, tap, heldEntries } = kind;
      const held = new HeldView(fixture.memory);
      const ns = best(1, () => {
        let done = held.producer;
        for (let pass = 0; pass < passes; pass++) {
          exports.bench_ring(HELD_BREATH);
          fixture.exports.breathe(HELD_BREATH);
          if (heldEntries === undefined || pass % 8 !== 7) continue;
          for (let count = 1; count > 0; ) {
            const claim = tap.claim(done, entries, entries);
            count = claim.count;
            tap.finish(claim.from, count);
          }
          done = held.producer;
        }
      });
      fixture.seal(() => undefined);
      if (round > 0 || smoke) kind.shortest = Math.min(kind.shortest, ns / (passes * HELD_BREATH));
    }
  }
  const [without, held] = kinds.map(({ shortest }) => shortest);
  return {
    group: "sandbox",
    what: "an extension",
    subject: "zipf over 2^18 links",
    value: held! - without!,
    unit: "ns/packet",
    note: `what it costs the capture thread: ${held!.toFixed(2)} with, ${without!.toFixed(2)} without`,
  };
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
