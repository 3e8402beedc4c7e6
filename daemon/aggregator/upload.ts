/**
 * Receiving one archive: streamed into a temporary file under a running SHA-256, verified, made durable, and only then
 * acknowledged. Whatever goes wrong before that leaves nothing behind.
 */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import type { IncomingMessage } from "node:http";
import { SEQUENCE_JUMP_MAX } from "../../lib/check-interval.js";
import type { Manifest } from "../../lib/manifest.js";
import { isExhausted } from "../descriptors.js";
import { errnoOf } from "../errno.js";
import { peerOf } from "../http/peer.js";
import { type Place, Slots, SlotsError } from "../http/slots.js";
import type { AggregatorConfig } from "./config.js";
import { isFull, isStorageError } from "./durable.js";

import { checkNotInFuture } from "./future.js";
import type { IntakeWorker } from "./intake-worker.js";
import { comeBack, Refusal, slotRefusal } from "./refusal.js";
import { RunGate } from "./run-gate.js";

import type { Store, Temporary } from "./store.js";
import { bodyDigest, bodyLength, digestRefusal, pump, type UploadIdentity } from "./upload-request.js";

export type UploadResult = { stored: true; manifest: Manifest; bytes: number } | { duplicate: true };

type Limits = AggregatorConfig["limits"];

export class Uploads {
  readonly #store: Store;
  readonly #slots: Slots;
  #limits: Limits;
  /** Bytes the store may hold; asked at each upload. */
  readonly #room: () => number;
  /** Identities whose files are being made durable right now. */
  readonly #settling = new Map<string, Promise<unknown>>();
  readonly #intake: IntakeWorker;
  readonly #runs = new RunGate();

  constructor(store: Store, intake: IntakeWorker, limits: Limits, room: () => number) {
    this.#store = store;
    this.#intake = intake;
    this.#limits = limits;
    this.#slots = new Slots(slotBounds(limits));
    this.#room = room;
  }

  set limits(limits: Limits) {
    this.#limits = limits;
    this.#slots.bounds = slotBounds(limits);
  }

  get inFlight(): number {
    return this.#slots.held;
  }

  /** Takes the body of a PUT. Throws Refusal with the answer to give. */
  async receive(identity: UploadIdentity, request: IncomingMessage): Promise<UploadResult> {
    const length = bodyLength(request.headers, this.#limits.max_archive_bytes);
    const digest = bodyDigest(request.headers);
    const { identities } = this.#store.catalog;
    if (!identities.hasSensor(identity.sensor) && identities.sensors >= this.#limits.max_sensors) {
      throw new Refusal(`${identity.sensor} would be one sensor more than limits.max_sensors`, {
        status: 403,
        cause: "too_many_sensors",
        code: "TOO_MANY_SENSORS",
        mend: "raise limits.max_sensors, or remove the archives of sensors that are gone",
      });
    }
    // A repeated upload adds nothing: it is acknowledged by a full store, too.
    const isNew = !identities.has(identity.sensor, identity.run, identity.sequence);
    if (isNew) this.#checkSequence(identity);
    if (isNew && length > this.#room()) {
      this.#store.wants(length);
      throw storeFull("the store has reached store.max_bytes");
    }
    const place = await this.#enter(request, length);
    try {
      if (isNew && length > (await this.#store.freeBytes())) {
        this.#store.wants(length);
        throw storeFull("the store's file system is full");
      }
      return await this.#receive(identity, request, length, digest, place);
    } catch (error) {
      if (error instanceof Refusal || !isStorageError(error)) throw error;
      const code = errnoOf(error);
      if (isExhausted(error)) throw comeBack(`the aggregator has no descriptor left for the store (${code})`);
      if (isFull(error)) this.#store.wants(length);
      if (isFull(error)) throw storeFull(`the store's file system is full (${code})`);
      throw storeFull(`the store cannot be written (${code})`);
    } finally {
      place.leave();
    }
  }

  /** A place to receive at: those come first whose bodies have arrived, as far as they are read ahead. */
  async #enter(request: IncomingMessage, length: number): Promise<Place> {
    const gone = new AbortController();
    const onGone = (): void => gone.abort();
    request.socket.once("close", onGone);
    try {
      return await this.#slots.enter({
        peer: peerOf(request.socket.remoteAddress),
        ready: () => request.readableLength >= Math.min(length, request.readableHighWaterMark),
        gone: gone.signal,
      });
    } catch (error) {
      throw error instanceof SlotsError ? slotRefusal(error, "uploads") : error;
    } finally {
      request.socket.off("close", onGone);
    }
  }

  async #receive(
    identity: UploadIdentity,
    request: IncomingMessage,
    length: number,
    digest: string,
    place: Place,
  ): Promise<UploadResult> {
    const temporary = await this.#store.temporary();
    let kept = false;
    try {
      const actual = await pump(request, temporary.handle, length, this.#limits.upload_timeout, place);
      if (actual !== digest) throw digestRefusal("the body is not what its Content-Digest says", 1);
      const { path } = temporary;
      const linksMax = this.#limits.archive_links_max;
      const manifest = await this.#intake.check({ path, length, identity, linksMax });
      checkNotInFuture(manifest.end, this.#limits.future, this.#store.clocks.wall());
      const result = await this.#settle(temporary, manifest, length, digest);
      kept = "stored" in result;
      return result;
    } finally {
      if (!kept) await this.#store.discard(temporary);
    }
  }

  /** Before anything of the body is taken: does the identity go on from what is known of its run? */
  #checkSequence({ sensor, run, sequence }: UploadIdentity): void {
    const known = this.#store.catalog.identities.find(sensor, run)?.held.last;
    if (known === undefined) this.#runs.check(sensor);
    if (sequence - (known ?? 0) <= SEQUENCE_JUMP_MAX) return;
    throw new Refusal(`sequence ${sequence} is more than ${SEQUENCE_JUMP_MAX} beyond the last of its run`, {
      status: 400,
      cause: "mismatch",
      code: "MISMATCH",
      mend: "count the intervals of a run from 0",
      close: true,
    });
  }

  /** Makes the file durable under its name, unless the interval is there already. Same intervals take turns. */
  async #settle(
    temporary: Temporary,
    manifest: Manifest,
    bytes: number,
    digest: string,
  ): Promise<UploadResult> {
    const key = `${manifest.sensor}/${manifest.run}/${manifest.sequence}`;
    for (let other = this.#settling.get(key); other !== undefined; other = this.#settling.get(key)) {
      await other.catch(() => undefined);
    }
    const settled = (async (): Promise<UploadResult> => {
      const { identities } = this.#store.catalog;
      if (identities.has(manifest.sensor, manifest.run, manifest.sequence)) {
        await this.#compare(manifest, digest);
        return { duplicate: true };
      }
      const isNewRun = identities.find(manifest.sensor, manifest.run)?.held.last === undefined;
      await this.#store.keep(temporary, manifest, bytes);
      if (isNewRun) this.#runs.began(manifest.sensor);
      return { stored: true, manifest, bytes };
    })();
    this.#settling.set(key, settled);
    try {
      return await settled;
    } finally {
      this.#settling.delete(key);
    }
  }

  /** A replay must be the same bytes. Once the raw archive is gone (rolled up, expired) the identity has to do. */
  async #compare(manifest: Manifest, digest: string): Promise<void> {
    const path = this.#store.findRaw(manifest);
    if (path === undefined) return;
    const hash = createHash("sha256");
    try {
      for await (const chunk of createReadStream(path)) hash.update(chunk);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return;
      throw error;
    }
    if (hash.digest("base64") === digest) return;
    throw new Refusal("this interval is stored already, with other bytes", {
      status: 409,
      cause: "conflict",
      code: "CONFLICT",
      mend: "a sensor must never reuse a run and sequence: give each sensor a name of its own",
    });
  }
}

const slotBounds = ({ max_uploads, queue_timeout, upload_rate_min }: Limits): Slots["bounds"] => ({
  max: max_uploads,
  patienceMs: queue_timeout,
  rateMin: upload_rate_min,
});

const storeFull = (what: string): Refusal =>
  new Refusal(what, {
    status: 507,
    cause: "disk_full",
    code: "STORE_FULL",
    mend: "free space, or lower the retention of the store; the upload can be repeated then",
    retryAfter: 10,
  });
