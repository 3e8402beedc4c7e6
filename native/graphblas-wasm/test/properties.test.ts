// Algebraic properties, for any matrices that fast-check can think of; and the paths of the radix builder.
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import fc from "fast-check";
import { addPlanes, type GraphBLAS, load, type Matrix, quantitiesOfPlanes } from "../lib/index.js";
import { fuzzSettings, Random } from "./cases.js";

const { seed } = fuzzSettings(0);
const RUNS = { numRuns: 150, seed };
const HUGE = 1n << 60n;

/** [row, column, value] lists in a small or in the whole index space. */
const entries = (bits: bigint) => {
  const index = fc.oneof(fc.bigInt(0n, 5n), fc.bigInt(0n, (1n << bits) - 1n));
  return fc.array(fc.tuple(index, index, fc.bigInt(0n, 0xffffffffn)), { maxLength: 60 });
};
const bothWidths = fc.constantFrom(32n, 60n).chain((bits) => {
  return fc.tuple(fc.constant(1n << bits), entries(bits), entries(bits), entries(bits));
});

describe(`algebra, seed ${seed}`, () => {
  let gb: GraphBLAS;
  before(async () => {
    gb = await load();
  });
  after(() => assert.equal(gb.liveObjects(), 0));

  const matrix = (size: bigint, list: [bigint, bigint, bigint][]): Matrix => {
    const column = (k: 0 | 1 | 2) => BigUint64Array.from(list, (entry) => entry[k]);
    return gb.build("UINT64", size, size, column(0), column(1), column(2));
  };
  const holds = (name: string, check: (A: Matrix, B: Matrix, C: Matrix) => void) =>
    it(name, () => {
      const property = fc.property(bothWidths, ([size, a, b, c]) => {
        using A = matrix(size, a);
        using B = matrix(size, b);
        using C = matrix(size, c);
        check(A, B, C);
      });
      fc.assert(property, RUNS);
    });

  for (const op of ["plus", "max", "min"] as const) {
    holds(`eWiseAdd ${op} is commutative and associative`, (A, B, C) => {
      using AB = A.eWiseAdd(B, op);
      using BA = B.eWiseAdd(A, op);
      using left = AB.eWiseAdd(C, op);
      using BC = B.eWiseAdd(C, op);
      using right = A.eWiseAdd(BC, op);
      assert.ok(AB.isEqual(BA));
      assert.ok(left.isEqual(right));
    });
  }

  holds("the sum of the parts is the whole", (A) => {
    const [row, column] = [A.nrows / 3n, A.ncols / 2n];
    using a = A.extractRange(0n, row, 0n, A.ncols);
    using b = A.extractRange(row, A.nrows, 0n, column);
    using c = A.extractRange(row, A.nrows, column, A.ncols);
    using bc = b.eWiseAdd(c);
    using all = a.eWiseAdd(bc);
    assert.ok(all.isEqual(A));
    assert.equal(a.nvals + b.nvals + c.nvals, A.nvals);
  });

  holds("reductions agree with each other and with the quantities", (A) => {
    using rows = A.reduceRows("plus");
    using columns = A.reduceColumns("plus");
    using fanOut = A.reduceRows("count");
    using fanIn = A.reduceColumns("count");
    const q = A.quantities();
    assert.equal(rows.reduce("plus"), A.reduce("plus"));
    assert.equal(columns.reduce("plus"), A.reduce("plus"));
    assert.deepEqual(q, {
      n_packets: A.reduce("plus"),
      n_links: A.nvals,
      n_sources: rows.nvals,
      n_destinations: columns.nvals,
      max_packets: A.reduce("max"),
      max_source_packets: rows.reduce("max"),
      max_fan_out: Number(fanOut.reduce("max")),
      max_destination_packets: columns.reduce("max"),
      max_fan_in: Number(fanIn.reduce("max")),
    });
  });

  holds("the quantities of planes are those of each alone", (A) => {
    const planes = [
      A,
      A.withValues(
        "UINT32",
        Uint32Array.from({ length: A.nvals }, (_, k) => (k * 0x9e3779b1) >>> 0),
      ),
      A.withValues(
        "UINT64",
        BigUint64Array.from({ length: A.nvals }, (_, k) => BigInt(k) << 40n),
      ),
    ];
    for (const chosen of [planes, planes.slice(0, 2), planes.slice(1)]) {
      const alone = chosen.map((plane) => plane.quantities());
      assert.deepEqual(quantitiesOfPlanes(chosen), alone);
    }
    for (const plane of planes.slice(1)) plane.dispose();
  });

  holds("every copy is equal: HyperCSR, tuples, blob, dup", (A) => {
    using csr = gb.fromHyperCSR("UINT64", A.nrows, A.ncols, A.toHyperCSR());
    const { I, J, X } = A.extractTuples();
    using tuples = gb.build("UINT64", A.nrows, A.ncols, I.reverse(), J.reverse(), X.reverse(), null);
    using blob = gb.deserialize(A.serialize());
    using copy = A.dup();
    for (const other of [csr, tuples, blob, copy]) assert.ok(other.isEqual(A));
  });

  holds("top orders by value, then by index", (A) => {
    const { I, J, X } = A.extractTuples();
    const order = Array.from(I, (_, k) => k).sort((p, q) => (X[p]! < X[q]! ? 1 : X[p]! > X[q]! ? -1 : p - q));
    const n = Math.min(7, A.nvals);
    const top = A.top(7);
    const expected = order.slice(0, n).map((k) => [I[k], J[k], BigInt(X[k]!)]);
    assert.deepEqual(
      Array.from(top.values, (value, k) => [top.rows[k], top.cols[k], value]),
      expected,
    );
    using sums = A.reduceRows("plus");
    const best = sums.top(1);
    if (A.nvals) assert.equal(best.values[0], sums.reduce("max"));
  });

  holds("planes are added as each is alone", (A, B) => {
    using A2 = A.withValues("UINT32", new Uint32Array(A.nvals).fill(0xffffffff));
    using B2 = B.withValues("UINT32", new Uint32Array(B.nvals).fill(1));
    const [sum, sum2] = addPlanes([A, A2], [B, B2]) as [Matrix, Matrix];
    using alone = A.eWiseAdd(B);
    using alone2 = A2.eWiseAdd(B2, "plus", "widen");
    assert.ok(sum.isEqual(alone));
    assert.ok(sum2.isEqual(alone2));
    assert.equal(sum2.reduce("plus"), A2.reduce("plus") + B2.reduce("plus"));
    sum.dispose();
    sum2.dispose();
  });
});

describe(`build by radix sort, seed ${seed}`, () => {
  const random = new Random(seed);
  const n = 1 << 15;
  const host = (count: number) => (BigInt(random.below(count)) * 0x9e3779b1n) & 0xffffffffn;
  const distributions: Record<string, () => bigint> = {
    "all distinct": () => random.u64(),
    "few sources": () => (host(20) << 32n) | host(60_000),
    "many sources of a few packets": () => (host(3000) << 32n) | host(60_000),
    "one source": () => (7n << 32n) | (random.u64() & 0xffffffffn),
    "one destination": () => (host(60_000) << 32n) | 7n,
    "one link": () => 0x0a0000010a000002n,
    "one network": () =>
      0x0a0000000a000000n | (BigInt(random.below(65536)) << 32n) | BigInt(random.below(65536)),
    sorted: (() => {
      let key = 0n;
      return () => (key += 1n << 40n);
    })(),
  };
  for (const [name, key] of Object.entries(distributions)) {
    it(name, async () => {
      using gb = await load();
      const keys = BigUint64Array.from({ length: n }, key);
      const X = Uint32Array.from(keys, (_, k) => k);
      const sums = new Map<bigint, bigint>();
      const firsts = new Map<bigint, number>();
      keys.forEach((one, k) => {
        sums.set(one, (sums.get(one) ?? 0n) + BigInt(k));
        if (!firsts.has(one)) firsts.set(one, k);
      });
      const sorted = [...sums.keys()].sort((a, b) => (a < b ? -1 : 1));
      for (const size of [1n << 32n, HUGE]) {
        const I = keys.map((one) => (one >> 32n) * (size >> 32n));
        const J = keys.map((one) => (one & 0xffffffffn) * (size >> 32n));
        using sum = gb.build("UINT64", size, size, I, J, X, "plus");
        using first = gb.build("UINT32", size, size, I, J, X, "first");
        const [s, f] = [sum.extractTuples(), first.extractTuples()];
        assert.deepEqual(
          Array.from(s.I, (row, k) => ((row / (size >> 32n)) << 32n) | (s.J[k]! / (size >> 32n))),
          sorted,
        );
        assert.deepEqual(
          [...s.X],
          sorted.map((one) => sums.get(one)),
        );
        assert.deepEqual(
          [...f.X],
          sorted.map((one) => firsts.get(one)),
        );
      }
      using packed = gb.buildPacked("UINT32", keys);
      assert.equal(packed.reduce("plus"), BigInt(n));
      assert.equal(packed.nvals, sorted.length);
    });
  }
});
