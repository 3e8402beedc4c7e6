// Laws that hold whatever the matrices: no oracle needed.
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { type AnyType, type GraphBLAS, load, type Matrix, type Semiring } from "../lib/index.js";
import { type Dimension, dimension, matrixOf, operand } from "./algebra-cases.js";
import { fuzzSettings, Random } from "./cases.js";

const CASES = Number(process.env.SPARSEWIRE_GRB_CASES ?? 100);
const { seed } = fuzzSettings(0);
type Sizes = [Dimension, Dimension, Dimension, Dimension];
type Make = (rows: Dimension, columns: Dimension) => Matrix<AnyType>;

describe(`laws of the algebra, ${CASES} cases each, seed ${seed}`, () => {
  let gb: GraphBLAS;
  before(async () => {
    gb = await load();
  });
  after(() => {
    assert.equal(gb.liveObjects(), 0);
    assert.equal(gb.usedBytes(), 0);
  });

  /** Matrices of one of these types, freed after each case. */
  const holds = (
    name: string,
    types: AnyType[],
    check: (make: Make, sizes: Sizes, random: Random) => Disposable[],
  ) =>
    it(name, () => {
      for (let k = 0; k < CASES; k++) {
        const random = new Random(seed * 4096 + k);
        const type = random.pick(types);
        const owned: Disposable[] = [];
        const make: Make = (rows, columns) => {
          const A = matrixOf(gb, operand(random, rows, columns, type));
          owned.push(A);
          return A;
        };
        const sizes = Array.from({ length: 4 }, () => dimension(random)) as Sizes;
        owned.push(...check(make, sizes, random));
        for (const one of owned) one[Symbol.dispose]();
      }
    });
  const equal = (A: Matrix<AnyType>, B: Matrix<AnyType>) => assert.ok(A.isEqual(B));
  const ANY: AnyType[] = ["BOOL", "UINT32", "UINT64", "INT64", "FP64"];

  for (const op of ["plus", "times", "min", "max", "lor", "land"] as const) {
    holds(`eWiseAdd and eWiseMult of ${op} are commutative and associative`, ANY, (make, [rows, columns]) => {
      const [A, B, C] = [make(rows, columns), make(rows, columns), make(rows, columns)];
      const sums = [A.eWiseAdd(B, op, {}), B.eWiseAdd(A, op, {}), B.eWiseAdd(C, op, {})] as const;
      const products = [A.eWiseMult(B, op), B.eWiseMult(A, op), B.eWiseMult(C, op)] as const;
      const left = [sums[0].eWiseAdd(C, op, {}), products[0].eWiseMult(C, op)] as const;
      const right = [A.eWiseAdd(sums[2], op, {}), A.eWiseMult(products[2], op)] as const;
      equal(sums[0], sums[1]);
      equal(products[0], products[1]);
      equal(left[0], right[0]);
      equal(left[1], right[1]);
      return [...sums, ...products, ...left, ...right];
    });
  }

  for (const semiring of ["plus_times", "min_plus", "max_plus", "lor_land", "any_pair"] as Semiring[]) {
    // UINT64 wraps in a sum before a comparison of min_plus: signed and exact numbers only.
    const types: AnyType[] = semiring === "plus_times" ? ["UINT64", "INT64", "FP64"] : ["FP64"];
    holds(`(A B)' = B' A' and (A B) C = A (B C) over ${semiring}`, types, (make, [m, n, o, p]) => {
      const [A, B, C] = [make(m, n), make(n, o), make(o, p)];
      const AB = A.mxm(B, semiring);
      const [transposed, Bt, At] = [AB.transpose(), B.transpose(), A.transpose()];
      const BtAt = Bt.mxm(At, semiring);
      equal(transposed, BtAt);
      const BC = B.mxm(C, semiring);
      const [left, right] = [AB.mxm(C, semiring), A.mxm(BC, semiring)];
      equal(left, right);
      return [AB, transposed, Bt, At, BtAt, BC, left, right];
    });
  }

  holds(
    "twice transposed is the matrix itself; diagonals and triangles add up to it",
    ANY,
    (make, [m, n], random) => {
      const A = make(m, n);
      const k = random.pick(n.pool) - random.pick(m.pool);
      const once = A.transpose();
      const twice = once.transpose();
      equal(twice, A);
      const [low, high, on, off] = [
        A.select("tril", k - 1n),
        A.select("triu", k + 1n),
        A.select("diag", k),
        A.select("offdiag", k),
      ];
      const sides = low.eWiseAdd(high, "first", {});
      equal(sides, off);
      const all = sides.eWiseAdd(on, "first", {});
      equal(all, A);
      assert.equal(low.nvals + high.nvals + on.nvals, A.nvals);
      return [once, twice, low, high, on, off, sides, all];
    },
  );

  holds("a mask and its complement divide the matrix", ANY, (make, [m, n], random) => {
    const [A, mask] = [make(m, n), make(m, n)];
    const structural = random.below(2) === 0;
    const inside = A.apply("identity", { mask, structural });
    const outside = A.apply("identity", { mask, structural, complement: true });
    const all = inside.eWiseAdd(outside, "first", {});
    equal(all, A);
    assert.equal(inside.nvals + outside.nvals, A.nvals);
    return [inside, outside, all];
  });

  holds(
    "what is extracted and assigned back changes nothing; Matrix Market keeps everything",
    ANY,
    (make, [m, n]) => {
      const A = make(m, n);
      const I = BigUint64Array.from(new Set(m.pool));
      const J = BigUint64Array.from(new Set(n.pool));
      const part = A.extract(I, J);
      const back = A.assign(part, I, J);
      equal(back, A);
      const read = gb.readMatrixMarket(A.toMatrixMarket());
      equal(read, A);
      const blob = gb.deserialize(A.serialize(), { types: "stored" });
      equal(blob, A);
      return [part, back, read, blob];
    },
  );
});
