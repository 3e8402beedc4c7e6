/**
 * What a WebAssembly module asks for and offers, with types: the JavaScript API tells names only. Reads the type, import,
 * function, memory, start and export sections (WebAssembly core specification, section 5.5) and nothing else; whether the
 * module is sound as a whole is for the engine to say.
 */
import { EXIT, SparsewireError } from "./errors.js";

/** "(i32, i32) -> (i32)": enough to compare and to print. */
export type Signature = string;

export interface WasmLimits {
  /** Pages of 64 KiB. */
  minimum: number;
  maximum?: number;
  isShared: boolean;
  is64: boolean;
}

export interface WasmImport {
  module: string;
  name: string;
  kind: "function" | "table" | "memory" | "global" | "tag";
  signature?: Signature;
  limits?: WasmLimits;
}

export interface WasmExport {
  name: string;
  kind: WasmImport["kind"];
  signature?: Signature;
}

export interface WasmInterface {
  imports: WasmImport[];
  exports: WasmExport[];
  /** Memories that the module defines itself. */
  ownMemories: number;
  hasStart: boolean;
}

const KINDS = ["function", "table", "memory", "global", "tag"] as const;
const VALUE_TYPES: Record<number, string> = {
  127: "i32",
  126: "i64",
  125: "f32",
  124: "f64",
  123: "v128",
  112: "funcref",
  111: "externref",
};

class Reader {
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

  name(): string {
    return new TextDecoder().decode(this.take(this.number()));
  }

  /** Entries of a vector; each takes a byte at least, so a claim of more than there are bytes is refused. */
  *entries(): Generator<number> {
    const count = this.number();
    if (count > this.left) throw unsound("a section claims more entries than it has bytes");
    for (let i = 0; i < count; i++) yield i;
  }

  limits(): WasmLimits {
    const flags = this.byte();
    const minimum = this.number();
    const maximum = flags & 1 ? { maximum: this.number() } : {};
    return { minimum, ...maximum, isShared: (flags & 2) !== 0, is64: (flags & 4) !== 0 };
  }
}

/** Throws SparsewireError BAD_MODULE (badInput) when the sections cannot be read. */
export function readWasm(bytes: Uint8Array): WasmInterface {
  const reader = new Reader(bytes);
  if (bytes.length < 8 || reader.take(4).some((byte, i) => byte !== [0, 97, 115, 109][i])) {
    throw unsound("it does not begin like a WebAssembly module");
  }
  if (reader.take(4)[0] !== 1) throw unsound("it is of another version than 1, or a component");
  const found: WasmInterface = { imports: [], exports: [], ownMemories: 0, hasStart: false };
  const types: Signature[] = [];
  const functions: Signature[] = [];
  while (reader.left > 0) {
    const id = reader.byte();
    const section = new Reader(reader.take(reader.number()));
    if (id === 1) for (const _ of section.entries()) types.push(signature(section));
    else if (id === 2) for (const _ of section.entries()) found.imports.push(imported(section, types));
    else if (id === 3) for (const _ of section.entries()) functions.push(types[section.number()] ?? "?");
    else if (id === 5) found.ownMemories = section.number();
    else if (id === 8) found.hasStart = true;
    else if (id === 7) {
      const given = found.imports.filter(({ kind }) => kind === "function");
      const all = [...given.map(({ signature: type }) => type ?? "?"), ...functions];
      for (const _ of section.entries()) found.exports.push(exported(section, all));
    }
  }
  return found;
}

function signature(reader: Reader): Signature {
  if (reader.byte() !== 0x60) throw unsound("it has a type that is not a function's");
  const list = (): string => {
    const types: string[] = [];
    for (const _ of reader.entries()) types.push(VALUE_TYPES[reader.byte()] ?? "?");
    return `(${types.join(", ")})`;
  };
  const parameters = list();
  return `${parameters} -> ${list()}`;
}

function imported(reader: Reader, types: readonly Signature[]): WasmImport {
  const [module, name, code] = [reader.name(), reader.name(), reader.byte()];
  const kind = KINDS[code];
  if (kind === undefined) throw unsound(`it imports something of unknown kind ${code}`);
  if (kind === "function") return { module, name, kind, signature: types[reader.number()] ?? "?" };
  if (kind === "memory") return { module, name, kind, limits: reader.limits() };
  reader.byte(); // a table's element type, a global's type, a tag's attribute
  if (kind === "table") reader.limits();
  else if (kind === "global") reader.byte();
  else reader.number();
  return { module, name, kind };
}

function exported(reader: Reader, functions: readonly Signature[]): WasmExport {
  const name = reader.name();
  const code = reader.byte();
  const index = reader.number();
  const kind = KINDS[code];
  if (kind === undefined) throw unsound(`it exports something of unknown kind ${code}`);
  return kind === "function" ? { name, kind, signature: functions[index] ?? "?" } : { name, kind };
}

const unsound = (what: string): SparsewireError =>
  new SparsewireError("BAD_MODULE", `not a sound WebAssembly module: ${what}`, {
    exit: EXIT.badInput,
    mend: "build it again",
  });
