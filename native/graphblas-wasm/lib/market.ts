// Matrix Market files: coordinate and array, every field but complex, every symmetry.
import { GrBError } from "./errors.js";
import { type AnyType, type AnyValues, isUnsigned, type ScalarValue } from "./types.js";

/** What a file says: distinct tuples, counted from 0. */
export interface MarketTuples {
  type: AnyType;
  nrows: bigint;
  ncols: bigint;
  I: BigUint64Array;
  J: BigUint64Array;
  X: ScalarValue[];
}

const FIELDS: Record<string, AnyType> = {
  real: "FP64",
  double: "FP64",
  integer: "INT64",
  "unsigned-integer": "UINT64",
  pattern: "BOOL",
};
/** The types of the comment that SuiteSparse's tools put below the header. */
const C_TYPES: Record<string, AnyType> = {
  bool: "BOOL",
  uint32_t: "UINT32",
  uint64_t: "UINT64",
  int64_t: "INT64",
  double: "FP64",
};
const SYMMETRIES = ["general", "symmetric", "skew-symmetric", "hermitian"];

function bad(line: number, what: string): GrBError {
  return new GrBError("GrB_INVALID_OBJECT", `Matrix Market, line ${line}: ${what}`);
}

/** The lines of a text that are neither blank nor comments, with their numbers; comments go to `comment`. */
function* contentOf(
  text: string,
  comment: (line: string) => void,
): Generator<[number: number, words: string[]]> {
  let number = 0;
  for (let at = 0; at < text.length; ) {
    const end = text.indexOf("\n", at);
    const line = text.slice(at, end < 0 ? text.length : end).trim();
    at = end < 0 ? text.length : end + 1;
    number++;
    if (line.startsWith("%")) comment(line);
    else if (line !== "") yield [number, line.split(/\s+/)];
  }
}

function whole(word: string | undefined, line: number, low: bigint, high: bigint): bigint {
  if (word === undefined || !/^\d+$/.test(word) || BigInt(word) < low || BigInt(word) > high)
    throw bad(line, `${word ?? "nothing"} is not a whole number of ${low} to ${high}`);
  return BigInt(word);
}

function value(word: string | undefined, type: AnyType, field: string, line: number): ScalarValue {
  if (field === "pattern") return true;
  if (type !== "FP64" && type !== "BOOL" && word !== undefined && /^[+-]?\d+$/.test(word))
    return BigInt(word.replace("+", ""));
  const named: Record<string, number> = { nan: NaN, inf: Infinity, "+inf": Infinity, "-inf": -Infinity };
  const parsed = named[word?.toLowerCase() ?? ""] ?? Number(word ?? "x");
  if (Number.isNaN(parsed) && word?.toLowerCase() !== "nan")
    throw bad(line, `${word ?? "nothing"} is not a number`);
  return type === "BOOL" ? parsed !== 0 : parsed;
}

interface Header {
  format: string;
  field: string;
  symmetry: string;
}

function headerOf(text: string): Header {
  const words = text.slice(0, 200).split("\n", 1)[0]!.trim().toLowerCase().split(/\s+/);
  const [banner, object, format = "", field = "", symmetry = ""] = words;
  if (banner !== "%%matrixmarket" || object !== "matrix")
    throw bad(1, "it does not start with %%MatrixMarket matrix");
  if (format !== "coordinate" && format !== "array")
    throw bad(1, `format ${format} is not coordinate or array`);
  if (!Object.hasOwn(FIELDS, field) || (format === "array" && field === "pattern"))
    throw bad(1, `field ${field} is not read`);
  if (!SYMMETRIES.includes(symmetry))
    throw bad(1, `symmetry ${symmetry} is not one of ${SYMMETRIES.join(", ")}`);
  return { format, field, symmetry };
}

/** Tuples of a Matrix Market file. GrB_INVALID_OBJECT, with the line, if it is damaged. */
export function parseMarket(text: string): MarketTuples {
  const { format, field, symmetry } = headerOf(text);
  let type = FIELDS[field]!;
  const lines = contentOf(text, (line) => {
    const named = /^%%GraphBLAS\s+(?:type\s+)?(\w+)/i.exec(line)?.[1];
    if (named !== undefined && Object.hasOwn(C_TYPES, named)) type = C_TYPES[named]!;
  });
  const size = lines.next();
  if (size.done) throw bad(1, "there is no line with the dimensions");
  const [first, words] = size.value;
  const [nrows, ncols] = [whole(words[0], first, 1n, 1n << 60n), whole(words[1], first, 1n, 1n << 60n)];
  if (symmetry !== "general" && nrows !== ncols) throw bad(first, `a ${symmetry} matrix is not square`);
  const dense = format === "array";
  const skew = symmetry === "skew-symmetric";
  const places = symmetry === "general" ? nrows * ncols : (nrows * (skew ? nrows - 1n : nrows + 1n)) / 2n;
  const count = dense ? places : whole(words[2], first, 0n, 1n << 60n);
  const [I, J, X]: [bigint[], bigint[], ScalarValue[]] = [[], [], []];
  const put = (i: bigint, j: bigint, x: ScalarValue, line: number): void => {
    I.push(i);
    J.push(j);
    X.push(x);
    if (symmetry === "general" || i === j) return;
    I.push(j);
    J.push(i);
    if (skew && type === "BOOL") throw bad(line, "a skew-symmetric matrix has no pattern");
    X.push(skew ? -(x as number) : x);
  };
  let [read, row, column] = [0n, skew ? 1n : 0n, 0n];
  for (const [line, entry] of lines) {
    if (++read > count) throw bad(line, `there are more than the ${count} entries of line ${first}`);
    if (dense) {
      put(row, column, value(entry[0], type, field, line), line);
      if (++row < nrows) continue;
      column++;
      row = symmetry === "general" ? 0n : column + (skew ? 1n : 0n);
    } else {
      const [i, j] = [whole(entry[0], line, 1n, nrows), whole(entry[1], line, 1n, ncols)];
      put(i - 1n, j - 1n, value(entry[2], type, field, line), line);
    }
  }
  if (read < count) throw bad(first, `it promises ${count} entries, ${read} are there`);
  return { type, nrows, ncols, I: BigUint64Array.from(I), J: BigUint64Array.from(J), X };
}

const MARKET_FIELDS: Record<AnyType, [field: string, c: string]> = {
  BOOL: ["integer", "bool"],
  UINT32: ["integer", "uint32_t"],
  UINT64: ["integer", "uint64_t"],
  INT64: ["integer", "int64_t"],
  FP64: ["real", "double"],
};

function number(x: number | bigint): string {
  if (typeof x === "bigint" || Number.isFinite(x)) return Object.is(x, -0) ? "-0" : String(x);
  return Number.isNaN(x) ? "nan" : x > 0 ? "inf" : "-inf";
}

/** A general coordinate file, entries in row-major order, with the type in the comment that SuiteSparse's tools read. */
export function formatMarket(
  type: AnyType,
  nrows: bigint,
  ncols: bigint,
  { I, J, X }: { I: BigUint64Array; J: BigUint64Array; X: AnyValues },
): string {
  const [field, c] = MARKET_FIELDS[type];
  const lines = [`%%MatrixMarket matrix coordinate ${field} general`, `%%GraphBLAS type ${c}`];
  lines.push(`${nrows} ${ncols} ${I.length}`);
  for (let k = 0; k < I.length; k++) lines.push(`${I[k]! + 1n} ${J[k]! + 1n} ${number(X[k]!)}`);
  return `${lines.join("\n")}\n`;
}

/** Values of parsed tuples as an array of the type they are to have. */
export function marketValues(X: readonly ScalarValue[], type: AnyType): AnyValues {
  if (type === "FP64") return Float64Array.from(X, Number);
  if (type === "BOOL") return Uint8Array.from(X, (x) => (x ? 1 : 0));
  const least = isUnsigned(type) ? 0n : -(1n << 63n);
  const most = type === "UINT32" ? 0xffffffffn : type === "UINT64" ? (1n << 64n) - 1n : (1n << 63n) - 1n;
  const fits = (x: ScalarValue): bigint => {
    const whole = typeof x === "number" && !Number.isInteger(x) ? undefined : BigInt(x);
    if (whole === undefined || whole < least || whole > most)
      throw new GrBError("GrB_DOMAIN_MISMATCH", `${x} does not fit ${type}`);
    return whole;
  };
  return type === "INT64" ? BigInt64Array.from(X, fits) : BigUint64Array.from(X, fits);
}
