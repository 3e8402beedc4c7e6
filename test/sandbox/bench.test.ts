/** The benchmark's own exports, run small: their traffic is what they say, and they do not rot. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { SandboxFixture } from "./fixture.js";

interface BenchExports {
  bench_fill(distribution: number, n: number, seed: number): number;
  bench_ring(n: number): void;
  bench_pack(distribution: number, n: number, seed: number): number;
  bench_window(n: number, times: number): number;
}
const N = 4096;
const DISTRIBUTIONS = ["all distinct", "uniform", "zipf"];

for (const [distribution, name] of DISTRIBUTIONS.entries()) {
  test(`${name} traffic through the sort alone and through the rings is the same`, () => {
    const fixture = new SandboxFixture({ module: "bench", chunks: N }).start();
    const bench = fixture.exports as unknown as BenchExports;
    assert.equal(bench.bench_pack(distribution, N, 7), N);
    const links = bench.bench_window(N, 2);
    assert.equal(bench.bench_window(N, 1), links);
    const [least, most] = [
      [N, N],
      [N - 100, N - 1],
      [N / 4, N - 500],
    ][distribution]!;
    assert.ok(links >= least! && links <= most!, `${links} links`);
    // The windows above went through the open interval's counters: this seal empties them.
    fixture.seal(() => undefined);
    assert.equal(bench.bench_fill(distribution, N, 7), N);
    bench.bench_ring(N);
    assert.equal(fixture.exports.breathe(N), N);
    fixture.seal((slot) => {
      assert.equal(slot.v4.Aj.length, links);
      assert.equal(slot.counters.packets, N);
      assert.equal(slot.counters.packet_bytes, 60 * N);
    });
  });
}

test("more than fits is refused", () => {
  const fixture = new SandboxFixture({ module: "bench", chunks: 64 }).start();
  const bench = fixture.exports as unknown as BenchExports;
  assert.equal(bench.bench_fill(0, 65, 1), 0);
  assert.equal(bench.bench_pack(0, 64 * 32 + 1, 1), 0);
});
