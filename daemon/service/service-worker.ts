/**
 * The thread behind a service's TrafficMatrix: folds chunks of the log, seals intervals, encodes, spools and ships them.
 * Everything that takes time is here, so that the service's own thread only ever appends to an array.
 */
import { randomBytes } from "node:crypto";
import { parentPort, workerData } from "node:worker_threads";
import { loadSync } from "graphblas-wasm";
import { pino } from "pino";
import { anonymizationOf, anonymizer } from "../../lib/anonymize.js";
import { archiveName, DICT_RECORD_BYTES, decodeArchive } from "../../lib/archive.js";
import { errorLine } from "../../lib/errors.js";
import { IPV6_HASH_SCHEME } from "../../lib/ipv6-index.js";
import type { ManifestHead } from "../../lib/manifest.js";
import { mapTraffic } from "../../lib/map-traffic.js";
import { DROP_CAUSES, type DropCause, FRAME_REASONS, type FrameReason } from "../../lib/reasons.js";
import { encodeTraffic } from "../../lib/traffic.js";
import { loadHashKey } from "../capture/hash-key.js";
import { LostIntervals } from "../sensor/lost.js";
import { SOFTWARE } from "../software.js";
import { Delivery } from "./delivery.js";
import { OpenInterval, type TakenInterval } from "./open-interval.js";
import type { Chunk, FromWorker, ServiceWorkerData, ToWorker } from "./protocol.js";

const data = workerData as ServiceWorkerData;
const run = randomBytes(8).toString("hex");
const key = loadHashKey(data.ipv6HashKeyFile);
const tell = (message: FromWorker, transfer: ArrayBuffer[] = []): void =>
  parentPort!.postMessage(message, transfer);

/** What a daemon would log is what the service hears of. */
const logger = pino({ level: "warn", base: null, timestamp: false }, { write: heard });
const lost = new LostIntervals(logger);
const delivery =
  data.delivery && new Delivery(data.delivery, run, lost, logger, () => setImmediate(tellDelivery));
const anonymization = data.anonymization && {
  map: anonymizer(data.anonymization),
  says: anonymizationOf(data.anonymization),
};
let grb = loadSync({ maximumBytes: data.memoryBytesMax });
let interval = new OpenInterval(grb, key);
let sequence = 0;
let openedNs = data.openedNs;

function heard(line: string): void {
  const { msg, lost: intervals, spool } = JSON.parse(line) as Record<string, unknown>;
  const code =
    intervals !== undefined ? "INTERVAL_LOST" : spool !== undefined ? "SPOOL_WRITE" : "CANNOT_SHIP";
  tell({ type: "fault", code, message: String(msg) });
}

function tellDelivery(): void {
  if (delivery !== undefined) tell({ type: "delivery", delivery: delivery.figures() });
}

function fold(chunk: Chunk, atMs: number): void {
  const { buffer, count } = chunk;
  try {
    interval.add(chunk);
    if (interval.isFull(data.linksMax)) seal(BigInt(atMs) * 1_000_000n, "budget", 0, 0);
  } catch (error) {
    failed(error, count);
  } finally {
    data.recycle.postMessage(buffer, [buffer]);
  }
}

function seal(endNs: bigint, cause: "clock" | "budget" | "stop", malformed: number, shed: number): void {
  const started = performance.now();
  let taken: TakenInterval | undefined;
  try {
    taken = interval.take();
    anonymize(taken);
    const head = headOf(taken, endNs, cause, malformed, shed);
    const { archive } = encodeTraffic(grb, taken.traffic, head);
    taken.traffic.dispose();
    handOver(head, archive, performance.now() - started);
  } catch (error) {
    failed(error, taken === undefined ? 0 : taken.packets4 + taken.packets6);
  }
  sequence++;
  if (endNs > openedNs) openedNs = endNs;
}

/** Replaces the addresses of an interval, before anything of it is encoded, written or told. */
function anonymize(taken: TakenInterval): void {
  if (anonymization === undefined) return;
  const clear = taken.traffic;
  const mapped = mapTraffic(grb, clear, anonymization.map, { hashKey: key.words });
  clear.dispose();
  taken.traffic = mapped;
  taken.collisions += mapped.collisions;
  taken.addresses = (mapped.v6?.dict.length ?? 0) / DICT_RECORD_BYTES;
}

function headOf(
  taken: TakenInterval,
  endNs: bigint,
  cause: ManifestHead["sealed_by"],
  malformed: number,
  shed: number,
): ManifestHead {
  const { packets4, packets6, bytes, traffic, addresses, collisions } = taken;
  const zeros = <T extends string>(names: readonly T[]) =>
    Object.fromEntries(names.map((name) => [name, 0])) as Record<T, number>;
  return {
    software: SOFTWARE,
    sensor: data.sensor,
    run,
    sequence,
    interface: data.service,
    mode: "service",
    effective: null,
    start: openedNs,
    // The wall clock may have been set back: an interval never ends before it began.
    end: endNs > openedNs ? endNs : openedNs,
    sealed_by: cause,
    frames: packets4 + packets6 + malformed,
    packets: packets4 + packets6,
    bytes,
    reasons: {
      ...zeros<FrameReason>(FRAME_REASONS),
      ipv4: packets4,
      ipv6: packets6,
      malformed_ip: malformed,
    },
    drops: { ...zeros<DropCause>(DROP_CAUSES), shed },
    late: 0,
    sampling: 1,
    anonymization: anonymization?.says ?? { scheme: "none", key_id: null },
    byte_order: "big",
    ipv6: traffic.v6 ? { hash: IPV6_HASH_SCHEME, key_id: key.id, addresses, collisions } : null,
    intervals: 1,
    lost: { ...lost.byCause },
    ...(delivery === undefined ? {} : { previous: delivery.previous }),
  };
}

function handOver(head: ManifestHead, archive: Uint8Array<ArrayBuffer>, milliseconds: number): void {
  delivery?.put({ name: archiveName(head), sequence: head.sequence, archive });
  // The outbox keeps its own until it is on disk: a copy goes to the service's thread.
  const copy = data.isHandedBack ? (delivery === undefined ? archive : archive.slice()) : undefined;
  const handed = copy && { archive: copy, manifest: decodeArchive(copy, { verify: false }).manifest };
  const message: FromWorker = { type: "interval", observations: head.packets, handed, milliseconds };
  tell(message, copy === undefined ? [] : [copy.buffer]);
  tellDelivery();
}

/** A trap poisons the instance: start over with a fresh one; the interval is lost, and the next one's manifest says so. */
function failed(error: unknown, observations: number): void {
  const all = observations + interval.packets;
  grb.dispose();
  grb = loadSync({ maximumBytes: data.memoryBytesMax });
  interval = new OpenInterval(grb, key);
  lost.count("matrix_worker", errorLine(error));
  tell({ type: "failed", observations: all });
}

parentPort!.on("message", (message: ToWorker) => {
  if (message.type === "chunk") fold(message.chunk, message.atMs);
  else if (message.type === "seal") seal(message.endNs, message.cause, message.malformed, message.shed);
  else void close(message.timeoutMs);
});

async function close(timeoutMs: number): Promise<void> {
  await delivery?.close(timeoutMs);
  tellDelivery();
  tell({ type: "closed" });
  parentPort!.close();
}
