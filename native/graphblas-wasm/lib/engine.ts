// The engine: one instance of the wasm module over one linear memory, and the only code that calls into it.
import { GrBError, infoName } from "./errors.js";

/** An address in linear memory; 0 is none. */
export type Pointer = number;

type Export = (...args: (number | bigint)[]) => number | bigint | undefined;

const PAGE_BYTES = 65536;
/** Module data, stack and a first piece of heap. */
const INITIAL_PAGES = 8;
const MEMORY_BYTES_MAX = 65535 * PAGE_BYTES;
const moduleUrl = new URL("../../build/graphblas.wasm", import.meta.url);

/** Where the module comes from: its bytes, an address to fetch it from, or itself, compiled. */
export type ModuleSource = Uint8Array<ArrayBuffer> | ArrayBuffer | URL | string | WebAssembly.Module;

let compiled: WebAssembly.Module | undefined;

/** The part of Node that reads files; undefined in a browser. Asked for at run time, so that bundlers see no import. */
function nodeFiles(): { readFileSync(url: URL): Uint8Array<ArrayBuffer> } | undefined {
  const node = (globalThis as { process?: { getBuiltinModule?(name: string): unknown } }).process;
  return node?.getBuiltinModule?.("node:fs") as ReturnType<typeof nodeFiles>;
}

async function fetched(url: URL): Promise<ArrayBuffer | Uint8Array<ArrayBuffer>> {
  if (url.protocol === "file:") {
    const files = nodeFiles();
    if (files) return files.readFileSync(url);
  }
  const response = await fetch(url);
  if (!response.ok) throw new GrBError("GrB_INVALID_VALUE", `${url}: HTTP ${response.status}`);
  return await response.arrayBuffer();
}

async function compileModule(source?: ModuleSource): Promise<WebAssembly.Module> {
  if (source === undefined) return (compiled ??= await WebAssembly.compile(await fetched(moduleUrl)));
  if (source instanceof WebAssembly.Module) return source;
  if (typeof source !== "string" && !(source instanceof URL)) return await WebAssembly.compile(source);
  return await WebAssembly.compile(await fetched(new URL(source, import.meta.url)));
}

function compileModuleSync(source?: ModuleSource): WebAssembly.Module {
  if (source instanceof WebAssembly.Module) return source;
  if (typeof source === "string" || source instanceof URL)
    throw new GrBError("GrB_INVALID_VALUE", "loadSync takes bytes or a module; load() fetches");
  if (source !== undefined) return new WebAssembly.Module(source);
  const files = nodeFiles();
  if (!files && !compiled)
    throw new GrBError(
      "GrB_INVALID_VALUE",
      "no file can be read here; use load(), or give the module's bytes",
    );
  compiled ??= new WebAssembly.Module(files!.readFileSync(moduleUrl));
  return compiled;
}

export class Engine {
  readonly #memory: WebAssembly.Memory;
  readonly #exports: Record<string, Export>;
  readonly #resultAt: Pointer;
  #dead: GrBError | undefined;
  #live = 0;
  readonly #registry = new FinalizationRegistry<Pointer>((at) => {
    try {
      if (!this.#dead) this.release(at);
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

  /** Compiles the module, its own once for the whole process, and makes an instance of at most maximumBytes of memory. */
  static async load(maximumBytes: number, source?: ModuleSource): Promise<Engine> {
    return new Engine(await compileModule(source), maximumBytes);
  }

  static loadSync(maximumBytes: number, source?: ModuleSource): Engine {
    return new Engine(compileModuleSync(source), maximumBytes);
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
    throw new GrBError(infoName(info), String.fromCharCode(...reason));
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
  adopt(owner: object, at: Pointer): void {
    this.#live++;
    this.#registry.register(owner, at, owner);
  }

  /** Frees an adopted object now. */
  disown(owner: object, at: Pointer): void {
    this.#registry.unregister(owner);
    if (!this.#dead) this.release(at);
  }

  private release(at: Pointer): void {
    this.#live--;
    this.value("gb_matrix_free", at);
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
