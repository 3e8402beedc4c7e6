// Values of each type on their way into and out of linear memory.
import type { Engine, Pointer } from "./engine.js";
import { GrBError } from "./errors.js";
import type { Scalar } from "./scalar.js";
import {
  type AnyType,
  type AnyValues,
  type ArrayOf,
  isWide,
  type ScalarOf,
  type ScalarValue,
} from "./types.js";

const bits = new DataView(new ArrayBuffer(8));

function mismatch(what: unknown, type: AnyType): GrBError {
  return new GrBError("GrB_DOMAIN_MISMATCH", `${String(what)} does not fit ${type}`);
}

function integer(value: ScalarValue, type: AnyType, low: bigint, high: bigint): bigint {
  if (typeof value === "number" && !Number.isInteger(value)) throw mismatch(value, type);
  const whole = BigInt(value);
  if (whole < low || whole > high) throw mismatch(value, type);
  return whole;
}

/** The bits of a value in a type. GrB_DOMAIN_MISMATCH if it does not fit, GrB_EMPTY_OBJECT if the scalar is empty. */
export function scalarBits(value: ScalarValue | Scalar, type: AnyType): bigint {
  if (typeof value === "object") {
    const held = value.extractElement();
    if (held === undefined) throw new GrBError("GrB_EMPTY_OBJECT", "the scalar has no value");
    return scalarBits(held, type);
  }
  switch (type) {
    case "BOOL":
      return value ? 1n : 0n;
    case "UINT32":
      return integer(value, type, 0n, 0xffffffffn);
    case "UINT64":
      return integer(value, type, 0n, 0xffffffffffffffffn);
    case "INT64":
      return BigInt.asUintN(64, integer(value, type, -(1n << 63n), (1n << 63n) - 1n));
    default:
      bits.setFloat64(0, Number(value));
      return bits.getBigUint64(0);
  }
}

/** The value that these bits are. */
export function scalarOf<T extends AnyType>(word: bigint, type: T): ScalarOf[T] {
  const value = (): ScalarValue => {
    if (type === "BOOL") return word !== 0n;
    if (type === "INT64") return BigInt.asIntN(64, word);
    if (type !== "FP64") return word;
    bits.setBigUint64(0, word);
    return bits.getFloat64(0);
  };
  return value() as ScalarOf[T];
}

/** nvals values at an address, copied. */
export function copyValues<T extends AnyType>(engine: Engine, at: Pointer, n: number, type: T): ArrayOf[T] {
  if (!isWide(type)) {
    const words = engine.words(at, n);
    return (type === "BOOL" ? Uint8Array.from(words) : words.slice()) as ArrayOf[T];
  }
  const longs = engine.longs(at, n).slice();
  if (type === "UINT64") return longs as ArrayOf[T];
  return (type === "INT64" ? new BigInt64Array(longs.buffer) : new Float64Array(longs.buffer)) as ArrayOf[T];
}

/** As the engine carries them: u32 or the bits of 64-bit values. GrB_DOMAIN_MISMATCH if one does not fit. */
export function carried(X: AnyValues, type: AnyType): Uint32Array | BigUint64Array {
  switch (type) {
    case "BOOL":
      return Uint32Array.from(X as Iterable<number | bigint>, (x) => (x ? 1 : 0));
    case "INT64": {
      if (X instanceof BigInt64Array) return new BigUint64Array(X.buffer, X.byteOffset, X.length);
      return BigUint64Array.from(X as Iterable<number | bigint>, (x) => scalarBits(x, type));
    }
    case "FP64": {
      const doubles =
        X instanceof Float64Array ? X : Float64Array.from(X as Iterable<number | bigint>, Number);
      if (doubles.byteOffset % 8 === 0)
        return new BigUint64Array(doubles.buffer, doubles.byteOffset, X.length);
      return new BigUint64Array(doubles.slice().buffer);
    }
    default:
      if (X instanceof Uint32Array || X instanceof BigUint64Array) return X;
      return BigUint64Array.from(X as Iterable<number | bigint>, (x) => scalarBits(x, type));
  }
}
