/**
 * An extension's instance: its memory with the frames mapped into it, its calls, and what it has written in its io block
 * after each. Nothing it writes is trusted: counts are compared with what there is room for.
 */
import { mapPrivately, privateBytes } from "xdp-node";
import { EXTENSION_BATCH } from "../../lib/abi-held.js";
import { EXIT, SparsewireError } from "../../lib/errors.js";
import {
  DESCRIPTION_BYTES_MAX,
  EVENT_BYTES_MAX,
  EXTENSION_ABI,
  type ExtensionDescription,
  type ExtensionLayout,
  IO,
  IO_AREA,
  parseDescription,
  ROWS_PER_CALL,
  wantsSharedMemory,
} from "../../lib/extension-abi.js";
import type { Suspension } from "./protocol.js";

interface Exports {
  describe(): number;
  start(io: number): void;
  batch(descriptors: number, count: number): void;
  seal?(): number;
}

/** Ends an extension. */
export class Suspended extends Error {
  constructor(
    readonly suspension: Suspension,
    message: string,
  ) {
    super(message);
  }
}

/** What a call left in the io block: views, valid until the next call. */
export interface Output {
  rows: BigUint64Array;
  columns: BigUint64Array;
  values: BigUint64Array;
  rowsLost: number;
  labels: Uint8Array;
  events: Uint8Array;
  eventsLost: number;
}

const [ROWS_USED, ROWS_LOST] = [IO.rows_used!, IO.rows_lost!];
const [LABELS_USED, EVENTS_USED, EVENTS_LOST] = [IO.labels_used!, IO.events_used!, IO.events_lost!];

/** Where an interval's rows go while seal() has more: no honest extension needs so many calls. */
const SEAL_CALLS_MAX = 4096;

export class ExtensionProgram {
  readonly memory: WebAssembly.Memory;
  readonly description: ExtensionDescription;
  readonly #exports: Exports;
  readonly #layout: ExtensionLayout;
  readonly #memoryMax: number;
  readonly #mark: (isRunning: boolean) => void;
  #buffer!: ArrayBufferLike;
  #io!: Uint32Array;
  #rows!: BigUint64Array;
  #columns!: BigUint64Array;
  #values!: BigUint64Array;
  #bytes!: Uint8Array;

  /** `mark` is called around each call of the extension. Throws what the engine throws, or SparsewireError. */
  constructor(
    wasm: Uint8Array,
    options: {
      layout: ExtensionLayout;
      fds: readonly number[];
      memoryMax: number;
      mode: number;
      mark: (isRunning: boolean) => void;
    },
  ) {
    const { layout, fds, mode } = options;
    this.#layout = layout;
    this.#memoryMax = options.memoryMax;
    this.#mark = options.mark;
    this.memory = new WebAssembly.Memory({
      initial: layout.pages,
      maximum: layout.pages,
      shared: wantsSharedMemory(wasm),
    });
    for (const [i, { offset, bytes }] of layout.regions.entries()) {
      mapPrivately(this.memory, { offset, size: bytes, fd: fds[i]! });
    }
    this.#look();
    this.#set({ abi: EXTENSION_ABI, mode, frames_max: EXTENSION_BATCH, rows_max: ROWS_PER_CALL });
    this.#set({
      rows: layout.io + IO_AREA.rows,
      columns: layout.io + IO_AREA.columns,
      values: layout.io + IO_AREA.values,
      labels: layout.io + IO_AREA.labels,
      labels_max: IO_AREA.labelBytes,
      events: layout.io + IO_AREA.events,
      events_max: IO_AREA.eventBytes,
      verdicts: layout.io + IO_AREA.verdicts,
    });
    const env = { memory: this.memory, abort: abortOf(this.memory) };
    this.#exports = this.#run(() => {
      const instance = new WebAssembly.Instance(new WebAssembly.Module(wasm as Uint8Array<ArrayBuffer>), {
        env,
      });
      return instance.exports as unknown as Exports;
    });
    this.description = this.#describe();
    this.#run(() => this.#exports.start(layout.io));
    this.#look();
  }

  /** Hands a batch over. Undefined when the extension has nothing to say. */
  batch(descriptors: number, count: number): Output | undefined {
    this.#mark(true);
    this.#exports.batch(descriptors, count);
    this.#mark(false);
    return this.#hasOutput() ? this.#output() : undefined;
  }

  /** The interval ends: `take` gets what the extension gives, which may be more than there is room for at a time. */
  seal(take: (output: Output) => void, interval: number): void {
    for (let calls = 0, more = this.#exports.seal === undefined ? 0 : 1; more !== 0; calls++) {
      if (calls === SEAL_CALLS_MAX)
        throw new Suspended("rows", `seal() was called ${SEAL_CALLS_MAX} times and has more`);
      more = this.#run(() => this.#exports.seal!());
      take(this.#output());
    }
    this.#look();
    this.#io[IO.interval!] = interval;
  }

  /** The verdicts on the first `count` frames of the last batch; they are taken away. */
  verdicts(count: number): Uint8Array {
    const at = this.#layout.io + IO_AREA.verdicts;
    const given = this.#bytes.slice(at, at + count);
    this.#bytes.fill(0, at, at + count);
    return given;
  }

  /**
   * Bytes of pages that it wrote to where frames and descriptors are mapped: they are given back, so that it sees what
   * arrives there again. Throws Suspended when it has taken more than its memory_max, there or beside its own part.
   */
  tidy(): number {
    let written = 0;
    for (const { offset, bytes } of this.#layout.regions)
      written += privateBytes(this.memory, offset, bytes, true);
    if (written > this.#memoryMax) {
      throw new Suspended("memory", `it wrote over ${Math.round(written / 2 ** 20)} MiB of frames`);
    }
    const own = Math.ceil(this.#memoryMax / 65536) * 65536;
    if (own < this.#layout.ownBytes && privateBytes(this.memory, own, this.#layout.ownBytes - own) > 0) {
      throw new Suspended("memory", `it took more than its memory_max of ${this.#memoryMax / 2 ** 20} MiB`);
    }
    return written;
  }

  #describe(): ExtensionDescription {
    const at = this.#run(() => this.#exports.describe()) >>> 0;
    this.#look();
    if (at >= this.#bytes.length) throw badExtension("describe() returns an address outside its memory");
    const text = this.#bytes.subarray(at, Math.min(at + DESCRIPTION_BYTES_MAX, this.#bytes.length));
    const end = text.indexOf(0);
    if (end < 0)
      throw badExtension(`describe() returns a text that does not end within ${DESCRIPTION_BYTES_MAX} bytes`);
    return parseDescription(new TextDecoder().decode(text.slice(0, end)));
  }

  #run<T>(call: () => T): T {
    this.#mark(true);
    try {
      return call();
    } finally {
      this.#mark(false);
    }
  }

  /** Nearly every batch of most extensions says nothing: then nothing is made of it. */
  #hasOutput(): boolean {
    this.#look();
    const io = this.#io;
    return (io[ROWS_USED]! | io[LABELS_USED]! | io[EVENTS_USED]! | io[ROWS_LOST]! | io[EVENTS_LOST]!) !== 0;
  }

  #output(): Output {
    this.#look();
    const io = this.#io;
    const [rows, labels, events] = [io[IO.rows_used!]!, io[IO.labels_used!]!, io[IO.events_used!]!];
    const [rowsLost, eventsLost] = [io[IO.rows_lost!]!, io[IO.events_lost!]!];
    io[IO.rows_used!] =
      io[IO.rows_lost!] =
      io[IO.labels_used!] =
      io[IO.events_used!] =
      io[IO.events_lost!] =
        0;
    if (rows > ROWS_PER_CALL)
      throw new Suspended("rows", `it claims ${rows} rows, there is room for ${ROWS_PER_CALL}`);
    if (labels > IO_AREA.labelBytes) throw new Suspended("rows", `it claims ${labels} bytes of labels`);
    if (events > IO_AREA.eventBytes) throw new Suspended("events", `it claims ${events} bytes of events`);
    const area = this.#layout.io;
    return {
      rows: this.#rows.subarray(0, rows),
      columns: this.#columns.subarray(0, rows),
      values: this.#values.subarray(0, rows),
      rowsLost,
      labels: this.#bytes.subarray(area + IO_AREA.labels, area + IO_AREA.labels + labels),
      events: this.#bytes.subarray(area + IO_AREA.events, area + IO_AREA.events + events),
      eventsLost,
    };
  }

  #set(values: Record<string, number>): void {
    for (const [name, value] of Object.entries(values)) this.#io[IO[name]!] = value;
  }

  /** A memory.grow(0) leaves the memory where it is, but detaches the buffer that JavaScript had of it. */
  #look(): void {
    const { buffer } = this.memory;
    if (buffer === this.#buffer && buffer.byteLength !== 0) return;
    this.#buffer = buffer;
    const area = this.#layout.io;
    this.#io = new Uint32Array(buffer, area, Object.keys(IO).length);
    this.#rows = new BigUint64Array(buffer, area + IO_AREA.rows, ROWS_PER_CALL);
    this.#columns = new BigUint64Array(buffer, area + IO_AREA.columns, ROWS_PER_CALL);
    this.#values = new BigUint64Array(buffer, area + IO_AREA.values, ROWS_PER_CALL);
    this.#bytes = new Uint8Array(buffer);
  }
}

/** One event a record: {u8 level, u8 0, u16 length, bytes}. A record that does not fit ends the list. */
export function* eventsOf(bytes: Uint8Array): Generator<{ level: number; text: string }> {
  for (let at = 0; bytes.length - at >= 4; ) {
    const length = bytes[at + 2]! | (bytes[at + 3]! << 8);
    if (length > EVENT_BYTES_MAX || bytes.length - at - 4 < length) return;
    // A log line: what is not printable text is escaped.
    const text = new TextDecoder().decode(bytes.slice(at + 4, at + 4 + length));
    yield {
      level: Math.min(bytes[at]!, 2),
      text: text.replaceAll(/[^\P{C}]/gu, (c) => `\\u{${c.codePointAt(0)!.toString(16)}}`),
    };
    at += 4 + length;
  }
}

/** env.abort of AssemblyScript: its strings are UTF-16, with their length in bytes before them. */
function abortOf(memory: WebAssembly.Memory) {
  const text = (pointer: number): string => {
    const bytes = new Uint8Array(memory.buffer);
    if (pointer < 4 || pointer >= bytes.length) return "";
    const length = Math.min(
      new DataView(memory.buffer).getUint32(pointer - 4, true),
      512,
      bytes.length - pointer,
    );
    return new TextDecoder("utf-16le").decode(bytes.slice(pointer, pointer + (length & ~1)));
  };
  return (message: number, file: number, line: number): never => {
    throw new Suspended("trap", `abort: ${text(message >>> 0)} (${text(file >>> 0)}:${line})`);
  };
}

const badExtension = (what: string): SparsewireError =>
  new SparsewireError("BAD_EXTENSION", what, { exit: EXIT.badInput, mend: "see sparsewire extension check" });
