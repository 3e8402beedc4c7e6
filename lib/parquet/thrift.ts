/**
 * Writer of Thrift's compact protocol, as far as Parquet's headers and footer use it: structures of integers, strings,
 * booleans, lists and further structures (https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md).
 */

const TYPE = { true: 1, false: 2, i8: 3, i32: 5, i64: 6, binary: 8, list: 9, struct: 12 } as const;
const encoder = new TextEncoder();

/** Appends fields in ascending order of their ids; a structure is closed by end(). */
export class CompactWriter {
  #bytes = new Uint8Array(256);
  #length = 0;
  /** Id of the last field written, of each open structure. */
  readonly #last: number[] = [0];

  /** What has been written so far; the outermost structure is closed by end(). */
  get bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  i8(id: number, value: number): this {
    return this.#field(id, TYPE.i8).#byte(value);
  }

  i32(id: number, value: number): this {
    this.#field(id, TYPE.i32);
    return this.#varint(zigzag(BigInt(value)));
  }

  i64(id: number, value: bigint | number): this {
    this.#field(id, TYPE.i64);
    return this.#varint(zigzag(BigInt(value)));
  }

  bool(id: number, value: boolean): this {
    return this.#field(id, value ? TYPE.true : TYPE.false);
  }

  binary(id: number, value: string | Uint8Array): this {
    this.#field(id, TYPE.binary);
    return this.#blob(typeof value === "string" ? encoder.encode(value) : value);
  }

  /** A structure as a field; `fields` writes what is in it. */
  struct(id: number, fields: (writer: this) => void): this {
    this.#field(id, TYPE.struct);
    return this.#nested(fields);
  }

  structs<T>(id: number, items: readonly T[], fields: (writer: this, item: T) => void): this {
    this.#list(id, TYPE.struct, items.length);
    for (const item of items) this.#nested((writer) => fields(writer, item));
    return this;
  }

  i32s(id: number, values: readonly number[]): this {
    this.#list(id, TYPE.i32, values.length);
    for (const value of values) this.#varint(zigzag(BigInt(value)));
    return this;
  }

  strings(id: number, values: readonly string[]): this {
    this.#list(id, TYPE.binary, values.length);
    for (const value of values) this.#blob(encoder.encode(value));
    return this;
  }

  end(): this {
    return this.#byte(0);
  }

  #nested(fields: (writer: this) => void): this {
    this.#last.push(0);
    fields(this);
    this.#last.pop();
    return this.end();
  }

  /** Header of a field: its id as a difference where that fits four bits. */
  #field(id: number, type: number): this {
    const difference = id - this.#last.at(-1)!;
    this.#last[this.#last.length - 1] = id;
    if (difference > 0 && difference <= 15) return this.#byte((difference << 4) | type);
    this.#byte(type);
    return this.#varint(zigzag(BigInt(id)));
  }

  #list(id: number, type: number, length: number): void {
    this.#field(id, TYPE.list);
    if (length < 15) this.#byte((length << 4) | type);
    else this.#byte(0xf0 | type).#varint(BigInt(length));
  }

  #blob(bytes: Uint8Array): this {
    this.#varint(BigInt(bytes.length));
    for (const byte of bytes) this.#byte(byte);
    return this;
  }

  #varint(value: bigint): this {
    let rest = value;
    for (; rest > 0x7fn; rest >>= 7n) this.#byte(Number(rest & 0x7fn) | 0x80);
    return this.#byte(Number(rest));
  }

  #byte(value: number): this {
    if (this.#length === this.#bytes.length) {
      const larger = new Uint8Array(2 * this.#length);
      larger.set(this.#bytes);
      this.#bytes = larger;
    }
    this.#bytes[this.#length++] = value;
    return this;
  }
}

/** Small numbers of either sign become small numbers. */
const zigzag = (value: bigint): bigint => (value >= 0n ? value << 1n : (-value << 1n) - 1n);
