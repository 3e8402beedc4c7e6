/**
 * The thread of one extension: claims batches of held frames from the rings of all capture sandboxes, calls the extension
 * once a batch, and hands an interval's rows over when every ring has sealed it. No JavaScript per packet. Wherever this
 * thread is stuck, nobody waits for it.
 */
import { parentPort, workerData } from "node:worker_threads";
import { loadSync } from "graphblas-wasm";
import { setThreadName, threadCpuNs, threadId } from "xdp-node";
import { EXTENSION_BATCH, HELD_SEALS, TAP_STATE } from "../../lib/abi-held.js";
import { SparsewireError } from "../../lib/errors.js";
import { matrixBytesMax } from "./footprint.js";
import { HeldView, type TapView } from "./held-view.js";
import { ExtensionProgram, eventsOf, type Output, Suspended } from "./program.js";
import { CALLS, type ExtensionMessage, type ExtensionWorkerData, VITALS } from "./protocol.js";
import { Rows } from "./rows.js";

/** A wake should find so many frames: few wakes cost little, and this is far from what may be held. */
const FRAMES_PER_WAKE = 8192;
const SLEEP_MS_MIN = 0.5;
const SLEEP_MS_MAX = 8;
/** How often written pages are looked for; it reads 8 bytes for every 4 KiB of frames. */
const TIDY_MS = 5000;
const PUBLISH_MS = 100;
const FRAME_BYTES = 24;
/** The first verdict, SW_PASS; 0 is none. */
const PASS = 1;

interface Ring {
  held: HeldView;
  tap: TapView;
  entries: number;
  /** Offset of its descriptors in the extension's memory. */
  at: number;
  verdicts: Uint8Array | undefined;
  /** Seals whose frames have all been passed. */
  passed: number;
}

class ExtensionLoop {
  readonly #data: ExtensionWorkerData;
  readonly #program: ExtensionProgram;
  readonly #rows: Rows;
  readonly #rings: Ring[];
  readonly #calls: Int32Array;
  readonly #vitals: Float64Array;
  #sealed = 0;
  #frames = 0;
  #events = 0;
  #eventsOfSecond = 0;
  #second = 0;
  #sleepMs = 1;
  #tidiedAt = performance.now();
  #publishedAt = 0;

  constructor(data: ExtensionWorkerData) {
    this.#data = data;
    this.#calls = new Int32Array(data.calls);
    this.#vitals = new Float64Array(data.vitals);
    const { layout, fds, mode, settings } = data;
    this.#program = new ExtensionProgram(data.wasm, {
      ...{ layout, fds, mode },
      memoryMax: settings.memoryMax,
      mark: () => Atomics.add(this.#calls, CALLS.call, 1),
    });
    const { rowsMax: rows, labelsBytesMax: labelBytes } = settings;
    const grb = loadSync({ maximumBytes: matrixBytesMax(rows) });
    this.#rows = new Rows(grb, this.#program.description.combine, { rows, labelBytes });
    this.#rings = data.rings.map(({ memory, region }) => this.#ring(memory, layout.regions[region]!.offset));
    // Before anybody hears that it is ready: the first breath lets it in, so it misses no frame.
    for (const { tap } of this.#rings) tap.join();
    post({ type: "ready", description: this.#program.description });
  }

  #ring(memory: WebAssembly.Memory, at: number): Ring {
    const held = new HeldView(memory);
    const entries = held.setting("entries");
    const place = this.#data.givesVerdicts ? held.setting("verdicts") : 0;
    const verdicts = place === 0 ? undefined : new Uint8Array(memory.buffer, place, entries);
    return { held, tap: held.tap(this.#data.index), entries, at, verdicts, passed: 0 };
  }

  run(): void {
    if (!this.#join()) return;
    post({ type: "joined", seal: this.#sealed });
    for (;;) {
      const seen = this.#rings[0]!.held.signals;
      let found = 0;
      for (const ring of this.#rings) found += this.#drain(ring);
      if (this.#seal()) continue;
      if (this.#data.isLossless) this.#rings[0]!.held.signal();
      if (found === 0 && Atomics.load(this.#calls, CALLS.stop) !== 0) return;
      this.#rest(found, seen);
    }
  }

  /** Waits until every sandbox has let it in: at its next breath. False when it is to end. */
  #join(): boolean {
    while (this.#rings.some(({ tap }) => tap.state !== TAP_STATE.active)) {
      if (Atomics.load(this.#calls, CALLS.stop) !== 0) return false;
      this.#rings[0]!.held.wait(this.#rings[0]!.held.signals, 1);
    }
    for (const ring of this.#rings) ring.passed = ring.tap.joined;
    this.#sealed = Math.max(...this.#rings.map(({ passed }) => passed));
    return true;
  }

  /** Takes what there is of the open interval. Returns the frames. */
  #drain(ring: Ring): number {
    const { held, tap } = ring;
    let found = 0;
    for (;;) {
      const producer = held.producer;
      const behind = held.seals - ring.passed;
      const isSealed = behind !== 0;
      if (behind > HELD_SEALS - 4) throw new Suspended("overtaken", `it is ${behind} intervals behind`);
      const limit = isSealed ? held.sealAt(ring.passed + 1) : producer;
      // A ring that was behind the others when this thread joined: what it still had of that interval is not ours.
      const isOurs = ring.passed === this.#sealed;
      if (ring.passed > this.#sealed) return found;
      const { from, count } = tap.claim(limit, isOurs ? EXTENSION_BATCH : 0x7fffffff, ring.entries);
      if (count === 0) {
        if (!isSealed) return found;
        ring.passed++;
        continue;
      }
      if (isOurs) this.#batch(ring, from, count);
      tap.finish(from, count);
      found += count;
    }
  }

  #batch(ring: Ring, from: number, count: number): void {
    const output = this.#program.batch(ring.at + (from & (ring.entries - 1)) * FRAME_BYTES, count);
    if (output !== undefined) this.#take(output);
    if (ring.verdicts !== undefined) {
      const given = this.#program.verdicts(count);
      // A frame that it has nothing to say about passes, and need not wait until that is too late.
      for (let i = 0; i < count; i++) given[i] ||= PASS;
      if (ring.tap.isCurrent(from, count)) ring.verdicts.set(given, from & (ring.entries - 1));
    }
    this.#frames += count;
    if ((ring.held.producer - from) >>> 0 > ring.entries) {
      throw new Suspended("overtaken", "frames came in faster than it could finish a batch");
    }
  }

  #take(output: Output): void {
    this.#rows.take(output);
    if (output.events.length === 0 && output.eventsLost === 0) return;
    const { eventsMax } = this.#data.settings;
    const second = Math.floor(performance.now() / 1000);
    if (second !== this.#second) {
      this.#second = second;
      this.#eventsOfSecond = 0;
    }
    this.#eventsOfSecond += output.eventsLost;
    this.#events += output.eventsLost;
    for (const { level, text } of eventsOf(output.events)) {
      this.#events++;
      if (++this.#eventsOfSecond <= eventsMax) post({ type: "event", level, text });
    }
    if (this.#eventsOfSecond > 10 * Math.max(eventsMax, 1)) {
      throw new Suspended("events", `more than ${10 * Math.max(eventsMax, 1)} events in a second`);
    }
  }

  /** Ends the interval when every ring has; whether it did. */
  #seal(): boolean {
    if (this.#rings.some(({ passed }) => passed <= this.#sealed)) return false;
    this.#sealed++;
    this.#program.seal((output) => this.#take(output), this.#sealed);
    const { blob, dict, rows, lost, labelsLost } = this.#rows.seal();
    const sealed = { frames: this.#frames, rows, rowsLost: lost, labelsLost, events: this.#events };
    post({ type: "sealed", seal: this.#sealed, ...sealed, blob, dict }, [blob.buffer, dict.buffer]);
    this.#frames = this.#events = 0;
    for (const { tap } of this.#rings) tap.setSealed(this.#sealed);
    if (this.#data.isLossless) this.#rings[0]!.held.signal();
    return true;
  }

  /** Sleeps: files until the next frames, else by time, adapted so that a wake finds thousands of frames. */
  #rest(found: number, seen: number): void {
    const now = performance.now();
    if (now - this.#publishedAt > PUBLISH_MS) {
      this.#publishedAt = now;
      this.#vitals[VITALS.cpuNs] = Number(threadCpuNs());
    }
    if (now - this.#tidiedAt > TIDY_MS) {
      this.#tidiedAt = now;
      this.#vitals[VITALS.memory] = this.#program.tidy();
    }
    if (this.#data.isLossless) {
      this.#rings[0]!.held.wait(seen, 20);
      return;
    }
    if (this.#data.givesVerdicts) this.#sleepMs = 0.05;
    else if (found > 2 * FRAMES_PER_WAKE) this.#sleepMs = Math.max(SLEEP_MS_MIN, this.#sleepMs / 2);
    else if (found < FRAMES_PER_WAKE) this.#sleepMs = Math.min(SLEEP_MS_MAX, this.#sleepMs * 1.25);
    Atomics.wait(this.#calls, CALLS.stop, 0, this.#sleepMs);
  }
}

function post(message: ExtensionMessage, transfer: ArrayBuffer[] = []): void {
  parentPort!.postMessage(message, transfer);
}

/** Why it ends, for whoever reads the log. */
function suspended(error: unknown): ExtensionMessage {
  if (error instanceof Suspended)
    return { type: "suspended", suspension: error.suspension, detail: error.message };
  const isTrap = error instanceof WebAssembly.RuntimeError || error instanceof RangeError;
  const detail = error instanceof Error ? error.message : String(error);
  return { type: "suspended", suspension: isTrap ? "trap" : "failed", detail };
}

const data = workerData as ExtensionWorkerData;
setThreadName(`sw-ext-${data.settings.name}`);
Atomics.store(new Int32Array(data.calls), CALLS.thread, threadId());
post({ type: "loaded" });
let loop: ExtensionLoop | undefined;
try {
  loop = new ExtensionLoop(data);
} catch (error) {
  if (error instanceof SparsewireError) {
    post({ type: "refused", code: error.code, what: error.message, mend: error.mend });
  } else post(suspended(error));
}
try {
  loop?.run();
  post({ type: "ended" });
} catch (error) {
  // Its cursors stop here; the sandboxes go on without it.
  for (const { memory } of data.rings) new HeldView(memory).tap(data.index).leave();
  post(suspended(error));
}
