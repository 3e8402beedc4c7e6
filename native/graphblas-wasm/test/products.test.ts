// Products, parts and blocks, on every type, against native SuiteSparse.
import type { AnyType, Matrix, Semiring, Vector, WriteOptions } from "../lib/index.js";
import { largerType, productType, selectCode, typeCode } from "../lib/types.js";
import { scalarOf } from "../lib/values.js";
import {
  arraysOf,
  ask,
  type Dimension,
  dimension,
  matrixOf,
  OP_CODES,
  OPS,
  operand,
  randomBits,
  randomWriting,
  same,
  vectorOf,
} from "./algebra-cases.js";
import { algebraSuite, disposable } from "./algebra-suite.js";
import { indexSet, kind } from "./index-cases.js";

const SEMIRINGS: Semiring[] = [
  ...["plus_times", "plus_pair", "plus_first", "plus_second", "min_plus", "max_plus", "any_pair", "lor_land"],
] as Semiring[];
const ONE_ROW = { size: 1n, pool: [0n] };
const code = (type: AnyType) => BigInt(typeCode(type));

algebraSuite("products and parts", (cases) => {
  cases("mxm", async (random, k, what, { gb, oracle }) => {
    const [rows, inner, columns] = [dimension(random), dimension(random), dimension(random)];
    const [a, b] = [operand(random, rows, inner), operand(random, inner, columns)];
    const semiring = SEMIRINGS[k % SEMIRINGS.length]!;
    const own = productType(a.type, b.type, semiring);
    const type =
      own === "BOOL" || random.below(2) ? own : random.pick<AnyType>(["UINT32", "UINT64", "INT64", "FP64"]);
    using w = disposable(randomWriting(random, gb, [rows, columns], type));
    using A = matrixOf(gb, a);
    using B = matrixOf(gb, b);
    using C = A.mxm(B, semiring, { ...w.options, type });
    const parameters = [...w.parameters, BigInt(SEMIRINGS.indexOf(semiring)), code(type)];
    const answer = await ask(oracle, "p", parameters, [...arraysOf(a), ...arraysOf(b), ...w.arrays]);
    same(C, answer[0]!, `${what} ${semiring} ${a.type} ${b.type} in ${type} ${Object.keys(w.options)}`);
  });

  cases("mxv and vxm", async (random, k, what, { gb, oracle }) => {
    const [rows, columns] = [dimension(random), dimension(random)];
    const a = operand(random, rows, columns);
    const mxv = k % 2 === 0;
    const u = operand(random, ONE_ROW, mxv ? columns : rows);
    const semiring = SEMIRINGS[(k >> 1) % SEMIRINGS.length]!;
    const type = productType(a.type, u.type, semiring);
    using w = disposable(randomWriting(random, gb, [ONE_ROW, mxv ? rows : columns], type, { vector: true }));
    using A = matrixOf(gb, a);
    using U = vectorOf(gb, u);
    using C = mxv ? A.mxv(U, semiring, w.options) : U.vxm(A, semiring, w.options);
    const parameters = [...w.parameters, BigInt(SEMIRINGS.indexOf(semiring)), code(type)];
    const operands = mxv ? [...arraysOf(a), ...arraysOf(u)] : [...arraysOf(u), ...arraysOf(a)];
    const answer = await ask(oracle, mxv ? "v" : "x", parameters, [...operands, ...w.arrays]);
    same(C, answer[0]!, `${what} ${mxv ? "mxv" : "vxm"} ${semiring} ${Object.keys(w.options)}`);
  });

  cases("extract", async (random, _, what, { gb, oracle }) => {
    const [rows, columns] = [dimension(random), dimension(random)];
    const a = operand(random, rows, columns);
    const [I, J] = [indexSet(random, rows, true), indexSet(random, columns, true)];
    using w = disposable(randomWriting(random, gb, [I.result, J.result], a.type));
    using A = matrixOf(gb, a);
    using C = A.extract(I.set, J.set, w.options);
    const parameters = [...w.parameters, ...I.parameters, ...J.parameters];
    const answer = await ask(oracle, "i", parameters, [...arraysOf(a), ...w.arrays, I.list, J.list]);
    same(C, answer[0]!, `${what} ${kind(I)} ${kind(J)}`);
  });

  cases("assign", async (random, _, what, { gb, oracle }) => {
    const [rows, columns] = [dimension(random), dimension(random)];
    const [I, J] = [indexSet(random, rows, false), indexSet(random, columns, false)];
    const a = operand(random, I.result, J.result);
    using w = disposable(randomWriting(random, gb, [rows, columns], "FP64", { always: true }));
    const { into, ...options } = w.options as unknown as WriteOptions & { into: Matrix<AnyType> };
    const region = I.result.size * J.result.size;
    const few = region <= 2000n;
    const masked = "mask" in options && !("complement" in options);
    const scalar = random.below(2) === 0 && (few || (masked && region <= 100_000n)); // more takes the native library minutes
    const bits = randomBits(random, w.type);
    using A = matrixOf(gb, a);
    using C = scalar
      ? into.assign(scalarOf(bits, w.type), I.set, J.set, options)
      : into.assign(A, I.set, J.set, options);
    const parameters = [...w.parameters, ...I.parameters, ...J.parameters, scalar ? 1n : 0n, bits];
    const answer = await ask(oracle, "j", parameters, [...arraysOf(a), ...w.arrays, I.list, J.list]);
    same(
      C,
      answer[0]!,
      `${what} ${kind(I)} ${kind(J)} ${scalar ? "scalar" : a.type} ${Object.keys(w.options)}`,
    );
  });

  cases("vectors: extract, assign, select", async (random, k, what, { gb, oracle }) => {
    const columns = dimension(random);
    const v = operand(random, ONE_ROW, columns);
    const all = [0n, 0n, 0n, 1n];
    using V = vectorOf(gb, v);
    if (k % 3 === 0) {
      const I = indexSet(random, columns, true);
      using w = disposable(randomWriting(random, gb, [ONE_ROW, I.result], v.type, { vector: true }));
      using C = V.extract(I.set, w.options);
      const arrays = [...arraysOf(v), ...w.arrays, new BigUint64Array(0), I.list];
      same(
        C,
        (await ask(oracle, "i", [...w.parameters, ...all, ...I.parameters], arrays))[0]!,
        `${what} extract`,
      );
    } else if (k % 3 === 1) {
      const I = indexSet(random, columns, false);
      const a = operand(random, ONE_ROW, I.result);
      // No mask: on some of a vector's assign native 7.4 crashes. Those of matrices are the same code here.
      using w = disposable(
        randomWriting(random, gb, [ONE_ROW, columns], "FP64", { always: true, vector: true, masked: false }),
      );
      const { into, ...options } = w.options as unknown as WriteOptions & { into: Vector<AnyType> };
      using A = vectorOf(gb, a);
      using C = into.assign(A, I.set, options);
      const parameters = [...w.parameters, ...I.parameters];
      const arrays = [...arraysOf(a), ...w.arrays, I.list];
      same(C, (await ask(oracle, "w", parameters, arrays))[0]!, `${what} assign ${kind(I)}`);
    } else {
      const at = random.pick(columns.pool);
      using C = V.select("rowle", at);
      const parameters = [0n, 6n, code(v.type), 1n, columns.size, BigInt(selectCode("colle")), at];
      same(C, (await ask(oracle, "s", parameters, arraysOf(v)))[0]!, `${what} select`);
    }
  });

  cases("kronecker", async (random, _, what, { gb, oracle }) => {
    const sizes = [1n, 3n, 40n, 1n << 20n, 1n << 30n];
    const dimensions = Array.from({ length: 4 }, () => dimension(random, sizes));
    const [ra, ca, rb, cb] = dimensions as [Dimension, Dimension, Dimension, Dimension];
    const a = operand(random, ra, ca, undefined, [0, 1, 5, 30]);
    const b = operand(random, rb, cb, undefined, [0, 1, 5, 30]);
    const type = largerType(a.type, b.type);
    const op = random.pick(OPS);
    const result = (x: typeof ra, y: typeof ra) => ({
      size: x.size * y.size,
      pool: x.pool.map((p, k) => p * y.size + y.pool[k % y.pool.length]!),
    });
    using w = disposable(randomWriting(random, gb, [result(ra, rb), result(ca, cb)], type));
    using A = matrixOf(gb, a);
    using B = matrixOf(gb, b);
    using C = A.kronecker(B, op, w.options);
    const parameters = [...w.parameters, OP_CODES[op]!, code(type)];
    const answer = await ask(oracle, "k", parameters, [...arraysOf(a), ...arraysOf(b), ...w.arrays]);
    same(C, answer[0]!, `${what} ${op}`);
  });
});
