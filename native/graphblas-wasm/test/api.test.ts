// The typed face: errors, types, lifetimes, limits, and blobs of later versions of SuiteSparse.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { addPlanes, type GraphBLAS, loadSync, serializePlanes } from "../lib/index.js";

const IPV4 = 1n << 32n;
const longs = (...values: number[]) => BigUint64Array.from(values, BigInt);

function sample(gb: GraphBLAS) {
  return gb.build("UINT32", IPV4, IPV4, longs(5, 1, 5, 1), longs(7, 9, 7, 2), Uint32Array.of(1, 2, 3, 4));
}

describe("errors", () => {
  const gb = loadSync();
  const csr = { Ap: longs(0, 1, 3), Ah: longs(2, 4), Aj: longs(1, 0, 5), Ax: Uint32Array.of(1, 2, 3) };
  const cases: [string, string, () => unknown][] = [
    [
      "Ap not from 0",
      "GrB_INVALID_VALUE",
      () => gb.fromHyperCSR("UINT32", 9n, 9n, { ...csr, Ap: longs(1, 2, 3) }),
    ],
    [
      "Ap not increasing",
      "GrB_INVALID_VALUE",
      () => gb.fromHyperCSR("UINT32", 9n, 9n, { ...csr, Ap: longs(0, 0, 3) }),
    ],
    [
      "Ap beyond nvals",
      "GrB_INVALID_VALUE",
      () => gb.fromHyperCSR("UINT32", 9n, 9n, { ...csr, Ap: longs(0, 4, 3) }),
    ],
    [
      "Ap short of nvals",
      "GrB_INVALID_VALUE",
      () => gb.fromHyperCSR("UINT32", 9n, 9n, { ...csr, Ap: longs(0, 1, 2) }),
    ],
    [
      "Ah not increasing",
      "GrB_INVALID_VALUE",
      () => gb.fromHyperCSR("UINT32", 9n, 9n, { ...csr, Ah: longs(4, 4) }),
    ],
    ["row beyond", "GrB_INDEX_OUT_OF_BOUNDS", () => gb.fromHyperCSR("UINT32", 4n, 9n, csr)],
    ["column beyond", "GrB_INDEX_OUT_OF_BOUNDS", () => gb.fromHyperCSR("UINT32", 9n, 5n, csr)],
    [
      "columns unsorted",
      "GrB_INVALID_VALUE",
      () => gb.fromHyperCSR("UINT32", 9n, 9n, { ...csr, Aj: longs(1, 5, 0) }),
    ],
    [
      "lengths",
      "GrB_INVALID_VALUE",
      () => gb.fromHyperCSR("UINT32", 9n, 9n, { ...csr, Ax: Uint32Array.of(1) }),
    ],
    [
      "value too large",
      "GrB_DOMAIN_MISMATCH",
      () => gb.fromHyperCSR("UINT32", 9n, 9n, { ...csr, Ax: BigUint64Array.of(1n, 2n, IPV4) }),
    ],
    ["zero dimension", "GrB_INVALID_VALUE", () => gb.matrix("UINT32", 0n, 1n)],
    ["dimension beyond 2^60", "GrB_INVALID_VALUE", () => gb.matrix("UINT32", 1n, (1n << 60n) + 1n)],
    ["unknown type", "GrB_DOMAIN_MISMATCH", () => gb.matrix("FP16" as "UINT32", 1n, 1n)],
    ["unknown operator", "GrB_INVALID_VALUE", () => sample(gb).eWiseAdd(sample(gb), "power" as "plus")],
    ["build: row beyond", "GrB_INDEX_OUT_OF_BOUNDS", () => gb.build("UINT32", 5n, 9n, longs(5), longs(1), 1)],
    [
      "build: column beyond",
      "GrB_INDEX_OUT_OF_BOUNDS",
      () => gb.build("UINT32", 9n, 3n, longs(5), longs(3), 1),
    ],
    [
      "build: duplicate without dup",
      "GrB_INVALID_VALUE",
      () => gb.build("UINT32", 9n, 9n, longs(5, 5), longs(1, 1), 1, null),
    ],
    [
      "build: scalar too large",
      "GrB_DOMAIN_MISMATCH",
      () => gb.build("UINT32", 9n, 9n, longs(5), longs(1), IPV4),
    ],
    ["build: lengths", "GrB_INVALID_VALUE", () => gb.build("UINT32", 9n, 9n, longs(5), longs(1, 2), 1)],
    ["dimensions", "GrB_DIMENSION_MISMATCH", () => sample(gb).eWiseAdd(gb.matrix("UINT32", IPV4, 5n))],
    [
      "narrowing add",
      "GrB_DOMAIN_MISMATCH",
      () => sample(gb).eWiseAdd(sample(gb).cast("UINT64"), "plus", "UINT32"),
    ],
    [
      "planes that differ",
      "GrB_INVALID_VALUE",
      () => serializePlanes([sample(gb), gb.matrix("UINT32", IPV4, IPV4)]),
    ],
    ["planes, none", "GrB_INVALID_VALUE", () => addPlanes([], [])],
    ["other instance", "GrB_INVALID_VALUE", () => sample(gb).eWiseAdd(sample(loadSync()))],
    ["level", "GrB_INVALID_VALUE", () => sample(gb).serialize({ level: 20 })],
    ["range", "GrB_INVALID_INDEX", () => sample(gb).extractRange(-1n, 1n, 0n, 1n)],
    ["not a blob", "GrB_INVALID_OBJECT", () => gb.deserialize(new Uint8Array(10))],
    ["empty blob", "GrB_INVALID_OBJECT", () => gb.deserialize(new Uint8Array(0))],
  ];
  for (const [name, info, call] of cases)
    it(`${name}: ${info}`, () => assert.throws(call, { name: "GrBError", info }));
});

describe("values and types", () => {
  it("UINT32 sums wrap, or widen when they must", () => {
    using gb = loadSync();
    const A = gb.build("UINT32", IPV4, IPV4, longs(1), longs(1), 0xffffffff);
    const B = gb.build("UINT32", IPV4, IPV4, longs(1), longs(1), 1);
    assert.deepEqual(A.eWiseAdd(B).extractTuples().X, Uint32Array.of(0));
    const wide = A.eWiseAdd(B, "plus", "widen");
    assert.deepEqual([wide.type, wide.reduce("plus")], ["UINT64", IPV4]);
    assert.equal(B.eWiseAdd(B, "plus", "widen").type, "UINT32");
    assert.equal(A.eWiseAdd(B.cast("UINT64")).reduce("plus"), IPV4);
    assert.equal(wide.cast("UINT32").reduce("plus"), 0n);
  });

  it("arrays of 32-bit indices are taken as well, and an empty matrix is one", () => {
    using gb = loadSync();
    const arrays = {
      Ap: Uint32Array.of(0, 1, 2),
      Ah: Uint32Array.of(3, 4),
      Aj: Uint32Array.of(8, 0),
      Ax: Uint32Array.of(1, 2),
    };
    const A = gb.fromHyperCSR("UINT64", 1n << 50n, 9n, arrays);
    assert.deepEqual(A.toHyperCSR(), {
      Ap: longs(0, 1, 2),
      Ah: longs(3, 4),
      Aj: longs(8, 0),
      Ax: longs(1, 2),
    });
    const empty = gb.matrix("UINT32", 5n, 5n);
    assert.deepEqual(
      [empty.nvals, empty.nvec, empty.reduce("plus"), empty.top(3).values.length],
      [0, 0, 0n, 0],
    );
    assert.equal(empty.quantities().n_packets, 0n);
  });

  it("planes share one pattern", () => {
    using gb = loadSync();
    const n = 10_000;
    const keys = BigUint64Array.from({ length: n }, (_, k) => BigInt(k) << 20n);
    const A = gb.buildPacked("UINT32", keys);
    const before = gb.usedBytes();
    const B = A.withValues("UINT32", new Uint32Array(n));
    assert.ok(gb.usedBytes() - before < n * 4 + 200);
    const [blobA, blobB] = serializePlanes([A, B]) as [Uint8Array, Uint8Array];
    const used = gb.usedBytes();
    const [C, D] = [gb.deserialize(blobA), gb.deserialize(blobB)];
    serializePlanes([C, D]); // finds that the two are the same, and shares
    assert.ok(gb.usedBytes() - used < n * (4 + 4 + 4 + 8) + 2000);
  });
});

describe("lifetimes", () => {
  it("disposed objects say so; the others live", () => {
    using gb = loadSync();
    const A = sample(gb);
    const rows = A.reduceRows("plus");
    assert.equal(gb.liveObjects(), 2);
    A.dispose();
    A.dispose();
    assert.throws(() => A.serialize(), { info: "GrB_UNINITIALIZED_OBJECT" });
    assert.equal(rows.reduce("plus"), 10n);
    rows.dispose();
    assert.equal(gb.liveObjects(), 0);
  });

  it("beyond maximumBytes is GrB_OUT_OF_MEMORY, and the instance lives on", () => {
    using gb = loadSync({ maximumBytes: 4 << 20 });
    const keys = BigUint64Array.from({ length: 400_000 }, (_, k) => BigInt(k));
    assert.throws(() => gb.buildPacked("UINT32", keys), { info: "GrB_OUT_OF_MEMORY" });
    const A = gb.buildPacked("UINT32", keys.subarray(0, 40_000));
    const large = loadSync().buildPacked("UINT32", keys).serialize();
    assert.throws(() => gb.deserialize(large), { info: "GrB_OUT_OF_MEMORY" });
    assert.equal(A.eWiseAdd(A).reduce("plus"), 80_000n);
    assert.ok(gb.memoryBytes() <= 4 << 20);
    assert.equal(gb.panicked, false);
  });

  it("a trap is GrB_PANIC, for good; another instance is not touched", () => {
    const [gb, other] = [loadSync(), loadSync()];
    const A = sample(gb);
    const engine = A.engine;
    assert.throws(() => engine.value("gb_matrix_describe", 0xfffffff0), { info: "GrB_PANIC" });
    assert.ok(gb.panicked);
    assert.throws(() => A.reduce("plus"), { info: "GrB_PANIC" });
    A.dispose();
    assert.equal(sample(other).reduce("plus"), 10n);
  });

  it("a disposed instance refuses", () => {
    const gb = loadSync();
    const A = sample(gb);
    gb.dispose();
    assert.throws(() => A.reduce("plus"), { info: "GrB_UNINITIALIZED_OBJECT" });
    assert.throws(() => sample(gb), { info: "GrB_UNINITIALIZED_OBJECT" });
  });
});

describe("blobs of SuiteSparse 10", () => {
  /** An uncompressed blob with 32-bit Ap, Ah and Ai, which version 10 writes, and its two strings at the end. */
  function version10(Ap: number[], Ah: number[], Ai: number[], Ax: number[]): Uint8Array {
    const arrays = [Ap, Ah, [], Ai, Ax].map((array) => Uint32Array.from(array));
    const header = new DataView(new ArrayBuffer(160));
    const content = arrays.reduce((sum, array) => sum + array.byteLength + (array.length ? 8 : 0), 0);
    header.setBigUint64(0, BigInt(160 + content + 10), true);
    header.setUint32(8, 0x1117, true);
    header.setInt32(12, 10_001_000, true);
    const facts = [100, 200, Ah.length, Ah.length, Ai.length, 4, ...arrays.map((array) => array.byteLength)];
    for (const [k, fact] of facts.entries()) header.setBigUint64(16 + 8 * k, BigInt(fact), true);
    header.setUint32(112, 0x0001110f, true);
    header.setUint32(116, 4, true);
    arrays.forEach((array, k) => {
      header.setInt32(120 + 8 * k, array.length ? 1 : 0, true);
      header.setInt32(124 + 8 * k, -1, true);
    });
    const ends = arrays.filter((array) => array.length).map((array) => BigInt(array.byteLength));
    const parts = [header.buffer, BigUint64Array.from(ends).buffer, ...arrays.map((array) => array.buffer)];
    return Buffer.concat([...parts.map((part) => new Uint8Array(part)), Buffer.from("\0uint32_t\0")]);
  }

  it("32-bit indices; rows that are jumbled or empty", () => {
    using gb = loadSync();
    const A = gb.deserialize(version10([0, 2, 2, 3], [4, 9, 150], [70, 3, 5], [7, 8, 9]));
    assert.deepEqual([A.nrows, A.ncols, A.nvec], [200n, 100n, 2]);
    assert.deepEqual(A.extractTuples(), {
      I: longs(4, 4, 150),
      J: longs(3, 70, 5),
      X: Uint32Array.of(8, 7, 9),
    });
  });

  it("damaged ones are refused", () => {
    using gb = loadSync();
    const refused = (...arrays: [number[], number[], number[], number[]]) =>
      assert.throws(() => gb.deserialize(version10(...arrays)), { info: "GrB_INVALID_OBJECT" });
    refused([0, 2], [4], [3, 3], [1, 1]);
    refused([0, 2], [200], [3, 4], [1, 1]);
    refused([0, 2], [4], [3, 100], [1, 1]);
    refused([0, 1], [4], [3, 4], [1, 1]);
    refused([0, 3], [4], [3, 4], [1, 1]);
    refused([1, 2], [4], [3, 4], [1, 1]);
    refused([0, 1, 2], [4, 4], [3, 4], [1, 1]);
    refused([0, 2], [4], [3, 4], [1]);
  });
});
