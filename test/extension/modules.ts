/** WebAssembly modules for tests: C compiled by the toolchain, and modules put together byte by byte. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { repositoryRoot } from "../live/tools/tool.js";

/** The misdeeds of hostile.c that end at run time, and what becomes of each: a suspension, or null: it goes on; with a
 * question mark: one or the other, as what looks for it comes by in time. */
export const HOSTILE = {
  out_of_bounds: [1, "trap"],
  fill_frames: [2, "memory?"],
  loop: [3, "timeout"],
  loop_in_seal: [4, "timeout"],
  grow: [5, null],
  stack: [6, "trap"],
  rows: [7, null],
  events: [8, "events"],
  absurd_rows: [9, "rows"],
  descriptors: [10, null],
  slow: [11, null],
  verdicts: [12, null],
  absurd_labels: [13, "rows"],
  scribble_io: [17, "rows"],
  bomb: [18, "memory"],
  unreachable: [19, "trap"],
  divide: [20, "trap"],
  copy_out: [21, "trap"],
  endless_seal: [22, "rows"],
  absurd_events: [24, "events"],
  late_seal: [25, "late?"],
} as const satisfies Record<string, readonly [number, string | null]>;
export type Hostile = keyof typeof HOSTILE;
/** Gives 271,700 labels of 255 bytes at each seal. */
export const LABELS = 26;
/** Those that do not come up. */
export const NOT_STARTING = { loop_in_start: 14, trap_in_describe: 15, bad_description: 16 } as const;

const root = repositoryRoot();

export class Modules {
  readonly folder = mkdtempSync(join(tmpdir(), "sparsewire-ext-"));

  async hostile(number: number): Promise<string> {
    const path = join(this.folder, `case-${number}.wasm`);
    const { buildExtension } = (await import(
      pathToFileURL(join(root, "native/extension/build.mjs")).href
    )) as {
      buildExtension(source: string, output: string, more?: string[]): void;
    };
    const flags = [`-DCASE=${number}`, "-Wno-infinite-recursion", "-Wno-implicit-fallthrough"];
    buildExtension(join(root, "test/extension/hostile.c"), path, flags);
    return path;
  }

  close(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** An example or the template of native/extension, as built. */
export const example = (name: string): string => join(root, "native/extension/build", `${name}.wasm`);
export const exampleBytes = (name: string): Uint8Array => new Uint8Array(readFileSync(example(name)));

const text = (value: string): number[] => [value.length, ...Buffer.from(value)];
const section = (id: number, body: number[]): number[] => {
  if (body.length > 127) throw new Error("a longer section than this writer makes");
  return [id, body.length, ...body];
};

/** A module with the given types, imports ("module.name", type), and exports (name, type); functions do nothing. */
export function moduleOf(parts: {
  types: [parameters: number[], results: number[]][];
  imports?: [module: string, name: string, type: number][];
  exports: [name: string, type: number][];
  /** Limits of the imported memory, as bytes; undefined: none is imported. */
  memory?: number[] | undefined;
  ownMemory?: boolean;
  more?: number[];
}): Uint8Array {
  const types = parts.types.flatMap(([from, to]) => [0x60, from.length, ...from, to.length, ...to]);
  const imports = (parts.imports ?? []).flatMap(([module, name, type]) => [
    ...text(module),
    ...text(name),
    0,
    type,
  ]);
  const memory = parts.memory === undefined ? [] : [...text("env"), ...text("memory"), 2, ...parts.memory];
  const importCount = (parts.imports ?? []).length;
  const functions = parts.exports.map(([, type]) => type);
  const exports = parts.exports.flatMap(([name], i) => [...text(name), 0, importCount + i]);
  const code = parts.exports.flatMap(([, type]) => {
    const body = parts.types[type]![1].length > 0 ? [0, 0x41, 0, 0x0b] : [0, 0x0b];
    return [body.length, ...body];
  });
  return Uint8Array.from([
    ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, [parts.types.length, ...types]),
    ...section(2, [importCount + (memory.length > 0 ? 1 : 0), ...imports, ...memory]),
    ...section(3, [functions.length, ...functions]),
    ...(parts.ownMemory ? section(5, [1, 0, 1]) : []),
    ...section(7, [parts.exports.length, ...exports]),
    ...(parts.more ?? []),
    ...section(10, [functions.length, ...code]),
  ]);
}
