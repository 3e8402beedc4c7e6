/**
 * What a WebAssembly module asks for and offers, with types: the JavaScript API tells names only. Reads every section
 * (WebAssembly core specification, section 5.5) as far as what is in it can cost: nothing may exceed WASM_BOUNDS, and what
 * could grow without one is refused. Whether the module is sound as a whole is for the engine to say.
 */
import { WASM_BOUNDS as MOST } from "./wasm-bounds.js";
import { beyond, refused, unsound, type WasmLimits, WasmReader } from "./wasm-reader.js";

export type { WasmLimits } from "./wasm-reader.js";

/** "(i32, i32) -> (i32)": enough to compare and to print. */
export type Signature = string;

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
const FUNCREF = 0x70;
const VALUE_TYPES: Record<number, string> = {
  127: "i32",
  126: "i64",
  125: "f32",
  124: "f64",
  123: "v128",
  112: "funcref",
  111: "externref",
};

/** What is gathered on the way; `functions` are the signatures of the module's own. */
interface Found extends WasmInterface {
  types: Signature[];
  functions: Signature[];
  tableEntries: number;
  elements: number;
  bodies: number;
  codeBytes: number;
}
type SectionReader = (section: WasmReader, found: Found) => void;

/** By the sections' ids. */
const SECTIONS: Record<number, SectionReader> = {
  1: (section, { types }) => {
    for (const _ of section.entries("types", MOST.types)) types.push(signature(section));
  },
  2: (section, { imports, types }) => {
    for (const _ of section.entries("imports", MOST.imports)) imports.push(imported(section, types));
  },
  3: (section, { functions, types }) => {
    for (const _ of section.entries("functions", MOST.functions))
      functions.push(types[section.number()] ?? "?");
  },
  4: (section, found) => {
    for (const _ of section.entries("tables", MOST.tables)) found.tableEntries += tableEntries(section);
    if (found.tableEntries > MOST.tableEntries) {
      throw beyond("it", "entries in its tables", found.tableEntries, MOST.tableEntries);
    }
  },
  5: (section, found) => {
    for (const _ of section.entries("memories", MOST.imports)) {
      section.limits();
      found.ownMemories++;
    }
  },
  6: (section) => {
    for (const _ of section.entries("globals", MOST.globals)) {
      valueType(section);
      section.byte(); // whether it can be set
      section.expression();
    }
  },
  7: (section, found) => {
    const given = found.imports.filter(({ kind }) => kind === "function");
    const all = [...given.map(({ signature: type }) => type ?? "?"), ...found.functions];
    for (const _ of section.entries("exports", MOST.exports)) found.exports.push(exported(section, all));
  },
  8: (section, found) => {
    section.number();
    found.hasStart = true;
  },
  9: (section, found) => {
    for (const _ of section.entries("element segments", MOST.elementSegments)) elements(section, found);
  },
  10: (section, found) => {
    for (const _ of section.entries("function bodies", MOST.functions)) body(section, found);
  },
  11: (section) => {
    for (const _ of section.entries("data segments", MOST.dataSegments)) {
      const kind = section.number();
      if (kind > 2) throw unsound("it has a data segment of an unknown kind");
      if (kind === 2) section.number();
      if (kind !== 1) section.expression();
      section.skip(section.number());
    }
  },
  12: (section) => {
    section.number();
  },
  13: () => {
    throw refused("it has tags of exceptions", "build it without exceptions");
  },
};

/**
 * Throws SparsewireError BAD_MODULE (badInput) when the sections cannot be read, when there is more in one than WASM_BOUNDS
 * allows, or what an extension may not have: tables without a maximum, exceptions, types of garbage collection.
 */
export function readWasm(bytes: Uint8Array): WasmInterface {
  if (bytes.length > MOST.fileBytes) throw beyond("the file", "bytes", bytes.length, MOST.fileBytes);
  const reader = new WasmReader(bytes);
  if (bytes.length < 8 || reader.take(4).some((byte, i) => byte !== [0, 97, 115, 109][i])) {
    throw unsound("it does not begin like a WebAssembly module");
  }
  if (reader.take(4)[0] !== 1) throw unsound("it is of another version than 1, or a component");
  const found: Found = {
    ...{ imports: [], exports: [], ownMemories: 0, hasStart: false, types: [], functions: [] },
    ...{ tableEntries: 0, elements: 0, bodies: 0, codeBytes: 0 },
  };
  const seen = new Set<number>();
  let custom = 0;
  while (reader.left > 0) {
    const id = reader.byte();
    const section = new WasmReader(reader.take(reader.number()));
    if (id === 0) {
      if (++custom > MOST.customSections) throw beyond("it", "custom sections", custom, MOST.customSections);
      continue;
    }
    const read = SECTIONS[id];
    if (read === undefined) throw unsound(`it has a section of unknown kind ${id}`);
    if (seen.has(id)) throw unsound("it has two sections of one kind");
    seen.add(id);
    read(section, found);
    section.end();
  }
  if (found.bodies !== found.functions.length) throw unsound("it has functions without bodies");
  const { imports, exports, ownMemories, hasStart } = found;
  return { imports, exports, ownMemories, hasStart };
}

function valueType(reader: WasmReader): string {
  const type = VALUE_TYPES[reader.byte()];
  if (type === undefined)
    throw refused("it has values that are objects", "build it without garbage collection");
  return type;
}

function signature(reader: WasmReader): Signature {
  if (reader.byte() !== 0x60)
    throw refused("it has a type that is not a function's", "build it without garbage collection");
  const list = (what: string): string => {
    const types: string[] = [];
    for (const _ of reader.entries(what, MOST.parameters)) types.push(valueType(reader));
    return `(${types.join(", ")})`;
  };
  const parameters = list("parameters of a function");
  return `${parameters} -> ${list("results of a function")}`;
}

function imported(reader: WasmReader, types: readonly Signature[]): WasmImport {
  const [module, name, code] = [reader.name(MOST.nameBytes), reader.name(MOST.nameBytes), reader.byte()];
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

function exported(reader: WasmReader, functions: readonly Signature[]): WasmExport {
  const name = reader.name(MOST.nameBytes);
  const code = reader.byte();
  const index = reader.number();
  const kind = KINDS[code];
  if (kind === undefined) throw unsound(`it exports something of unknown kind ${code}`);
  return kind === "function" ? { name, kind, signature: functions[index] ?? "?" } : { name, kind };
}

/** Most entries that a table can ever have. */
function tableEntries(reader: WasmReader): number {
  if (reader.byte() !== FUNCREF)
    throw refused("it has a table of other things than functions", "build it for wasm32");
  const { minimum, maximum, isShared, is64 } = reader.limits();
  if (isShared || is64) throw refused("it has a shared or a 64-bit table", "build it for wasm32");
  if (maximum === undefined)
    throw refused("it has a table without a maximum", "link it without --growable-table and --exportTable");
  return Math.max(minimum, maximum);
}

/** One element segment. Core specification, section 5.5.12: three flags say where it goes and how entries are written. */
function elements(reader: WasmReader, found: Found): void {
  const kind = reader.number();
  if (kind > 7) throw unsound("it has an element segment of an unknown kind");
  const [isPassive, hasIndex, hasExpressions] = [(kind & 1) !== 0, (kind & 2) !== 0, (kind & 4) !== 0];
  if (!isPassive && hasIndex) reader.number();
  if (!isPassive) reader.expression();
  if ((kind & 3) !== 0) {
    const type = reader.byte();
    if (type !== (hasExpressions ? FUNCREF : 0)) throw unsound("it has elements of an unknown kind");
  }
  for (const _ of reader.entries("elements", MOST.elements, found.elements)) {
    found.elements++;
    if (hasExpressions) reader.expression();
    else reader.number();
  }
}

function body(reader: WasmReader, found: Found): void {
  const size = reader.number();
  if (size > MOST.bodyBytes) throw beyond("a function", "bytes", size, MOST.bodyBytes);
  found.bodies++;
  found.codeBytes += size;
  if (found.codeBytes > MOST.codeBytes) throw beyond("it", "bytes of code", found.codeBytes, MOST.codeBytes);
  const code = new WasmReader(reader.take(size));
  let locals = 0;
  for (const _ of code.entries("kinds of locals in a function", MOST.locals)) {
    locals += code.number();
    if (locals > MOST.locals) throw beyond("a function", "locals", locals, MOST.locals);
    valueType(code);
  }
}
