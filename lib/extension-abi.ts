/**
 * The ABI between Sparsewire and an extension, version 1. native/extension/sparsewire_extension.h says the same in C, and
 * sparsewire.ts in AssemblyScript; a test holds the three together.
 *
 * An extension imports `env.memory` and exports functions. Its memory has a fixed size: its own part, the io block
 * (where it writes rows, labels, events and verdicts), and what is mapped: rings of descriptors, and frames.
 */
import { EXTENSION_BATCH } from "./abi-held.js";
import { EXIT, SparsewireError } from "./errors.js";
import { type KeyKind, parseKeyKind } from "./extension-keys.js";
import { WASM_BOUNDS } from "./wasm-bounds.js";
import { readWasm, type WasmInterface } from "./wasm-module.js";

export const EXTENSION_ABI = 1;
export const EXTENSION_FILE_BYTES_MAX = WASM_BOUNDS.fileBytes;
/** Rows, label bytes and event bytes that there is room for until the host takes them: after each call. */
export const ROWS_PER_CALL = 8192;
const LABEL_BYTES = 1 << 16;
const EVENT_BYTES = 1 << 14;
export const LABEL_BYTES_MAX = 255;
export const EVENT_BYTES_MAX = 1024;
export const EVENT_LEVELS = ["info", "warn", "error"] as const;

/** The io block: what the host sets, then (from `rows_used` on) what the extension sets and the host resets. u32 each. */
export const IO_FIELDS = [
  ...["abi", "mode", "frames_max", "rows_max", "rows", "columns", "values"],
  ...["labels", "labels_max", "events", "events_max", "verdicts"],
  ...["rows_used", "rows_lost", "labels_used", "events_used", "events_lost", "interval"],
] as const;
export const IO = Object.fromEntries(IO_FIELDS.map((name, i) => [name, i])) as Record<string, number>;
export const EXTENSION_MODES = ["pcap", "mirror", "host", "inline"] as const;

const IO_BLOCK_BYTES = 256;
/** Offsets in the io area, and its size. */
export const IO_AREA = (() => {
  let top = IO_BLOCK_BYTES;
  const reserve = (bytes: number): number => {
    top += bytes;
    return top - bytes;
  };
  const rows = reserve(8 * ROWS_PER_CALL);
  const columns = reserve(8 * ROWS_PER_CALL);
  const values = reserve(8 * ROWS_PER_CALL);
  const labels = reserve(LABEL_BYTES);
  const events = reserve(EVENT_BYTES);
  const verdicts = reserve(EXTENSION_BATCH);
  return {
    ...{ rows, columns, values, labels, events, verdicts },
    labelBytes: LABEL_BYTES,
    eventBytes: EVENT_BYTES,
    bytes: Math.ceil(top / 65536) * 65536,
  };
})();

const PAGE = 65536;
const HUGE_PAGE = 2 << 20;

/** Where everything lies in the memory of each extension of a sensor: the same in all, so that descriptors fit all. */
export interface ExtensionLayout {
  /** Bytes from 0 that may be an extension's own: the largest memory_max. */
  ownBytes: number;
  /** Offset of the io area. */
  io: number;
  /** Offset of each region that is mapped, in the order given. */
  regions: { offset: number; bytes: number }[];
  pages: number;
}

/** Throws SparsewireError EXTENSION_MEMORY when 4 GiB are not enough. */
export function extensionLayout(memoryMax: number, regionBytes: readonly number[]): ExtensionLayout {
  const ownBytes = Math.ceil(memoryMax / PAGE) * PAGE;
  let top = ownBytes + IO_AREA.bytes;
  const regions = regionBytes.map((bytes) => {
    // Memories begin on a huge page's boundary: frames that do so, too, can be mapped by huge pages.
    const offset = Math.ceil(top / HUGE_PAGE) * HUGE_PAGE;
    top = offset + Math.ceil(bytes / PAGE) * PAGE;
    return { offset, bytes };
  });
  const pages = Math.ceil(top / PAGE);
  if (pages > 65536) {
    throw new SparsewireError(
      "EXTENSION_MEMORY",
      `extensions would need ${Math.ceil(top / 2 ** 20)} MiB each`,
      {
        mend: "lower memory.frames or memory_max: 4096 MiB is the most a WebAssembly memory can have",
      },
    );
  }
  return { ownBytes, io: ownBytes, regions, pages };
}

const EXPORTS: Record<string, { signature: string; isOptional: boolean }> = {
  describe: { signature: "() -> (i32)", isOptional: false },
  start: { signature: "(i32) -> ()", isOptional: false },
  batch: { signature: "(i32, i32) -> ()", isOptional: false },
  seal: { signature: "() -> (i32)", isOptional: true },
};
/** What AssemblyScript's run time calls when it gives up. */
const ABORT = "(i32, i32, i32, i32) -> ()";

/**
 * What keeps a module from being an extension, a line each; none: it fits. `memoryMax`: bytes it may have of its own.
 * Throws BAD_MODULE when it is no module at all.
 */
export function extensionFaults(bytes: Uint8Array, memoryMax: number): string[] {
  const module = readWasm(bytes);
  return [...importFaults(module, memoryMax), ...exportFaults(module)];
}

/** Whether the memory that an extension imports is a shared one (AssemblyScript with threads, clang with atomics). */
export function wantsSharedMemory(bytes: Uint8Array): boolean {
  return readWasm(bytes).imports.some(({ limits }) => limits?.isShared === true);
}

function importFaults({ imports, ownMemories }: WasmInterface, memoryMax: number): string[] {
  const faults: string[] = [];
  if (ownMemories > 0) faults.push("it has a memory of its own: link it with --import-memory");
  const memory = imports.find(
    ({ kind, module, name }) => kind === "memory" && `${module}.${name}` === "env.memory",
  );
  if (memory === undefined && ownMemories === 0)
    faults.push("it does not import env.memory: link it with --import-memory");
  for (const { module, name, kind, signature } of imports) {
    const full = `${module}.${name}`;
    if (kind === "memory" && full === "env.memory") continue;
    if (kind === "function" && full === "env.abort" && signature === ABORT) continue;
    faults.push(
      `it imports the ${kind} ${full}${signature === undefined ? "" : ` ${signature}`}: there is nothing but env.memory`,
    );
  }
  if (imports.filter(({ kind }) => kind === "memory").length > 1)
    faults.push("it imports env.memory more than once");
  const limits = memory?.limits;
  if (limits === undefined) return faults;
  if (limits.is64) faults.push("its memory has 64-bit addresses");
  if (limits.minimum * PAGE > memoryMax) {
    faults.push(
      `its memory begins with ${(limits.minimum * PAGE) / 2 ** 20} MiB, memory_max allows ${memoryMax / 2 ** 20} MiB`,
    );
  }
  if (limits.maximum !== undefined && limits.maximum < 65536) {
    faults.push(
      `its memory is limited to ${limits.maximum} pages: link it without --max-memory, or with 4294967296`,
    );
  }
  return faults;
}

function exportFaults({ exports }: WasmInterface): string[] {
  return Object.entries(EXPORTS).flatMap(([name, { signature, isOptional }]) => {
    const found = exports.find((entry) => entry.name === name);
    if (found === undefined)
      return isOptional ? [] : [`it does not export the function ${name} ${signature}`];
    if (found.kind !== "function") return [`its export ${name} is a ${found.kind}, not a function`];
    return found.signature === signature
      ? []
      : [`its export ${name} is ${found.signature}, must be ${signature}`];
  });
}

export const COMBINES = ["plus", "max", "min"] as const;
export type Combine = (typeof COMBINES)[number];

/** What an extension says of its matrix. */
export interface ExtensionDescription {
  row: { name: string; kind: KeyKind };
  column: { name: string; kind: KeyKind };
  value: string;
  combine: Combine;
}

const NAME = /^[a-z0-9][a-z0-9_-]{0,31}$/;
export const DESCRIPTION_BYTES_MAX = 1024;

/**
 * Reads `sparsewire/1 row=NAME:KIND column=NAME:KIND value=NAME combine=plus`; row and column may be left out (numbers), and so
 * may value and combine. Throws BAD_DESCRIPTION.
 */
export function parseDescription(text: string): ExtensionDescription {
  const [version, ...words] = text.trim().split(/\s+/);
  if (version !== `sparsewire/${EXTENSION_ABI}`) {
    throw badDescription(
      `it begins with ${JSON.stringify(version?.slice(0, 32))}, not sparsewire/${EXTENSION_ABI}`,
    );
  }
  const said: ExtensionDescription = {
    row: { name: "row", kind: "number" },
    column: { name: "column", kind: "number" },
    value: "value",
    combine: "plus",
  };
  for (const word of words) {
    const [, key, rest] = /^(\w+)=(.+)$/.exec(word) ?? [];
    if (key === "row" || key === "column") {
      const [name = "", ...kind] = rest!.split(":");
      if (!NAME.test(name))
        throw badDescription(`${name} cannot be the name of its ${key}s: use a-z 0-9 - _`);
      said[key] = { name, kind: checkedKind(kind.join(":") || "number") };
    } else if (key === "value" && NAME.test(rest!)) said.value = rest!;
    else if (key === "combine" && (COMBINES as readonly string[]).includes(rest!))
      said.combine = rest as Combine;
    else throw badDescription(`${JSON.stringify(word.slice(0, 64))} is not understood`);
  }
  return said;
}

function checkedKind(text: string): KeyKind {
  const fault = parseKeyKind(text);
  if (typeof fault === "string") throw badDescription(fault);
  return text;
}

const badDescription = (what: string): SparsewireError =>
  new SparsewireError("BAD_DESCRIPTION", `describe() gives no sound description: ${what}`, {
    exit: EXIT.badInput,
    mend: 'return the address of, say, "sparsewire/1 row=source:ipv4 column=port:port"',
  });
