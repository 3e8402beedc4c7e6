/**
 * TrafficMatrix: who talks to whom in a service, as the traffic matrices of a sensor. On the service's thread: appends to
 * a log, one timer, and a few small messages an interval. All else happens in a worker.
 */
import { mkdirSync } from "node:fs";
import { MessageChannel, type MessagePort, Worker } from "node:worker_threads";
import { EXIT, errorLine, SparsewireError } from "../../lib/errors.js";
import type { Manifest } from "../../lib/manifest.js";
import { loadHashKey } from "../capture/hash-key.js";
import { lockFolder, weakLock } from "../lock.js";
import { IntervalClock, wallClockNs } from "../sensor/interval-clock.js";
import { Spool } from "../sensor/spool.js";
import { requireAnonymizedSpool } from "../sensor/spool-check.js";
import { openTransport } from "../sensor/targets.js";
import { type Address, AddressCache, type ResolvedAddress, wordsOf } from "./addresses.js";
import { transportOptions } from "./delivery.js";
import { ObservationLog } from "./observation-log.js";
import { type Settings, settingsOf, type TrafficMatrixOptions } from "./options.js";
import type { Chunk, DeliveryFigures, FromWorker, ServiceWorkerData, ToWorker } from "./protocol.js";

/** Pause before a worker that died is replaced. */
const RESTART_MS = 1000;
/** Errors of one code are reported at most once in this time; they are all counted. */
const REPORT_EVERY_MS = 60_000;
/** What a close waits for beyond its own time-out, for the worker's last words. */
const CLOSE_GRACE_MS = 1000;

/** Where every observation went, and how the intervals fare. offered = accepted + malformed + shed + late. */
export interface TrafficMatrixFigures {
  /** Observations that are, or will be, in an interval. */
  accepted: number;
  /** Observations without a proper address or number of bytes; the manifest counts them as malformed_ip. */
  malformed: number;
  /** Observations that met a worker more than 64 chunks behind; the manifest counts them as drops.shed. */
  shed: number;
  /** Observations after close(). */
  late: number;
  /** Intervals sealed, the observations in them, and the time that sealing the last one took in the worker, ms. */
  sealed: { intervals: number; observations: number; milliseconds: number };
  /** The longest that handing over a chunk or an interval has held up the service's own thread, ms of wall clock. */
  blockedMsMax: number;
  /** Accepted observations lost with a worker that failed. */
  lostObservations: number;
  /** Errors by code. */
  errors: Record<string, number>;
  /** Shipping; null without an aggregator, or before the first interval. */
  delivery: DeliveryFigures | null;
}

export class TrafficMatrix implements AsyncDisposable {
  readonly #options: TrafficMatrixOptions;
  readonly #settings: Settings;
  readonly #addresses = new AddressCache();
  readonly #log: ObservationLog;
  readonly #clock: IntervalClock;
  readonly #unlock: () => void;
  #worker: Worker | undefined;
  #restart: NodeJS.Timeout | undefined;
  #reported = { malformed: 0, shed: 0 };
  /** Observations that the present worker has and has not yet told of. */
  #outstanding = 0;
  readonly #sealed = { intervals: 0, observations: 0, milliseconds: 0 };
  #blockedMsMax = 0;
  #lostObservations = 0;
  #delivery: DeliveryFigures | null = null;
  readonly #errors: Record<string, number> = {};
  readonly #reportedAt = new Map<string, number>();
  readonly #beforeSeal = new Set<() => void>();
  #closing: Promise<void> | undefined;
  #closed: (() => void) | undefined;

  /**
   * Starts sensing. Throws what is wrong with the options, and nothing later does: BAD_OPTIONS, BAD_HASH_KEY, TOKEN_FILE,
   * SPOOL_UNUSABLE, SPOOL_LOCKED,
   * SPOOL_CLEAR, KEY_UNREADABLE, KEY_PERMISSIONS, BAD_ANONYMIZATION_KEY.
   */
  constructor(options: TrafficMatrixOptions) {
    this.#options = options;
    this.#settings = settingsOf(options);
    loadHashKey(this.#settings.ipv6HashKeyFile);
    this.#unlock = prepareSpool(this.#settings);
    this.#log = new ObservationLog(this.#startWorker(wallClockNs()), (chunk) => this.#handOver(chunk));
    const intervalNs = BigInt(this.#settings.intervalMs) * 1_000_000n;
    this.#clock = new IntervalClock(intervalNs, (boundary) => this.#seal(boundary, "clock"), { unref: true });
    this.#clock.start();
  }

  /**
   * One observation: `source` sent `bytes` (default 0) to `destination`. Addresses as text, number (IPv4) or bytes; a pair
   * of an IPv4 and an IPv6 address is counted as IPv6. Never throws: what is no address is counted as malformed.
   */
  observe(source: Address, destination: Address, bytes = 0): void {
    if (typeof source === "number" && typeof destination === "number") {
      this.#log.append4(source, destination, bytes);
    } else {
      this.record(this.#addresses.of(source), this.#addresses.of(destination), bytes);
    }
  }

  /** The same for IPv4 addresses as numbers below 2^32 (192.0.2.1 is 0xC0000201), a little faster. */
  observe4(source: number, destination: number, bytes: number): void {
    this.#log.append4(source, destination, bytes);
  }

  /** An observation of addresses that were resolved before; undefined is malformed. @internal */
  record(source: ResolvedAddress | undefined, destination: ResolvedAddress | undefined, bytes: number): void {
    if (typeof source === "number" && typeof destination === "number") {
      this.#log.append4(source, destination, bytes);
    } else if (source === undefined || destination === undefined) {
      this.#log.malformed++;
    } else {
      this.#log.append6(wordsOf(source), wordsOf(destination), bytes);
    }
  }

  /**
   * Has a function called right before each interval ends; returns what calls it a last time and then no more. It must be
   * quick and not throw. @internal
   */
  beforeSeal(settle: () => void): () => void {
    this.#beforeSeal.add(settle);
    return () => {
      settle();
      this.#beforeSeal.delete(settle);
    };
  }

  figures(): TrafficMatrixFigures {
    const { accepted, malformed, shed, late } = this.#log;
    return {
      accepted,
      malformed,
      shed,
      late,
      sealed: { ...this.#sealed },
      blockedMsMax: this.#blockedMsMax,
      lostObservations: this.#lostObservations,
      errors: { ...this.#errors },
      delivery: this.#delivery,
    };
  }

  /**
   * Seals the last interval, ships what it can within `timeoutMs` (default 5000), and ends the worker. What is not shipped
   * by then stays in the spool for the next run. Never rejects; a second call waits for the first.
   */
  close({ timeoutMs = 5000 }: { timeoutMs?: number } = {}): Promise<void> {
    this.#closing ??= this.#close(timeoutMs);
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Counts an error and reports it; never throws. @internal */
  fault(code: string, cause: unknown): void {
    this.#errors[code] = (this.#errors[code] ?? 0) + 1;
    const now = performance.now();
    if (now - (this.#reportedAt.get(code) ?? Number.NEGATIVE_INFINITY) < REPORT_EVERY_MS) return;
    this.#reportedAt.set(code, now);
    const error =
      cause instanceof SparsewireError ? cause : new SparsewireError(code, errorLine(cause), { cause });
    try {
      if (this.#options.onError !== undefined) this.#options.onError(error);
      else process.emitWarning(errorLine(error), { type: "SparsewireWarning", code });
    } catch {
      // The service's own handler failed: the error is counted, and nobody is left to hear of it.
    }
  }

  #handOver(chunk: Chunk): void {
    const start = performance.now();
    const isPosted = this.#post({ type: "chunk", chunk, atMs: Date.now() }, [chunk.buffer]);
    if (isPosted) this.#outstanding += chunk.count;
    else this.#lostObservations += chunk.count;
    this.#blocked(start);
  }

  #seal(endNs: bigint, cause: "clock" | "stop"): void {
    const start = performance.now();
    for (const settle of this.#beforeSeal) settle();
    this.#log.flush();
    if (cause === "stop") this.#log.close();
    const { malformed, shed } = this.#log;
    const before = this.#reported;
    const isPosted = this.#post({
      type: "seal",
      endNs,
      cause,
      malformed: malformed - before.malformed,
      shed: shed - before.shed,
    });
    // Without a worker, the first interval of the next one tells of them.
    if (isPosted) this.#reported = { malformed, shed };
    this.#blocked(start);
    if (shed > before.shed)
      this.fault(
        "OBSERVATIONS_SHED",
        `${shed - before.shed} observations shed: the worker is too far behind`,
      );
  }

  #blocked(start: number): void {
    this.#blockedMsMax = Math.max(this.#blockedMsMax, performance.now() - start);
  }

  #post(message: ToWorker, transfer: ArrayBuffer[] = []): boolean {
    this.#worker?.postMessage(message, transfer);
    return this.#worker !== undefined;
  }

  /** Starts a worker; returns the port at which folded chunks come back. */
  #startWorker(openedNs: bigint): MessagePort {
    const { port1, port2 } = new MessageChannel();
    const { intervalMs: _intervalMs, ...settings } = this.#settings;
    const data: ServiceWorkerData = {
      ...settings,
      openedNs,
      isHandedBack: this.#options.onInterval !== undefined,
      recycle: port2,
    };
    const worker = new Worker(new URL("./service-worker.js", import.meta.url), {
      workerData: data,
      transferList: [port2],
      name: "sparsewire",
      // The service's own flags (loaders, --input-type, an inspector) are not meant for this thread.
      execArgv: [],
    });
    worker.on("message", (message: FromWorker) => this.#heard(message));
    worker.on("error", (error) => this.#died(worker, error));
    worker.on("exit", () => this.#died(worker, "it ended"));
    // Sensing never keeps a service alive; close() does, while it lasts.
    worker.unref();
    port1.unref();
    this.#worker = worker;
    return port1;
  }

  #heard(message: FromWorker): void {
    switch (message.type) {
      case "interval":
        this.#outstanding -= message.observations;
        this.#sealed.intervals++;
        this.#sealed.observations += message.observations;
        this.#sealed.milliseconds = message.milliseconds;
        if (message.handed !== undefined) this.#handBack(message.handed);
        break;
      case "delivery":
        this.#delivery = message.delivery;
        break;
      case "failed":
        this.#outstanding -= message.observations;
        this.#lostObservations += message.observations;
        break;
      case "fault":
        this.fault(message.code, message.message);
        break;
      case "closed":
        // From here on its end is no death.
        this.#worker = undefined;
        this.#closed?.();
    }
  }

  #handBack({ archive, manifest }: { archive: Uint8Array<ArrayBuffer>; manifest: Manifest }): void {
    try {
      this.#options.onInterval?.(archive, manifest);
    } catch (error) {
      this.fault("CALLBACK_FAILED", error);
    }
  }

  /** The worker is gone: what it had is lost, by count; another one takes over, unless this is the end. */
  #died(worker: Worker, cause: unknown): void {
    if (this.#worker !== worker) return;
    this.#worker = undefined;
    this.#lostObservations += this.#outstanding;
    this.#outstanding = 0;
    this.fault("WORKER_DIED", cause);
    if (this.#closing !== undefined) {
      this.#closed?.();
      return;
    }
    this.#restart = setTimeout(() => this.#log.reconnect(this.#startWorker(wallClockNs())), RESTART_MS);
    this.#restart.unref();
  }

  async #close(timeoutMs: number): Promise<void> {
    // A server's last connection may tell of its end just after the server told of its own.
    await new Promise((resolve) => setImmediate(resolve));
    this.#clock.stop();
    clearTimeout(this.#restart);
    const worker = this.#worker;
    if (worker !== undefined) {
      this.#seal(wallClockNs(), "stop");
      worker.ref();
      const isInTime = await this.#farewell(timeoutMs);
      this.#worker = undefined;
      if (!isInTime) this.fault("CLOSE_TIMEOUT", `the worker did not end within ${timeoutMs} ms`);
      await worker.terminate();
      this.#lostObservations += this.#outstanding;
      this.#outstanding = 0;
    } else {
      this.#log.close();
    }
    this.#unlock();
  }

  /** Asks the worker to end; whether it did in time. */
  #farewell(timeoutMs: number): Promise<boolean> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve(false), timeoutMs + CLOSE_GRACE_MS);
      this.#closed = () => {
        clearTimeout(timer);
        resolve(true);
      };
      this.#post({ type: "close", timeoutMs });
    });
  }
}

/** Makes the spool's folder and locks it; reads token and CA once, so that a mistake shows here. Returns the unlocking. */
function prepareSpool({ delivery, anonymization }: Settings): () => void {
  if (delivery === undefined) return () => undefined;
  openTransport(transportOptions(delivery))?.close();
  const { spoolPath } = delivery;
  try {
    mkdirSync(spoolPath, { recursive: true, mode: 0o750 });
    const unlock = lockFolder(
      spoolPath,
      (holder) =>
        new SparsewireError("SPOOL_LOCKED", `the spool ${spoolPath} is in use by ${holder}`, {
          mend: "give each TrafficMatrix and each process a spool.path of its own",
        }),
      { weak: (why) => process.emitWarning(weakLock(spoolPath, why), { code: "WEAK_LOCK" }) },
    );
    try {
      if (anonymization !== undefined) requireAnonymizedSpool(new Spool(spoolPath, delivery.spoolBytesMax));
      return unlock;
    } catch (error) {
      unlock();
      throw error;
    }
  } catch (cause) {
    const { code } = cause as { code?: string };
    if (code === "SPOOL_CLEAR" || code === "SPOOL_LOCKED") throw cause;
    throw new SparsewireError("SPOOL_UNUSABLE", `the spool ${spoolPath} cannot be used (${code})`, {
      exit: EXIT.failure,
      mend: "give this user a writable folder: spool.path",
      cause,
    });
  }
}
