// Random operands of the algebra, of every type, with indices from common pools so that operands meet; and their oracle.
import assert from "node:assert/strict";
import type { AnyType, BinaryOp, GraphBLAS, Matrix, Vector } from "../lib/index.js";
import { typeCode } from "../lib/types.js";
import { carried, scalarOf } from "../lib/values.js";
import type { Random } from "./cases.js";
import { longs, type Oracle } from "./oracle.js";

export const TYPES: AnyType[] = ["BOOL", "UINT32", "UINT64", "INT64", "FP64"];
export const OPS: BinaryOp[] = [
  ...["plus", "max", "min", "first", "second", "times", "minus", "lor", "land", "oneb"],
] as BinaryOp[];
/** The engine's code of each, which the oracle shares. */
export const OP_CODES: Record<string, bigint> = {
  ...{ plus: 0n, max: 1n, min: 2n, first: 3n, second: 4n, none: 6n },
  ...{ times: 7n, minus: 8n, lor: 9n, land: 10n, oneb: 12n },
};

/** A dimension, and the indices that are used of it. */
export interface Dimension {
  size: bigint;
  pool: bigint[];
}

/** A matrix, distinct entries, values as bits. */
export interface Operand {
  type: AnyType;
  nrows: bigint;
  ncols: bigint;
  I: BigUint64Array;
  J: BigUint64Array;
  X: BigUint64Array;
}

const SIZES = [1n, 2n, 5n, 40n, 300n, 1n << 31n, 1n << 32n, (1n << 32n) + 1n, 1n << 60n];

export function dimension(random: Random, sizes: readonly bigint[] = SIZES): Dimension {
  const size = random.pick(sizes);
  const count = random.pick([1, 2, 4, 20, 200]);
  const [low, near] = [random.belowBig(size), random.below(2) === 0]; // neighbours, or anywhere
  const index = () => (near ? (low + BigInt(random.below(count * 2))) % size : random.belowBig(size));
  return { size, pool: Array.from({ length: count }, index) };
}

/** The bits of a random value; small ones, so that sums of FP64 are exact in any order. */
export function randomBits(random: Random, type: AnyType): bigint {
  const small = BigInt(random.below(9)) - (type === "INT64" || type === "FP64" ? 4n : 0n);
  if (type === "BOOL") return BigInt(random.below(2));
  if (type === "FP64") return carried(Float64Array.of(Number(small) / 4), "FP64")[0] as bigint;
  if (random.below(8) > 0) return BigInt.asUintN(type === "UINT32" ? 32 : 64, small);
  return random.u64() & (type === "UINT32" ? 0xffffffffn : 0xffffffffffffffffn);
}

export function operand(
  random: Random,
  rows: Dimension,
  columns: Dimension,
  type: AnyType = random.pick(TYPES),
  sizes: readonly number[] = [0, 1, 3, 25, 100, 400],
): Operand {
  const iso = random.below(4) === 0 ? randomBits(random, type) : undefined;
  const entries = new Map<string, [bigint, bigint, bigint]>();
  for (let n = random.pick(sizes); n > 0; n--) {
    const [i, j] = [random.pick(rows.pool), random.pick(columns.pool)];
    entries.set(`${i},${j}`, [i, j, iso ?? randomBits(random, type)]);
  }
  const list = [...entries.values()];
  const column = (k: 0 | 1 | 2) => BigUint64Array.from(list, (entry) => entry[k]);
  return { type, nrows: rows.size, ncols: columns.size, I: column(0), J: column(1), X: column(2) };
}

/** Bits as an array of the type. */
export function valuesOf(type: AnyType, X: BigUint64Array) {
  if (type === "INT64") return new BigInt64Array(X.buffer, X.byteOffset, X.length);
  if (type === "FP64") return new Float64Array(X.buffer, X.byteOffset, X.length);
  return type === "BOOL" ? Uint8Array.from(X, Number) : X;
}

export function matrixOf(gb: GraphBLAS, a: Operand, dup: BinaryOp | null = null): Matrix<AnyType> {
  return gb.build(a.type, a.nrows, a.ncols, a.I, a.J, valuesOf(a.type, a.X), dup);
}

/** Of an operand of one row. */
export function vectorOf(gb: GraphBLAS, a: Operand): Vector<AnyType> {
  return gb.buildVector(a.type, a.ncols, a.J, valuesOf(a.type, a.X), null);
}

/** The four arrays of a matrix in a request. */
export function arraysOf(a: Operand): BigUint64Array[] {
  return [BigUint64Array.of(BigInt(typeCode(a.type)), a.nrows, a.ncols), a.I, a.J, a.X];
}

/** Sends a request whose array 0 is these parameters; resolves to the matrices of the answer. */
export async function ask(
  oracle: Oracle,
  command: string,
  parameters: readonly bigint[],
  arrays: readonly BigUint64Array[],
): Promise<BigUint64Array[][]> {
  const own = BigUint64Array.from(parameters, (one) => BigInt.asUintN(64, one));
  const answer = await oracle.ask(command, [own, ...arrays]);
  assert.equal(answer.info, 0, `the oracle refuses ${command}`);
  const all = answer.arrays.map(longs);
  return Array.from({ length: all.length / 4 }, (_, k) => all.slice(4 * k, 4 * k + 4));
}

/** Type, dimensions and entries in row-major order, for comparisons; 0 is -0, NaN is NaN. */
export function textOf([facts, I, J, X]: readonly BigUint64Array[]): string[] {
  const code = Number(facts![0]);
  const type = TYPES.find((one) => typeCode(one) === code)!;
  const order = Array.from(I!, (_, k) => k).sort((p, q) =>
    I![p]! < I![q]! ? -1 : I![p]! > I![q]! ? 1 : J![p]! < J![q]! ? -1 : 1,
  );
  const entries = order.map(
    (k) => `${I![k]},${J![k]}: ${Number(scalarOf(X![k]!, type)) === 0 ? 0 : scalarOf(X![k]!, type)}`,
  );
  return [`${type} ${facts![1]} x ${facts![2]}`, ...entries];
}

/** A result of ours as an answer of the oracle would have it. */
export function answerOf(A: Matrix<AnyType> | Vector<AnyType>): BigUint64Array[] {
  const vector = "size" in A;
  const tuples = A.extractTuples();
  const bits = carried(tuples.X, A.type);
  const size = vector ? [1n, A.size] : [A.nrows, A.ncols];
  return [
    BigUint64Array.from([BigInt(typeCode(A.type)), ...size]),
    tuples.I.length && !vector ? tuples.I : new BigUint64Array(tuples.I.length),
    vector ? tuples.I : (A as Matrix<AnyType>).extractTuples().J,
    bits instanceof BigUint64Array ? bits : BigUint64Array.from(bits, BigInt),
  ];
}

/** Both the same, to the entry. */
export function same(ours: Matrix<AnyType> | Vector<AnyType>, theirs: BigUint64Array[], what: string): void {
  assert.deepEqual(textOf(answerOf(ours)), textOf(theirs), what);
}

const [COMPLEMENT, STRUCTURAL, REPLACE, HAS_INTO, HAS_MASK] = [1n, 2n, 4n, 8n, 16n];

/** How a result is written: our options, and the oracle's parameters and arrays. */
export interface Writing {
  options: Record<string, unknown>;
  parameters: bigint[];
  arrays: BigUint64Array[];
  type: AnyType;
  dispose(): void;
}

/** Plain every third time; else with any of mask, complement, structural, into, accum, replace. */
export function randomWriting(
  random: Random,
  gb: GraphBLAS,
  [rows, columns]: [Dimension, Dimension],
  type: AnyType,
  { intoType = random.pick(TYPES), always = false, vector = false, masked = true } = {} as {
    intoType?: AnyType;
    always?: boolean;
    vector?: boolean;
    masked?: boolean;
  },
): Writing {
  const some = () => random.below(2) === 0;
  const plain = !always && random.below(3) === 0;
  const into = always || (!plain && some()) ? operand(random, rows, columns, intoType) : undefined;
  const mask = !plain && masked && some() ? operand(random, rows, columns) : undefined;
  const options: Record<string, unknown> = {};
  let flags = 0n;
  const owned: Disposable[] = [];
  const hold = (a: Operand) => {
    const made = vector ? vectorOf(gb, a) : matrixOf(gb, a);
    owned.push(made);
    return made;
  };
  const flag = (name: string, bit: bigint) => {
    if (plain || random.below(3) > 0) return;
    options[name] = true;
    flags |= bit;
  };
  if (into) {
    options.into = hold(into);
    flags |= HAS_INTO!;
  }
  if (mask) {
    options.mask = hold(mask);
    flags |= HAS_MASK!;
  }
  flag("complement", COMPLEMENT!);
  flag("structural", STRUCTURAL!);
  flag("replace", REPLACE!);
  const accum = into && some() ? random.pick(OPS) : undefined;
  if (accum) options.accum = accum;
  const result = into?.type ?? type;
  // Nothing of it stays then, and native 7.4 has been seen to keep a value of an iso one (eWiseMult of first on BOOL).
  const unread = into && !always && !mask && !accum && !options.complement;
  if (unread) flags &= ~HAS_INTO!;
  return {
    options,
    parameters: [flags, OP_CODES[accum ?? "none"]!, BigInt(typeCode(result)), rows.size, columns.size],
    arrays: [unread ? undefined : into, mask].flatMap((one) => (one ? arraysOf(one) : [])),
    type: result,
    dispose: () => {
      for (const one of owned) one[Symbol.dispose]();
    },
  };
}
