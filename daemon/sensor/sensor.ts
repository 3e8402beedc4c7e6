/**
 * A running sensor: a source that seals intervals, a matrix worker that turns them into archives, an outbox and spool
 * that keep them, a shipper that delivers them. All on the main thread, none of it per packet.
 */
import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { Logger } from "pino";
import { type Anonymization, anonymizationOf } from "../../lib/anonymize.js";
import { archiveName } from "../../lib/archive.js";
import { errorLine, SparsewireError } from "../../lib/errors.js";
import { type Forward, forwardShare, forwardSum } from "../../lib/forward.js";
import type { ManifestHead } from "../../lib/manifest.js";
import { DROP_CAUSES, type DropCause } from "../../lib/reasons.js";
import { unseenOf } from "../../lib/sampling.js";
import { loadAnonymization, workerAnonymization } from "../capture/anonymizer-key.js";
import { loadHashKey } from "../capture/hash-key.js";
import { type JobOutcome, MatrixPool } from "../capture/matrix-pool.js";
import type { MatrixJob } from "../capture/matrix-worker.js";
import { SensorDependability } from "../dependability/sensor-dependability.js";
import { SOFTWARE } from "../software.js";
import type { SensorConfig } from "./config.js";
import { IntervalClock, wallClockNs } from "./interval-clock.js";
import { LostIntervals } from "./lost.js";
import { Outbox } from "./outbox.js";
import { Oversize } from "./oversize.js";
import { RunState } from "./run-state.js";
import { Shipper } from "./shipper.js";
import type { FrameSource, SealedInterval } from "./source.js";
import { Spool } from "./spool.js";
import { requireAnonymizedSpool } from "./spool-check.js";
import { lockSpool } from "./spool-lock.js";
import type { IntervalStatus } from "./status.js";
import { openTransport } from "./targets.js";

/** How long a stop waits for the disk, and for the aggregator; what is left then stays in the spool. */
const STOP_SPOOL_MS = 3000;
const STOP_SHIP_MS = 5000;
/** How long a stop after a failure waits for the matrix worker: it may be what has failed. */
const STOP_MATRIX_MS = 3000;
/** Capture is asked to take less when more sealed intervals than this wait for the matrix worker, and one for so long. */
const LATE_INTERVALS = 1;
const LATE_MS = 600;

export interface LatestInterval {
  name: string;
  archive: Uint8Array;
  status: IntervalStatus;
}

/** What metrics want to see as it happens. */
export interface SensorObserver {
  sealed(seconds: number): void;
  encoded(seconds: number): void;
  shipped(seconds: number): void;
}

export class Sensor {
  readonly config: SensorConfig;
  readonly source: FrameSource;
  readonly run = randomBytes(8).toString("hex");
  readonly lost: LostIntervals;
  readonly startedAt = Date.now();
  observer: SensorObserver | undefined;
  latest: LatestInterval | undefined;
  sealed = 0;
  spool: Spool | undefined;
  shipper: Shipper | undefined;
  outbox: Outbox | undefined;
  pool: MatrixPool | undefined;
  /** Undefined for files: what is read once is no service. */
  dependability: SensorDependability | undefined;
  /** What the manifests say of it. */
  anonymization: Anonymization = { scheme: "none", key_id: null };
  /** Resolves when the source has ended and everything is delivered or spooled; the damage of a file, if any. */
  readonly finished: Promise<string | undefined>;
  readonly #logger: Logger;
  #state: RunState | undefined;
  #unlockSpool: () => void = () => undefined;
  #clock: IntervalClock | undefined;
  #openedNs = 0n;
  /** Where the clock ended intervals: sequence -> boundary. */
  readonly #boundaries = new Map<number, bigint>();
  #dropsBefore = noDrops();
  #submitting: Promise<void> = Promise.resolve();
  #closing: Promise<void> | undefined;
  #hasFailed = false;
  readonly #oversize: Oversize;
  /** What the intervals so far have said was forwarded, in all. */
  #forwardTold: Forward[] = [];
  #finish!: (damage: string | undefined) => void;
  #reject!: (error: Error) => void;

  constructor(config: SensorConfig, source: FrameSource, logger: Logger) {
    this.config = config;
    this.source = source;
    this.#logger = logger;
    this.lost = new LostIntervals(logger);
    this.#oversize = new Oversize(config.aggregator.archive_bytes_max, logger);
    this.finished = new Promise((resolve, reject) => {
      this.#finish = resolve;
      this.#reject = reject;
    });
    this.finished.catch(() => undefined);
  }

  /** Whether a first interval has been sealed and encoded: what /-/ready answers. */
  get isReady(): boolean {
    return this.latest !== undefined;
  }

  /**
   * Opens everything. `capturing` is called when frames are taken, and before the clock that ends intervals starts: the
   * place for what would hold either up.
   */
  async start(capturing: () => Promise<void> = async () => {}): Promise<void> {
    const hashKey = loadHashKey(this.config.ipv6.hash_key_file);
    const options = loadAnonymization(this.config.anonymize);
    this.anonymization = anonymizationOf(options);
    this.#openDelivery();
    try {
      let ended: { damage?: string } | undefined;
      const early: SealedInterval[] = [];
      await this.source.start({
        sealed: (interval) => (this.pool === undefined ? early.push(interval) : this.#seal(interval)),
        ended: (damage) => {
          ended = damage === undefined ? {} : { damage };
          if (this.pool !== undefined) void this.#close(damage);
        },
        warned: (error) => this.#logger.warn(errorLine(error)),
        failed: (error) => this.#fail(error),
      });
      this.#openedNs = wallClockNs();
      this.#beginRun();
      this.#measure();
      this.pool = new MatrixPool(
        {
          memories: [...this.source.memories],
          memoryBytesMax: this.config.memory.matrix_bytes,
          archiveBytesMax: this.config.aggregator.archive_bytes_max,
          hashKeyId: hashKey.id,
          ...workerAnonymization(options, hashKey.words),
        },
        1,
        (outcome) => this.#encoded(outcome),
        (error) => this.#fail(error),
      );
      const { pool } = this;
      if (this.source.shedding !== undefined)
        this.source.shedding.isLate = () => pool.pending > LATE_INTERVALS && pool.oldestMs > LATE_MS;
      for (const interval of early) this.#seal(interval);
      if (ended !== undefined) void this.#close(ended.damage);
      await capturing();
    } catch (error) {
      await this.shipper?.stop(0);
      await this.source.stop().catch(() => undefined);
      this.#unlockSpool();
      throw error;
    }
    this.shipper?.start();
    if (this.config.mode !== "pcap" && this.config.window_packets === 0) this.#startClock();
  }

  /**
   * Seals the last interval, spools it, ships what it can in a few seconds, and closes everything; after a failure, too:
   * what was counted until then is not to be lost with what failed.
   */
  async stop(): Promise<void> {
    this.#clock?.stop();
    await this.source.stop().catch((error) => this.#fail(error));
    // A source that has failed may never say that it has ended.
    if (this.#hasFailed && this.pool !== undefined) await this.#close(undefined);
    await this.finished.catch(() => undefined);
  }

  /** Takes over a new configuration's reloadable keys; the caller has checked them. */
  reload(config: SensorConfig): void {
    Object.assign(this.config, { log: config.log, spool: config.spool, aggregator: config.aggregator });
    if (this.spool !== undefined) this.spool.bytesMax = config.spool.max_bytes;
    const transport = openTransport(config.aggregator);
    if (transport === undefined) return;
    if (this.shipper !== undefined) this.shipper.retarget(transport, config.aggregator.retry_max);
    else {
      transport.close();
      this.#openDelivery();
      this.#beginRun();
      (this.shipper as Shipper | undefined)?.start();
    }
  }

  #openDelivery(): void {
    const transport = openTransport(this.config.aggregator);
    if (transport === undefined) return;
    this.#unlockSpool = lockSpool(this.config.spool.path, this.#logger);
    try {
      this.spool = new Spool(this.config.spool.path, this.config.spool.max_bytes, (line) =>
        this.#logger.warn(line),
      );
      if (this.anonymization.scheme !== "none") requireAnonymizedSpool(this.spool);
    } catch (error) {
      this.#unlockSpool();
      throw error;
    }
    this.shipper = new Shipper(this.spool, transport, {
      lost: this.lost,
      logger: this.#logger,
      retryMsMax: this.config.aggregator.retry_max,
      hooks: {
        shipped: (seconds) => this.observer?.shipped(seconds),
        delivered: (identity) => this.dependability?.delivered(identity),
      },
    });
    this.outbox = new Outbox(this.spool, this.lost, this.#logger, ({ sequence }) => {
      this.#state?.spooled(sequence);
      this.shipper!.nudge();
    });
  }

  /** Only once frames are captured: an attempt that fails before is no run. */
  #beginRun(): void {
    if (this.spool === undefined) return;
    this.#state = new RunState(this.config.spool.path, this.run, (line) => this.#logger.warn(line));
    for (const { run, ended } of this.#state.previous) {
      if (ended === "crash")
        this.lost.count("crash", `run ${run} did not stop by itself; what it had open is gone`);
    }
  }

  #measure(): void {
    if (this.config.mode === "pcap") return;
    this.dependability = new SensorDependability({
      intervalMs: this.config.window_packets > 0 ? 0 : Number(this.config.interval / 1_000_000n),
      graceMs: this.config.dependability.lateness,
      folder: this.spool?.path,
      waiting: this.spool?.names() ?? [],
      logger: this.#logger,
    });
  }

  #startClock(): void {
    this.#clock = new IntervalClock(this.config.interval, (boundary) => {
      const sequence = this.source.sequence;
      this.#boundaries.set(sequence + 1, boundary);
      if (!this.source.ask(sequence, "clock")) this.#boundaries.delete(sequence + 1);
    });
    this.#clock.start();
  }

  /** An interval is closed in every sandbox: hand it to the matrix worker with what only this thread knows. */
  #seal(interval: SealedInterval): void {
    this.sealed++;
    this.observer?.sealed(interval.sealMs / 1000);
    const drops = this.source.drops();
    const share = Object.fromEntries(
      DROP_CAUSES.map((cause) => [cause, drops[cause] - this.#dropsBefore[cause]]),
    ) as Record<DropCause, number>;
    this.#dropsBefore = drops;
    const sample = this.#sample(interval, share);
    const window = interval.window ?? this.#window(interval.sequence);
    const head = {
      software: SOFTWARE,
      sensor: this.config.sensor,
      run: this.run,
      sequence: interval.sequence - 1,
      interface: this.source.name,
      mode: this.config.mode,
      effective: this.source.effective,
      drops: share,
      ...this.#forwardShare(),
      ...sample,
      lost: { ...this.lost.byCause },
      ...(this.#state === undefined ? {} : { previous: this.#state.previous }),
    };
    this.dependability?.sealed(head);
    this.#submit({ slots: interval.slots, window, head }, interval.sequence);
  }

  /** With extensions an interval waits, for a bounded time, for what they made of it; intervals stay in order. */
  #submit(job: Omit<MatrixJob, "job">, seal: number): void {
    const { extensions } = this.source;
    if (extensions === undefined) {
      this.pool!.submit(job);
      return;
    }
    this.#submitting = this.#submitting.then(async () => {
      this.pool!.submit({ ...job, extensions: await extensions.collect(seal) });
    });
    this.#submitting.catch((error) => this.#fail(error));
  }

  /** The interval's sampling rate, and what was shed at it; `share` then says the same. */
  #sample(
    interval: SealedInterval,
    share: Record<DropCause, number>,
  ): Pick<ManifestHead, "sampling" | "shed"> {
    const { sampling, shed } = this.source.shedding?.sealed(interval.cause) ?? { sampling: 1 };
    share.shed = shed?.packets ?? 0;
    if (shed === undefined) return { sampling };
    return { sampling, shed: { ...shed, unseen: unseenOf(share, sampling) } };
  }

  /** Mode inline: what was forwarded since the last seal. */
  #forwardShare(): { forward?: Forward[] } {
    const now = this.source.forward?.();
    if (now === undefined) return {};
    const forward = forwardShare(now, this.#forwardTold);
    this.#forwardTold = forwardSum(this.#forwardTold, forward);
    return { forward };
  }

  #window(sequence: number): { start: bigint; end: bigint } {
    const start = this.#openedNs;
    const boundary = this.#boundaries.get(sequence);
    this.#boundaries.delete(sequence);
    // The wall clock may have been set back: an interval never ends before it began.
    const end = boundary ?? wallClockNs();
    this.#openedNs = end > start ? end : start;
    return { start, end: this.#openedNs };
  }

  #encoded(outcome: JobOutcome): void {
    if (outcome.type === "failed") {
      this.lost.count("matrix_worker", String((outcome.error as Error)?.message ?? outcome.error));
      return;
    }
    this.observer?.encoded(outcome.milliseconds / 1000);
    const { head, archive, summary } = outcome;
    const name = archiveName(head);
    this.source.extensions?.encoded(head.extensions);
    this.#oversize.look(name, archive.length);
    this.latest = {
      name,
      archive,
      status: {
        sequence: head.sequence,
        start_ms: Number(head.start / 1_000_000n),
        end_ms: Number(head.end / 1_000_000n),
        sealed_by: head.sealed_by,
        frames: head.frames,
        packets: head.packets,
        bytes: head.bytes,
        drops: head.drops,
        sampling: head.sampling,
        accuracy: summary.accuracy,
        quantities: summary.quantities,
      },
    };
    this.dependability?.counted(head);
    if (this.outbox === undefined) this.dependability?.delivered(head);
    this.outbox?.put({ name, sequence: head.sequence, archive });
  }

  #fail(error: Error): void {
    this.#hasFailed = true;
    this.#reject(error);
  }

  #close(damage: string | undefined): Promise<void> {
    this.#closing ??= this.#end(damage);
    return this.#closing;
  }

  async #end(damage: string | undefined): Promise<void> {
    const { pool } = this;
    try {
      await this.#submitting;
      await this.source.extensions?.stop();
      if (this.#hasFailed) await Promise.race([pool!.drained(), sleep(STOP_MATRIX_MS)]);
      else await pool!.drained();
      const { pending } = pool!;
      if (pending > 0)
        this.lost.count("matrix_worker", "the sensor failed before its matrices were made", pending);
      await this.outbox?.close(STOP_SPOOL_MS);
      await this.shipper?.stop(this.config.mode === "pcap" ? 24 * 3_600_000 : STOP_SHIP_MS);
      await pool!.close();
      await this.dependability?.stop();
      // What is lost here is told by nobody but the next run, as that of a crash.
      if (pending === 0) this.#state?.end();
      this.#unlockSpool();
      this.#finish(damage);
    } catch (error) {
      this.#fail(error instanceof Error ? error : new SparsewireError("STOP_FAILED", String(error)));
    }
  }
}

const noDrops = (): Record<DropCause, number> =>
  Object.fromEntries(DROP_CAUSES.map((cause) => [cause, 0])) as Record<DropCause, number>;
