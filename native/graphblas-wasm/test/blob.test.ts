// `.grb` blobs both ways: ours read by native SuiteSparse, and native ones of every method, format and type read by us.
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { type GraphBLAS, load, serializePlanes } from "../lib/index.js";
import { type Case, distinct, fuzzSettings, Random, randomTuples } from "./cases.js";
import { canonical, longs, Oracle, oracleMissing, typeCodeOf } from "./oracle.js";

const CASES = 1000;
/** GxB_COMPRESSION_*: none, default, LZ4, LZ4HC 1, 5 and 9, ZSTD 1, 3, 9 and 19. */
const METHODS = [-1, 0, 1000, 2001, 2005, 2009, 3001, 3003, 3009, 3019];
const [HYPERSPARSE, SPARSE, BITMAP, FULL] = [1n, 2n, 4n, 8n];

const signed = (method: number) => BigInt.asUintN(64, BigInt(method));

describe("blobs", { skip: oracleMissing }, () => {
  const { seed } = fuzzSettings(0);
  let oracle: Oracle;
  let gb: GraphBLAS;

  before(async () => {
    oracle = new Oracle();
    gb = await load();
  });
  after(async () => {
    assert.equal(gb.liveObjects(), 0);
    await oracle.end();
  });

  const nativeReads = async (blob: Uint8Array, from: Case, what: string) => {
    const { info, arrays } = await oracle.ask("D", [new BigUint64Array(0), blob]);
    assert.equal(info, 0, `${what}: native says GrB_Info ${info}`);
    const [facts, I, J, X] = arrays.map(longs);
    assert.deepEqual(Array.from(facts!), [typeCodeOf(from.type), from.nrows, from.ncols], what);
    assert.deepEqual(canonical({ I: I!, J: J!, X: X! }), canonical(from), what);
  };

  const nativeBlob = async (
    from: Case,
    method: number,
    byColumn = 0n,
    sparsity = 0n,
    typeCode = typeCodeOf(from.type),
  ) => {
    const iso = from.iso && from.I.length > 0 ? 1n : 0n;
    const parameters = BigUint64Array.from([
      typeCode,
      from.nrows,
      from.ncols,
      signed(method),
      byColumn,
      iso,
      sparsity,
    ]);
    return (await oracle.ask("S", [parameters, from.I, from.J, from.X])).arrays[0]!;
  };

  const weRead = (blob: Uint8Array, from: Case, what: string) => {
    using A = gb.deserialize(blob);
    assert.deepEqual([A.type, A.nrows, A.ncols], [from.type, from.nrows, from.ncols], what);
    const { I, J, X } = A.extractTuples();
    assert.deepEqual(
      Array.from(I, (row, k) => `${row},${J[k]},${X[k]}`),
      canonical(from),
      what,
    );
  };

  it(`ours are read by native, ${CASES} matrices, seed ${seed}`, async () => {
    const random = new Random(seed + 3);
    for (let k = 0; k < CASES; k++) {
      const tuples = distinct(randomTuples(random, k));
      using A = gb.build(tuples.type, tuples.nrows, tuples.ncols, tuples.I, tuples.J, tuples.X, null);
      const options = [{}, { compression: "none" }, { level: 3 }, { level: 9 }, { level: 19 }][
        k % 5
      ] as object;
      const blob = A.serialize(options);
      await nativeReads(blob, tuples, `seed ${seed} case ${k}`);
      weRead(blob, tuples, `seed ${seed} case ${k}, our own`);
    }
  });

  it(`native ones are read, ${CASES} matrices, every method, by row and by column, seed ${seed}`, async () => {
    const random = new Random(seed + 4);
    for (let k = 0; k < CASES; k++) {
      const tuples = distinct(randomTuples(random, k));
      const method = METHODS[k % METHODS.length]!;
      const byColumn = BigInt(random.below(2));
      const what = `seed ${seed} case ${k} method ${method} ${byColumn ? "by column" : "by row"}`;
      weRead(await nativeBlob(tuples, method, byColumn), tuples, what);
    }
  });

  it("sparse, bitmap and full blobs are read, by row and by column", async () => {
    const random = new Random(seed + 5);
    for (let k = 0; k < 200; k++) {
      const shape = { nrows: BigInt(1 + random.below(40)), ncols: BigInt(1 + random.below(40)) };
      const like = { ...randomTuples(random, 1), ...shape };
      const tuples = distinct(randomTuples(random, k % 63, like));
      const sparsity = [HYPERSPARSE, SPARSE, BITMAP, BITMAP | FULL][k % 4]!;
      weRead(
        await nativeBlob(tuples, 3001, BigInt(k % 2), sparsity),
        tuples,
        `seed ${seed} case ${k} sparsity ${sparsity}`,
      );
    }
    const all = Array.from({ length: 600 }, (_, k) => BigInt(k));
    const full = { type: "UINT32", nrows: 20n, ncols: 30n, iso: false, X: BigUint64Array.from(all) } as const;
    const I = BigUint64Array.from(all, (k) => k / 30n);
    const J = BigUint64Array.from(all, (k) => k % 30n);
    for (const byColumn of [0n, 1n])
      weRead(await nativeBlob({ ...full, I, J }, 1000, byColumn, FULL), { ...full, I, J }, "full");
  });

  it("other integer types are widened; negative values and floating point are refused", async () => {
    const one = { nrows: 1n << 32n, ncols: 1n << 32n, iso: false };
    const I = BigUint64Array.of(1n, 5n, 5n);
    const J = BigUint64Array.of(9n, 2n, 4n);
    const types = {
      1: "UINT32",
      2: "UINT32",
      3: "UINT32",
      4: "UINT32",
      5: "UINT32",
      6: "UINT32",
      8: "UINT64",
    } as const;
    for (const [code, type] of Object.entries(types)) {
      const subject: Case = { ...one, type, I, J, X: BigUint64Array.of(1n, 1n, code === "1" ? 1n : 100n) };
      weRead(await nativeBlob(subject, 3001, 0n, 0n, BigInt(code)), subject, `type code ${code}`);
    }
    for (const code of [2n, 4n, 6n, 8n]) {
      const minus: Case = { ...one, type: "UINT64", I, J, X: BigUint64Array.of(1n, 2n, 0xffffffffffffffffn) };
      const blob = await nativeBlob(minus, 3001, 0n, 0n, code);
      assert.throws(
        () => gb.deserialize(blob),
        { info: "GrB_DOMAIN_MISMATCH" },
        `negative, type code ${code}`,
      );
    }
    for (const code of [10n, 11n]) {
      const blob = await nativeBlob(
        { ...one, type: "UINT32", I, J, X: BigUint64Array.of(1n, 2n, 3n) },
        3001,
        0n,
        0n,
        code,
      );
      assert.throws(() => gb.deserialize(blob), { info: "GrB_DOMAIN_MISMATCH" }, `type code ${code}`);
    }
  });

  it("large matrices: several blocks both ways", async () => {
    const random = new Random(seed + 6);
    const n = 400_000;
    const fill = (make: () => bigint) => BigUint64Array.from({ length: n }, make);
    const [I, J] = [fill(() => random.u64() >> 32n), fill(() => random.u64() >> 32n)];
    const X = fill(() => random.u64() >> 54n);
    using A = gb.build("UINT64", 1n << 32n, 1n << 32n, I, J, X, "max");
    const tuples = A.extractTuples() as { I: BigUint64Array; J: BigUint64Array; X: BigUint64Array };
    const subject: Case = { type: "UINT64", nrows: 1n << 32n, ncols: 1n << 32n, iso: false, ...tuples };
    await nativeReads(A.serialize(), subject, "several blocks");
    for (const method of [1000, 2009, 3001])
      weRead(await nativeBlob(subject, method), subject, `method ${method}`);
  });

  it("planes of one pattern are each a whole blob", async () => {
    const random = new Random(seed + 7);
    const packets = distinct({
      ...randomTuples(random, 63),
      type: "UINT32",
      nrows: 1n << 60n,
      ncols: 1n << 60n,
    });
    using A = gb.build(
      "UINT32",
      packets.nrows,
      packets.ncols,
      packets.I,
      packets.J,
      packets.X.map((x) => x & 0xffffn),
      null,
    );
    using B = A.withValues(
      "UINT64",
      BigUint64Array.from({ length: A.nvals }, (_, k) => BigInt(k) << 33n),
    );
    const { I, J } = A.extractTuples();
    for (const [k, blob] of serializePlanes([A, B]).entries()) {
      const plane = [A, B][k]!;
      const X = BigUint64Array.from(plane.extractTuples().X, BigInt);
      await nativeReads(blob, { ...packets, type: plane.type, I, J, X }, `plane ${k}`);
    }
  });
});
