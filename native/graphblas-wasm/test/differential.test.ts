// Every operation against native SuiteSparse:GraphBLAS on random matrices.
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { type BinaryOp, type GraphBLAS, load, type Matrix, type ReduceOp } from "../lib/index.js";
import { type Case, distinct, fuzzSettings, Random, randomTuples } from "./cases.js";
import { canonical, Oracle, oracleMissing } from "./oracle.js";

const OPS: BinaryOp[] = ["plus", "max", "min", "first", "second"];
const REDUCTIONS: ReduceOp[] = ["plus", "max", "min", "count"];
const CASES = Number(process.env.SPARSEWIRE_GRB_CASES ?? 150);

function matrixOf(gb: GraphBLAS, { type, nrows, ncols, I, J, X }: Case, dup: BinaryOp | null = null): Matrix {
  return gb.build(type, nrows, ncols, I, J, X, dup);
}

function sameTuples(matrix: Matrix, [I, J, X]: BigUint64Array[], what: string): void {
  const ours = matrix.extractTuples();
  const rows = Array.from(ours.I, (row, k) => `${row},${ours.J[k]},${ours.X[k]}`);
  assert.deepEqual(rows, canonical({ I: I!, J: J!, X: X! }), what);
}

describe("operations equal native SuiteSparse", { skip: oracleMissing }, () => {
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

  it(`build, ${CASES} cases, seed ${seed}`, async () => {
    const random = new Random(seed);
    for (let k = 0; k < CASES; k++) {
      const tuples = randomTuples(random, k);
      const op = k % OPS.length;
      using built = matrixOf(gb, tuples, OPS[op]!);
      sameTuples(
        built,
        await oracle.about("B", tuples, [BigInt(op)], tuples),
        `seed ${seed} case ${k} ${OPS[op]}`,
      );
    }
  });

  it(`eWiseAdd, ${CASES} cases, seed ${seed}`, async () => {
    const random = new Random(seed + 1);
    for (let k = 0; k < CASES; k++) {
      const a = distinct(randomTuples(random, k));
      const b = k % 7 === 0 ? { ...a, X: a.X.map((x) => x >> 1n) } : distinct(randomTuples(random, k, a));
      const op = k % OPS.length;
      using A = matrixOf(gb, a);
      using B = matrixOf(gb, b);
      using C = A.eWiseAdd(B, OPS[op]!);
      sameTuples(C, await oracle.about("A", a, [BigInt(op)], a, b), `seed ${seed} case ${k} ${OPS[op]}`);
    }
  });

  it(`reductions, ${CASES} cases, seed ${seed}`, async () => {
    const random = new Random(seed + 2);
    for (let k = 0; k < CASES; k++) {
      const tuples = distinct(randomTuples(random, k));
      using A = matrixOf(gb, tuples);
      const answer = await oracle.about("R", tuples, [], tuples);
      REDUCTIONS.forEach((op, position) => {
        using rows = A.reduceRows(op);
        using columns = A.reduceColumns(op);
        const expected = [0, 1].map((half) =>
          answer.slice((half * 4 + position) * 2, (half * 4 + position) * 2 + 2),
        );
        assert.deepEqual(
          Object.values(rows.extractTuples()),
          expected[0],
          `seed ${seed} case ${k} rows ${op}`,
        );
        assert.deepEqual(
          Object.values(columns.extractTuples()),
          expected[1],
          `seed ${seed} case ${k} columns ${op}`,
        );
      });
      const scalars = (["plus", "max", "min"] as const).map((op) => A.reduce(op));
      assert.deepEqual(scalars, Array.from(answer.at(-1)!), `seed ${seed} case ${k} scalars`);
    }
  });
});
