// Operations entry by entry, on every type, against native SuiteSparse.
import assert from "node:assert/strict";
import { it } from "node:test";
import type { AnyType, ReduceOp, UnaryOp } from "../lib/index.js";
import { largerType, selectCode, typeCode } from "../lib/types.js";
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
import { algebraSuite, disposable } from "./algebra-suite.js";
import { longs } from "./oracle.js";

const SELECTS = [
  ...["tril", "triu", "diag", "offdiag", "rowle", "rowgt", "colle", "colgt"],
  ...["valueeq", "valuene", "valuelt", "valuele", "valuegt", "valuege"],
];
const ONE_ROW = { size: 1n, pool: [0n] };
const code = (type: AnyType) => BigInt(typeCode(type));

algebraSuite("the algebra", (cases) => {
  cases("build with every dup operator", async (random, k, what, { gb, oracle }) => {
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

  cases("blobs of every type, both ways", async (random, _, what, { gb, oracle }) => {
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
    cases(name, async (random, k, what, { gb, oracle }) => {
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

  cases("vectors: eWiseAdd and eWiseMult", async (random, k, what, { gb, oracle }) => {
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

  cases("apply", async (random, _, what, { gb, oracle }) => {
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

  cases("apply with a bound operand", async (random, k, what, { gb, oracle }) => {
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

  cases("select", async (random, k, what, { gb, oracle }) => {
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

  cases("transpose", async (random, _, what, { gb, oracle }) => {
    const [rows, columns] = [dimension(random), dimension(random)];
    const a = operand(random, rows, columns);
    using w = disposable(randomWriting(random, gb, [columns, rows], a.type));
    using A = matrixOf(gb, a);
    using C = A.transpose(w.options);
    same(C, (await ask(oracle, "t", w.parameters, [...arraysOf(a), ...w.arrays]))[0]!, what);
  });

  cases("diag, both ways", async (random, _, what, { gb, oracle }) => {
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

  cases("reductions", async (random, k, what, { gb, oracle }) => {
    const a = operand(random, dimension(random), dimension(random));
    const ops = ["plus", "times", "max", "min", "lor", "land"] as const;
    const op: ReduceOp = ops[k % ops.length]!;
    if (op === "times" && a.type === "FP64") return; // long products round in the order they are made
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
});

it("textOf tells matrices apart", () => {
  const facts = BigUint64Array.of(9n, 2n, 2n);
  const one = [facts, BigUint64Array.of(1n), BigUint64Array.of(0n), BigUint64Array.of(5n)];
  assert.deepEqual(textOf(one), ["UINT64 2 x 2", "1,0: 5"]);
});
