// GrB_Scalar: one value of a type, or none. A plain JavaScript value does wherever a scalar is not empty.
import { type AnyType, type ScalarOf, type ScalarValue, typeCode } from "./types.js";
import { scalarBits, scalarOf } from "./values.js";

export class Scalar<T extends AnyType = AnyType> {
  readonly type: T;
  #value: ScalarOf[T] | undefined;

  /** Empty unless a value is given. GrB_DOMAIN_MISMATCH if it does not fit the type. */
  constructor(type: T, value?: ScalarValue) {
    typeCode(type);
    this.type = type;
    if (value !== undefined) this.setElement(value);
  }

  /** 0 or 1. */
  get nvals(): number {
    return this.#value === undefined ? 0 : 1;
  }

  setElement(value: ScalarValue): void {
    this.#value = scalarOf(scalarBits(value, this.type), this.type);
  }

  /** The value; undefined if there is none (GrB_NO_VALUE). */
  extractElement(): ScalarOf[T] | undefined {
    return this.#value;
  }

  clear(): void {
    this.#value = undefined;
  }
}
