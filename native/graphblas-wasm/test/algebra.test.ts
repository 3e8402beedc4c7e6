// The algebra, on every type, against native SuiteSparse: SPARSEWIRE_GRB_CASES random cases of each operation.
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import {
  type AnyType,
  type GraphBLAS,
  type IndexSet,
  load,
  type Matrix,
  type ReduceOp,
  type Semiring,
  type UnaryOp,
  type Vector,
  type WriteOptions,
} from "../lib/index.js";
import { largerType, productType, selectCode, typeCode } from "../lib/types.js";
import { scalarOf } from "../lib/values.js";
import {
  answerOf,
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
  TYPES,
  textOf,
  vectorOf,
} from "./algebra-cases.js";
import { fuzzSettings, Random } from "./cases.js";
import { longs, Oracle, oracleMissing } from "./oracle.js";

const CASES = Number(process.env.SPARSEWIRE_GRB_CASES ?? 100);
const SEMIRINGS: Semiring[] = [
  ...["plus_times", "plus_pair", "plus_first", "plus_second", "min_plus", "max_plus", "any_pair", "lor_land"],
] as Semiring[];
const SELECTS = [
  ...["tril", "triu", "diag", "offdiag", "rowle", "rowgt", "colle", "colgt"],
  ...["valueeq", "valuene", "valuelt", "valuele", "valuegt", "valuege"],
];
const ONE_ROW = { size: 1n, pool: [0n] };
const code = (type: AnyType) => BigInt(typeCode(type));

describe(`the algebra equals native SuiteSparse, ${CASES} cases each`, { skip: oracleMissing }, () => {
  const { seed } = fuzzSettings(0);
  let oracle: Oracle;
  let gb: GraphBLAS;

  before(async () => {
    oracle = new Oracle();
    gb = await load();
  });
  after(async () => {
    assert.equal(gb.liveObjects(), 0);
    assert.equal(gb.usedBytes(), 0);
    await oracle.end();
  });

  /** CASES random cases of an operation, each with a generator of its own: a failure names the seed and the case. */
  const cases = (name: string, check: (random: Random, k: number, what: string) => Promise<void>) =>
    it(`${name}, seed ${seed}`, async () => {
      for (let k = 0; k < CASES; k++) {
        const random = new Random(seed * 4096 + k);
        await check(random, k, `${name} seed ${seed} case ${k}`);
      }
    });

  cases("build with every dup operator", async (random, k, what) => {
    const a = operand(random, dimension(random), dimension(random));
    const twice = (X: BigUint64Array) => BigUint64Array.of(...X, ...X.slice(0, X.length / 2), ...X);
    const b = {
      ...a,
      I: twice(a.I),
      J: twice(a.J),
      X: twice(a.X).map((x) => (k % 2 ? x : randomBits(random, a.type))),
    };
    const op = random.pick(OPS);
    using A = matrixOf(gb, b, op);
    same(A, (await ask(oracle, "b", [0n, 6n, 0n, 0n, 0n, OP_CODES[op]!], arraysOf(b)))[0]!, `${what} ${op}`);
  });

  cases("blobs of every type, both ways", async (random, _, what) => {
    const a = operand(random, dimension(random), dimension(random));
    using A = matrixOf(gb, a);
    const blob = A.serialize(random.below(2) ? {} : { compression: "none" });
    const read = await oracle.ask("z", [new BigUint64Array(1), blob]);
    assert.equal(read.info, 0, what);
    same(A, read.arrays.map(longs), `${what}: ours`);
    const method = random.pick([-1n, 0n, 1000n, 2009n, 3001n, 3009n]);
    const parameters = BigUint64Array.of(0n, 6n, 0n, 0n, 0n, BigInt.asUintN(64, method));
    const theirs = (await oracle.ask("y", [parameters, ...arraysOf(a)])).arrays[0]!;
    using B = gb.deserialize(theirs, { types: "stored" });
    same(B, answerOf(A), `${what}: theirs, method ${method}`);
  });

  for (const [name, command] of [
    ["eWiseAdd", "a"],
    ["eWiseMult", "m"],
  ] as const) {
    cases(name, async (random, k, what) => {
      const size: [Dimension, Dimension] = [dimension(random), dimension(random)];
      const a = operand(random, ...size);
      const b =
        k % 9 === 0 ? { ...a, X: a.X.map(() => randomBits(random, a.type)) } : operand(random, ...size);
      const type = random.below(3) ? largerType(a.type, b.type) : random.pick(TYPES);
      const op = random.pick(OPS);
      using w = disposable(randomWriting(random, gb, size, type, { intoType: type }));
      if (command === "a" && (type !== largerType(a.type, b.type) || (a.type !== type && type === "BOOL")))
        return;
      using A = matrixOf(gb, a);
      using B = matrixOf(gb, b);
      const options = { ...w.options, type };
      using C = command === "a" ? A.eWiseAdd(B, op, options) : A.eWiseMult(B, op, options);
      const parameters = [...w.parameters, OP_CODES[op]!, code(type)];
      const answer = await ask(oracle, command, parameters, [...arraysOf(a), ...arraysOf(b), ...w.arrays]);
      same(C, answer[0]!, `${what} ${op} ${a.type} ${b.type} in ${type} ${Object.keys(w.options)}`);
    });
  }

  cases("vectors: eWiseAdd and eWiseMult", async (random, k, what) => {
    const columns = dimension(random);
    const [u, v] = [operand(random, ONE_ROW, columns), operand(random, ONE_ROW, columns)];
    const type = largerType(u.type, v.type);
    const op = random.pick(OPS);
    using w = disposable(
      randomWriting(random, gb, [ONE_ROW, columns], type, { intoType: type, vector: true }),
    );
    using U = vectorOf(gb, u);
    using V = vectorOf(gb, v);
    using C = k % 2 ? U.eWiseAdd(V, op, w.options) : U.eWiseMult(V, op, w.options);
    const parameters = [...w.parameters, OP_CODES[op]!, code(type)];
    const answer = await ask(oracle, k % 2 ? "a" : "m", parameters, [
      ...arraysOf(u),
      ...arraysOf(v),
      ...w.arrays,
    ]);
    same(C, answer[0]!, `${what} ${op}`);
  });

  cases("apply", async (random, _, what) => {
    const size: [Dimension, Dimension] = [dimension(random), dimension(random)];
    const a = operand(random, ...size);
    const type = random.below(2) ? a.type : random.pick(TYPES);
    const op = random.pick<UnaryOp>(["identity", "one", "ainv", "minv", "abs"]);
    using w = disposable(randomWriting(random, gb, size, type));
    using A = matrixOf(gb, a);
    using C = A.apply(op, { ...w.options, type });
    const unary = BigInt(["identity", "one", "ainv", "minv", "abs"].indexOf(op));
    const answer = await ask(
      oracle,
      "u",
      [...w.parameters, unary, code(type)],
      [...arraysOf(a), ...w.arrays],
    );
    same(C, answer[0]!, `${what} ${op} ${a.type} in ${type}`);
  });

  cases("apply with a bound operand", async (random, k, what) => {
    const size: [Dimension, Dimension] = [dimension(random), dimension(random)];
    const a = operand(random, ...size);
    const type = random.below(2) ? a.type : random.pick(TYPES);
    const op = random.pick(OPS);
    const bits = randomBits(random, type);
    using w = disposable(randomWriting(random, gb, size, type));
    using A = matrixOf(gb, a);
    const scalar = scalarOf(bits, type);
    const options = { ...w.options, type };
    using C = k % 2 ? A.applyFirst(op, scalar, options) : A.applySecond(op, scalar, options);
    const parameters = [...w.parameters, OP_CODES[op]!, code(type), bits, BigInt(k % 2)];
    const answer = await ask(oracle, "f", parameters, [...arraysOf(a), ...w.arrays]);
    same(C, answer[0]!, `${what} ${op} ${a.type} in ${type}`);
  });

  cases("select", async (random, k, what) => {
    const size: [Dimension, Dimension] = [dimension(random), dimension(random)];
    const a = operand(random, ...size);
    const op = SELECTS[k % SELECTS.length]! as "tril";
    const near = [random.pick(size[0].pool), random.pick(size[1].pool), BigInt(random.below(9)) - 4n];
    const thunk = k % SELECTS.length < 4 ? near[1]! - near[0]! : random.pick(near);
    const bits = op.startsWith("value") ? (a.X[0] ?? randomBits(random, a.type)) : thunk;
    using w = disposable(randomWriting(random, gb, size, a.type));
    using A = matrixOf(gb, a);
    const scalar = op.startsWith("value") ? (scalarOf(bits, a.type) as bigint) : bits;
    using C = A.select(op, scalar, w.options);
    const parameters = [...w.parameters, BigInt(selectCode(op)), bits];
    const answer = await ask(oracle, "s", parameters, [...arraysOf(a), ...w.arrays]);
    same(C, answer[0]!, `${what} ${op} ${scalar} ${a.type}`);
  });

  cases("transpose", async (random, _, what) => {
    const [rows, columns] = [dimension(random), dimension(random)];
    const a = operand(random, rows, columns);
    using w = disposable(randomWriting(random, gb, [columns, rows], a.type));
    using A = matrixOf(gb, a);
    using C = A.transpose(w.options);
    same(C, (await ask(oracle, "t", w.parameters, [...arraysOf(a), ...w.arrays]))[0]!, what);
  });

  cases("diag, both ways", async (random, _, what) => {
    const [rows, columns] = [dimension(random), dimension(random, [1n, 2n, 5n, 40n, 300n, 1n << 32n])];
    const a = operand(random, rows, columns);
    const k = random.pick([0n, 1n, -1n, random.pick(columns.pool) - random.pick(rows.pool)]);
    using A = matrixOf(gb, a);
    if (k < columns.size && -k < rows.size) {
      const [r, c] = [rows.size + (k < 0n ? k : 0n), columns.size - (k > 0n ? k : 0n)];
      const length = r < c ? r : c;
      using d = A.diag(k);
      same(
        d,
        (await ask(oracle, "e", [0n, 6n, code(a.type), 1n, length, k], arraysOf(a)))[0]!,
        `${what} of ${k}`,
      );
    }
    const v = operand(random, ONE_ROW, columns);
    using V = vectorOf(gb, v);
    using D = V.diag(random.below(9) - 4);
    const diagonal = D.nvals ? D.extractTuples() : undefined;
    const shift = diagonal ? diagonal.J[0]! - diagonal.I[0]! : undefined;
    if (shift === undefined) return;
    same(
      D,
      (await ask(oracle, "d", [0n, 6n, code(v.type), 1n, 1n, shift], arraysOf(v)))[0]!,
      `${what} to ${shift}`,
    );
  });

  cases("reductions", async (random, k, what) => {
    const a = operand(random, dimension(random), dimension(random));
    const ops = ["plus", "times", "max", "min", "lor", "land"] as const;
    const op: ReduceOp = ops[k % ops.length]!;
    using A = matrixOf(gb, a);
    using rows = A.reduceRows(op);
    using columns = A.reduceColumns(op);
    const type = op === "lor" || op === "land" ? "BOOL" : rows.type;
    const [theirRows, theirColumns, one] = await ask(
      oracle,
      "r",
      [0n, 6n, code(type), 1n, 1n, OP_CODES[op]!, code(type)],
      arraysOf(a),
    );
    same(rows, theirRows!, `${what} rows ${op} ${a.type}`);
    same(columns, theirColumns!, `${what} columns ${op} ${a.type}`);
    const all = one![3]![0]; // an empty GrB_Scalar of an empty matrix: ours is the identity, as of GrB_Matrix_reduce_UINT64
    if (all !== undefined)
      assert.equal(Number(A.reduce(op)), Number(scalarOf(all, type)), `${what} all ${op} ${a.type}`);
    const any = rows.nvals ? A.reduce("any") : undefined;
    if (any !== undefined)
      assert.ok(
        [...A].some(([, , x]) => Number(x) === Number(any)),
        `${what} any`,
      );
  });

  cases("mxm", async (random, k, what) => {
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

  cases("mxv and vxm", async (random, k, what) => {
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

  cases("extract", async (random, _, what) => {
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

  cases("assign", async (random, _, what) => {
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

  cases("vectors: extract, assign, select", async (random, k, what) => {
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

  cases("kronecker", async (random, _, what) => {
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

  it("textOf tells matrices apart", () => {
    const facts = BigUint64Array.of(9n, 2n, 2n);
    const one = [facts, BigUint64Array.of(1n), BigUint64Array.of(0n), BigUint64Array.of(5n)];
    assert.deepEqual(textOf(one), ["UINT64 2 x 2", "1,0: 5"]);
  });
});

/** A set of indices of a dimension: ours, the oracle's, and the dimension that it makes. */
interface RandomSet {
  set: IndexSet;
  parameters: bigint[];
  list: BigUint64Array;
  result: Dimension;
}

function kind({ parameters }: RandomSet): string {
  return ["all", "range", "list"][Number(parameters[0])]!;
}

function indexSet(random: Random, { size, pool }: Dimension, repeats: boolean): RandomSet {
  const none = new BigUint64Array(0);
  const way = random.below(4);
  if (way === 0) return { set: "all", parameters: [0n, 0n, 0n, 1n], list: none, result: { size, pool } };
  const count = 1 + random.below(60);
  if (way === 1) {
    const step = random.pick([1n, 1n, 2n, 7n]);
    const from = random.pick(pool);
    const most = (size - 1n - from) / step + 1n;
    const n = (random.below(3) === 0 && most < 1n << 20n) || most < BigInt(count) ? most : BigInt(count);
    const last = from + (n - 1n) * step;
    const within = pool.filter((one) => one >= from && one <= last && (one - from) % step === 0n);
    return {
      set: { from, to: last + 1n, step },
      parameters: [1n, from, last, step],
      list: none,
      result: { size: n, pool: [0n, ...within.map((one) => (one - from) / step)] },
    };
  }
  const drawn = Array.from({ length: count }, () =>
    random.below(4) ? random.pick(pool) : random.belowBig(size),
  );
  const kept = repeats ? drawn : [...new Set(drawn)];
  if (way === 2) kept.sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
  const list = BigUint64Array.from(kept);
  const positions = Array.from(kept, (_, k) => BigInt(k));
  return {
    set: list,
    parameters: [2n, 0n, 0n, 1n],
    list,
    result: { size: BigInt(list.length), pool: positions },
  };
}

function disposable<T extends { dispose(): void }>(one: T): T & Disposable {
  return Object.assign(one, { [Symbol.dispose]: () => one.dispose() });
}
