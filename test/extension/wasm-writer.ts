/** Writes WebAssembly modules section by section: an extension that does nothing, and whatever is put in the place of a part of it. */

export const I32 = 0x7f;
export const EMPTY = 0x40;
export const FUNCREF = 0x70;
/** Opcodes. Core specification, section 5.4. */
export const OP = {
  ...{
    block: 2,
    loop: 3,
    end: 0x0b,
    br: 0x0c,
    brIf: 0x0d,
    brTable: 0x0e,
    call: 0x10,
    callIndirect: 0x11,
    drop: 0x1a,
  },
  ...{
    get: 0x20,
    set: 0x21,
    i32: 0x41,
    eqz: 0x45,
    add: 0x6a,
    refNull: 0xd0,
    refFunc: 0xd2,
    bulk: 0xfc,
    tableGrow: 0x0f,
  },
} as const;

/** LEB128 of a whole number below 2^53, as unsigned. */
export function leb(value: number): number[] {
  const bytes: number[] = [];
  for (let left = value; ; left = Math.floor(left / 128)) {
    if (left < 128) return [...bytes, left];
    bytes.push((left % 128) + 128);
  }
}

/** LEB128 of an i32 that is not negative, as signed. */
export const signed = (value: number): number[] => {
  const bytes = leb(value);
  const last = bytes.at(-1)!;
  return last < 64 ? bytes : [...bytes.slice(0, -1), last + 128, 0];
};

export type Bytes = Uint8Array | readonly number[];
export const join = (...parts: readonly Bytes[]): Uint8Array =>
  Buffer.concat(parts.map((part) => Uint8Array.from(part)));
export const text = (value: string): Uint8Array => join(leb(Buffer.byteLength(value)), Buffer.from(value));
/** A vector of things that are written already. */
export const vector = (items: readonly Bytes[]): Uint8Array => join(leb(items.length), ...items);
/** `times` the same; what is left over of a time is not written. */
export function repeated(times: number, bytes: readonly number[]): Uint8Array {
  const count = Math.floor(times);
  const all = new Uint8Array(count * bytes.length);
  for (let i = 0; i < count; i++) all.set(bytes, i * bytes.length);
  return all;
}
export const section = (id: number, body: Bytes): Uint8Array => join([id], leb(body.length), body);

/** A function body: locals of i32, and code without its end. */
export function body(locals: number, code: Bytes): Uint8Array {
  const whole = join(locals === 0 ? [0] : [1, ...leb(locals), I32], code, [OP.end]);
  return join(leb(whole.length), whole);
}

/** Function types by index: describe and seal, start, batch, and () -> (). */
export const TYPES = [
  [0x60, 0, 1, I32],
  [0x60, 1, I32, 0],
  [0x60, 2, I32, I32, 0],
  [0x60, 0, 0],
] as const;
const DESCRIPTION = "sparsewire/1 row=a:number column=b:number value=n combine=plus\0";
const AT = 16;
export const DATA = join([0, OP.i32, AT, OP.end], text(DESCRIPTION));
export const MEMORY_IMPORT = join(text("env"), text("memory"), [2, 0, 1]);
/** Indices of its functions: describe, start, batch, seal; others follow. */
export const BATCH = 2;
export const OTHERS = 4;

/** What a module is made of beside the extension that does nothing; a number of sections may be replaced whole. */
export interface ModuleParts {
  types?: readonly Bytes[];
  imports?: readonly Bytes[];
  /** Functions of type () -> (), from OTHERS on. */
  functions?: readonly Bytes[];
  tables?: readonly Bytes[];
  memories?: readonly Bytes[];
  globals?: readonly Bytes[];
  exports?: readonly Bytes[];
  start?: number;
  elements?: readonly Bytes[];
  data?: readonly Bytes[];
  /** Code of batch and of seal, without their ends. */
  batch?: Bytes;
  batchLocals?: number;
  seal?: Bytes;
  /** Whole sections, put in front of the section of that id; at the end with 99. */
  before?: Record<number, readonly Uint8Array[]>;
}

export function moduleOfParts(parts: ModuleParts): Uint8Array {
  const { functions = [], before = {} } = parts;
  const name = (value: string, index: number): Uint8Array => join(text(value), [0, index]);
  const bodies = [
    body(0, [OP.i32, AT]),
    body(0, []),
    body(parts.batchLocals ?? 0, parts.batch ?? []),
    body(0, parts.seal ?? [OP.i32, 0]),
    ...functions,
  ];
  const kinds = [[0], [1], [2], [0], ...functions.map(() => [3])];
  const names = ["describe", "start", "batch", "seal"].map(name);
  const sections: [id: number, body: Bytes | undefined][] = [
    [1, vector([...TYPES, ...(parts.types ?? [])])],
    [2, vector([MEMORY_IMPORT, ...(parts.imports ?? [])])],
    [3, vector(kinds)],
    [4, parts.tables && vector(parts.tables)],
    [5, parts.memories && vector(parts.memories)],
    [6, parts.globals && vector(parts.globals)],
    [7, vector([...names, ...(parts.exports ?? [])])],
    [8, parts.start === undefined ? undefined : leb(parts.start)],
    [9, parts.elements && vector(parts.elements)],
    [10, vector(bodies)],
    [11, vector([DATA, ...(parts.data ?? [])])],
  ];
  return join(
    [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...sections.flatMap(([id, whole]) => [...(before[id] ?? []), ...(whole ? [section(id, whole)] : [])]),
    ...(before[99] ?? []),
  );
}
