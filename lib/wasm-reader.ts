/** Bytes of a WebAssembly module as numbers, names and vectors, none of which is believed. */
import { EXIT, SparsewireError } from "./errors.js";

export interface WasmLimits {
  /** Pages of 64 KiB, or entries of a table. */
  minimum: number;
  maximum?: number;
  isShared: boolean;
  is64: boolean;
}

/** Instructions of a constant expression, by opcode: what follows it. Core specification, section 3.4.12, and SIMD. */
const CONSTANTS: Record<number, "number" | 4 | 8 | "none"> = {
  35: "number", // global.get
  65: "number", // i32.const
  66: "number", // i64.const
  67: 4, // f32.const
  68: 8, // f64.const
  208: "number", // ref.null
  210: "number", // ref.func
  ...{ 106: "none", 107: "none", 108: "none", 124: "none", 125: "none", 126: "none" }, // add, sub, mul of i32 and i64
};
const END = 0x0b;
const VECTOR = 0xfd;
const VECTOR_CONST = 12;
/** Addresses and sums of a few constants are all that a linker makes. */
const EXPRESSION_MAX = 16;

export class WasmReader {
  #at = 0;
  constructor(readonly bytes: Uint8Array) {}

  get left(): number {
    return this.bytes.length - this.#at;
  }

  byte(): number {
    if (this.left < 1) throw unsound("it ends too early");
    return this.bytes[this.#at++]!;
  }

  /** LEB128, at most 2^53 (limits of 64-bit memories are larger than any we take). */
  number(): number {
    let value = 0;
    for (let shift = 1, n = 0; n < 10; n++, shift *= 128) {
      const byte = this.byte();
      value += (byte & 127) * shift;
      if (byte < 128) return value;
    }
    throw unsound("it has a number that is too long");
  }

  take(bytes: number): Uint8Array {
    if (bytes > this.left) throw unsound("a section is longer than the file");
    this.#at += bytes;
    return this.bytes.subarray(this.#at - bytes, this.#at);
  }

  /** Bytes that are looked at no further. */
  skip(bytes: number): void {
    this.take(bytes);
  }

  name(bytesMax: number): string {
    const length = this.number();
    if (length > bytesMax) throw beyond("a name", "bytes", length, bytesMax);
    return new TextDecoder().decode(this.take(length));
  }

  /** Entries of a vector; `what` and `most` say how many there may be, with those that were `before` it. */
  *entries(what: string, most: number, before = 0): Generator<number> {
    const count = this.number();
    if (before + count > most) throw beyond("it", what, before + count, most);
    if (count > this.left) throw unsound("a section claims more entries than it has bytes");
    for (let i = 0; i < count; i++) yield i;
  }

  limits(): WasmLimits {
    const flags = this.byte();
    if (flags > 7) throw unsound("it has limits of an unknown kind");
    const minimum = this.number();
    const maximum = flags & 1 ? { maximum: this.number() } : {};
    return { minimum, ...maximum, isShared: (flags & 2) !== 0, is64: (flags & 4) !== 0 };
  }

  /** Passes a constant expression. Those that make objects (garbage collection) are refused. */
  expression(): void {
    for (let i = 0; i < EXPRESSION_MAX; i++) {
      const opcode = this.byte();
      if (opcode === END) return;
      if (opcode === VECTOR && this.number() === VECTOR_CONST) {
        this.skip(16);
        continue;
      }
      const what = CONSTANTS[opcode];
      if (what === undefined) throw unsound("it has a constant that is more than a number or an address");
      if (what === "number") this.number();
      else if (what !== "none") this.skip(what);
    }
    throw unsound("it has a constant that is too long");
  }

  /** Throws when a section goes on behind its last entry. */
  end(): void {
    if (this.left > 0) throw unsound("a section is longer than what is in it");
  }
}

export const unsound = (what: string): SparsewireError =>
  new SparsewireError("BAD_MODULE", `not a sound WebAssembly module: ${what}`, {
    exit: EXIT.badInput,
    mend: "build it again",
  });

/** A bound that a module exceeds: "it has 20000 functions: 10000 are the most". */
export const beyond = (who: string, what: string, count: number, most: number): SparsewireError =>
  new SparsewireError("BAD_MODULE", `${who} has ${count} ${what}: ${most} are the most`, {
    exit: EXIT.badInput,
    mend: "build it with less in it",
  });

/** What an extension has no use for, and what would let it take memory that nothing bounds. */
export const refused = (what: string, mend: string): SparsewireError =>
  new SparsewireError("BAD_MODULE", `${what}: ${mend}`, { exit: EXIT.badInput, mend });
