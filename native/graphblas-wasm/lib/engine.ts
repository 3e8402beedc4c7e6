// The engine: one instance of the wasm module over one linear memory, and the only code that calls into it.

import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { GrBError, infoName } from "./errors.js";

/** An address in linear memory; 0 is none. */
export type Pointer = number;

type Export = (...args: (number | bigint)[]) => number | bigint | undefined;

const PAGE_BYTES = 65536;
/** Module data, stack and a first piece of heap. */
const INITIAL_PAGES = 8;
const MEMORY_BYTES_MAX = 65535 * PAGE_BYTES;
const moduleUrl = new URL("../../build/graphblas.wasm", import.meta.url);

let compiled: WebAssembly.Module | undefined;

async function compileModule(): Promise<WebAssembly.Module> {
  compiled ??= await WebAssembly.compile(await readFile(moduleUrl));
  return compiled;
}

function compileModuleSync(): WebAssembly.Module {
  compiled ??= new WebAssembly.Module(readFileSync(moduleUrl));
  return compiled;
}

type Kind = "matrix" | "vector";

export class Engine {
  readonly #memory: WebAssembly.Memory;
  readonly #exports: Record<string, Export>;
  readonly #resultAt: Pointer;
  #dead: GrBError | undefined;
  #live = 0;
  readonly #registry = new FinalizationRegistry<{ kind: Kind; at: Pointer }>(({ kind, at }) => {
    try {
      if (!this.#dead) this.release(kind, at);
    } catch {
      // A trap: the instance is dead now, and the next call of its owner says so.
    }
  });

  private constructor(module: WebAssembly.Module, maximumBytes: number) {
    const maximum = Math.floor(Math.min(maximumBytes, MEMORY_BYTES_MAX) / PAGE_BYTES);
    if (!(maximum >= INITIAL_PAGES)) {
      throw new GrBError("GrB_INVALID_VALUE", `maximumBytes must be at least ${INITIAL_PAGES * PAGE_BYTES}`);
    }
    this.#memory = new WebAssembly.Memory({ initial: INITIAL_PAGES, maximum });
    this.#exports = new WebAssembly.Instance(module, { env: { memory: this.#memory } }).exports as Record<
      string,
      Export
    >;
    this.#resultAt = this.value("gb_result_at");
  }

  /** Compiles the module, once for the whole process, and makes an instance of at most maximumBytes of memory. */
  static async load(maximumBytes: number): Promise<Engine> {
    return new Engine(await compileModule(), maximumBytes);
  }

  static loadSync(maximumBytes: number): Engine {
    return new Engine(compileModuleSync(), maximumBytes);
  }

  /** Calls an export that returns a plain number. A trap poisons the instance: its memory may be inconsistent. */
  value(name: string, ...args: (number | bigint)[]): number {
    if (this.#dead) throw this.#dead;
    try {
      return Number(this.#exports[name]!(...args) ?? 0);
    } catch (cause) {
      this.#dead = new GrBError("GrB_PANIC", `the engine trapped in ${name}; load() a new one`, { cause });
      throw this.#dead;
    }
  }

  /** Calls an export that returns a GrB_Info. GrBError unless it is GrB_SUCCESS. */
  call(name: string, ...args: (number | bigint)[]): void {
    const info = this.value(name, ...args);
    if (info === 0) return;
    const reason = new Uint8Array(
      this.#memory.buffer,
      this.value("gb_reason_at"),
      this.value("gb_reason_length"),
    );
    throw new GrBError(infoName(info), Buffer.from(reason).toString("latin1"));
  }

  /** Result register k of the last call. */
  result(k: number): bigint {
    return new BigUint64Array(this.#memory.buffer, this.#resultAt, 16)[k]!;
  }

  resultNumber(k: number): number {
    return Number(this.result(k));
  }

  /** A staging array in linear memory. GrB_OUT_OF_MEMORY. */
  allocate(bytes: number): Pointer {
    const at = this.value("gb_allocate", BigInt(bytes)) >>> 0;
    if (!at) throw new GrBError("GrB_OUT_OF_MEMORY", `no ${bytes} bytes are left below maximumBytes`);
    return at;
  }

  free(at: Pointer): void {
    if (at && !this.#dead) this.value("gb_free", at);
  }

  /** Copies an array into linear memory; the caller frees it. */
  stage(array: Uint8Array | Uint32Array | BigUint64Array): Pointer {
    const at = this.allocate(array.byteLength);
    this.bytes(at, array.byteLength).set(new Uint8Array(array.buffer, array.byteOffset, array.byteLength));
    return at;
  }

  /** Runs with staging arrays that are freed afterwards, whatever happens. */
  staged<T>(arrays: (Uint8Array | Uint32Array | BigUint64Array)[], use: (...at: Pointer[]) => T): T {
    const at: Pointer[] = [];
    try {
      for (const array of arrays) at.push(this.stage(array));
      return use(...at);
    } finally {
      for (const one of at) this.free(one);
    }
  }

  /** Views of linear memory: valid until the next call, for memory may grow. */
  bytes(at: Pointer, length: number): Uint8Array {
    return new Uint8Array(this.#memory.buffer, at, length);
  }

  words(at: Pointer, length: number): Uint32Array {
    return new Uint32Array(this.#memory.buffer, at, length);
  }

  longs(at: Pointer, length: number): BigUint64Array {
    return new BigUint64Array(this.#memory.buffer, at, length);
  }

  /** Registers an object so that it is freed when its owner is collected without dispose(). */
  adopt(owner: object, kind: Kind, at: Pointer): void {
    this.#live++;
    this.#registry.register(owner, { kind, at }, owner);
  }

  /** Frees an adopted object now. */
  disown(owner: object, kind: Kind, at: Pointer): void {
    this.#registry.unregister(owner);
    if (!this.#dead) this.release(kind, at);
  }

  private release(kind: Kind, at: Pointer): void {
    this.#live--;
    this.value(kind === "matrix" ? "gb_matrix_free" : "gb_vector_free", at);
  }

  get liveObjects(): number {
    return this.#live;
  }

  get memoryBytes(): number {
    return this.#memory.buffer.byteLength;
  }

  /** Ends the instance: its memory goes when the last reference to it goes, every later call is an error. */
  dispose(): void {
    this.#dead ??= new GrBError("GrB_UNINITIALIZED_OBJECT", "this GraphBLAS instance was disposed of");
    this.#live = 0;
  }

  get panicked(): boolean {
    return this.#dead?.info === "GrB_PANIC";
  }
}
