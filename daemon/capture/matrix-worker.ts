/**
 * The matrix worker: takes sealed slots of one or several sandboxes, sums them, computes the network quantities and
 * encodes the interval's archive. One graphblas instance, bounded memory; slots are freed as soon as they are copied.
 */
import { randomInt } from "node:crypto";
import { parentPort, threadId, workerData } from "node:worker_threads";
import { type GraphBLAS, loadSync } from "graphblas-wasm";
import { setThreadName, threadCpuNs } from "xdp-node";
import { COUNTERS, type CounterName, SEAL_CAUSES } from "../../lib/abi.js";
import { trafficAccuracy } from "../../lib/accuracy.js";
import { AddressMemory } from "../../lib/address-memory.js";
import { type AnonymizationOptions, anonymizationOf, anonymizer } from "../../lib/anonymize.js";
import { challengeBlob, windowLinks } from "../../lib/challenge.js";
import {
  disposeExtensions,
  extensionBlobs,
  extensionMembers,
  mapExtensions,
  openExtension,
} from "../../lib/extension-matrix.js";
import { IPV6_HASH_SCHEME } from "../../lib/ipv6-index.js";
import type { ManifestHead } from "../../lib/manifest.js";
import { mapTraffic } from "../../lib/map-traffic.js";
import { FRAME_REASONS, type FrameReason } from "../../lib/reasons.js";
import { mapShed } from "../../lib/sampling.js";
import { type ExtensionPart, shedRecord, withoutLargest } from "../../lib/shed-extensions.js";
import {
  addTraffic,
  DIMENSION4,
  DIMENSION6,
  encodeTraffic,
  estimateTraffic,
  makeTraffic,
  planesOf,
  type Quantities,
  type Traffic,
} from "../../lib/traffic.js";
import type { ExtensionParts } from "../extension/extension-host.js";
import { ControlView } from "./control-view.js";

export interface MatrixWorkerData {
  memories: WebAssembly.Memory[];
  memoryBytesMax: number;
  /** What extensions made of an interval is left out of an archive that would be larger. Absent: nothing is. */
  archiveBytesMax?: number;
  hashKeyId: string;
  /** How addresses are anonymised before anything leaves this thread, and the key of their new IPv6 indices. */
  anonymization?: { options: AnonymizationOptions; hashKey: readonly [bigint, bigint] };
  /** What the bytes of an archive are: an interval archive (the default), or one blob as the Graph Challenge has it. */
  encoding?: ArchiveEncoding;
}

export type ArchiveEncoding = "sparsewire" | "challenge";

/** One sealed interval: a slot of each sandbox, and what only the asker knows of it. */
export interface MatrixJob {
  job: number;
  slots: { memory: number; slot: number }[];
  head: Pick<
    ManifestHead,
    "software" | "sensor" | "run" | "sequence" | "interface" | "mode" | "effective" | "drops" | "sampling"
  > &
    Pick<Partial<ManifestHead>, "lost" | "previous" | "shed">;
  /** What extensions made of it. */
  extensions?: ExtensionParts;
  /** Absent: the slot's own window (files). */
  window?: { start: bigint; end: bigint };
}

/** What an interval held, for status and metrics. */
export interface IntervalSummary {
  sequence: number;
  start: bigint;
  end: bigint;
  sealedBy: string;
  frames: number;
  packets: number;
  bytes: number;
  /** See IntervalStatus. */
  accuracy: number;
  quantities: Partial<Record<string, Quantities>>;
}

export type MatrixResult =
  | { type: "ready" }
  | {
      type: "archive";
      job: number;
      head: ManifestHead;
      archive: Uint8Array<ArrayBuffer>;
      summary: IntervalSummary;
      milliseconds: number;
      cpuNs: number;
      memoryBytes: number;
    }
  | { type: "failed"; job: number; error: unknown };

const data = workerData as MatrixWorkerData;
const views = data.memories.map((memory) => new ControlView(memory));
let grb: GraphBLAS = loadSync({ maximumBytes: data.memoryBytesMax });
const anonymization = data.anonymization && {
  map: anonymizer(data.anonymization.options),
  says: anonymizationOf(data.anonymization.options),
  hashKey: data.anonymization.hashKey,
};

/** Where windows become blobs: what its addresses are replaced by. */
const remembered =
  data.encoding === "challenge" && anonymization !== undefined
    ? new AddressMemory(anonymization.map, randomInt(2 ** 31))
    : undefined;

interface Gathered {
  traffic: Traffic;
  /** The window of a Graph Challenge tar; there is no traffic then. */
  blob?: Uint8Array<ArrayBuffer>;
  counters: Record<CounterName, number>;
  window: { start: bigint; end: bigint };
  cause: number;
  addresses: number;
}

/** Copies the slots into matrices, frees each, adds them up, and anonymises the sum. */
function gather(job: MatrixJob): Gathered {
  let traffic: Traffic | undefined;
  let collisions = 0;
  let addresses = 0;
  const counters = Object.fromEntries(COUNTERS.map((name) => [name, 0])) as Record<CounterName, number>;
  let window = { start: 0n, end: 0n };
  let cause = 0;
  for (const { memory, slot: index } of job.slots) {
    const view = views[memory]!;
    const slot = view.slot(index);
    window = { start: slot.startNs, end: slot.endNs };
    cause = slot.cause;
    for (const name of COUNTERS) counters[name] += slot.counters[name];
    if (data.encoding === "challenge") {
      const links = windowLinks(slot.v4, slot.v4.packets);
      view.freeSlot(index);
      const blob = challengeBlob(grb, links, remembered && ((addresses) => remembered.apply(addresses)));
      return { traffic: makeTraffic(undefined, undefined), blob, counters, window, cause, addresses };
    }
    const { packets: packets6, bytes: bytes6, ...pattern6 } = slot.v6;
    const { packets: packets4, bytes: bytes4, ...pattern4 } = slot.v4;
    const planes6 = planesOf(grb, DIMENSION6, pattern6, packets6, bytes6);
    const part = makeTraffic(
      planesOf(grb, DIMENSION4, pattern4, packets4, bytes4),
      planes6 && { ...planes6, dict: slot.dict.slice(), keyId: data.hashKeyId },
    );
    view.freeSlot(index);
    if (traffic === undefined) {
      traffic = part;
      continue;
    }
    const sum = addTraffic(traffic, part);
    collisions += sum.collisions;
    traffic.dispose();
    part.dispose();
    traffic = sum;
  }
  if (traffic === undefined) throw new Error("an interval without a slot");
  if (anonymization !== undefined) {
    const clear = traffic;
    const mapped = mapTraffic(grb, clear, anonymization.map, anonymization);
    collisions += mapped.collisions;
    clear.dispose();
    traffic = mapped;
  }
  counters.v6_collisions += collisions;
  addresses = (traffic.v6?.dict.length ?? 0) / 24;
  return { traffic, counters, window: job.window ?? window, cause, addresses };
}

/** Members of the archive; their addresses are anonymised as those of the links are. */
function membersOf({ records, parts }: ExtensionParts): ExtensionPart[] {
  return parts.map(({ name, blob, dict }) => {
    if (anonymization === undefined) return { name, members: extensionBlobs(name, blob, dict) };
    const clear = openExtension(grb, records[name]!, blob, dict);
    const mapped = mapExtensions(grb, new Map([[name, clear]]), anonymization.map);
    const members = extensionMembers(mapped);
    disposeExtensions(mapped);
    clear.matrix.dispose();
    return { name, members };
  });
}

/** The archive, with as much of what extensions made as there is room for. */
function encode(traffic: Traffic, head: ManifestHead, all: readonly ExtensionPart[]) {
  const { archiveBytesMax: most = Number.POSITIVE_INFINITY } = data;
  for (let parts = all; ; ) {
    const shed = all.filter((part) => !parts.includes(part)).map(({ name }) => name);
    const said = Object.entries(head.extensions ?? {}).map(([name, record]) => [
      name,
      shed.includes(name) ? shedRecord(record, most) : record,
    ]);
    const told = said.length === 0 ? head : { ...head, extensions: Object.fromEntries(said) };
    const members = parts.flatMap((part) => part.members);
    const encoded = { head: told, ...encodeTraffic(grb, traffic, told, members) };
    if (encoded.archive.length <= most || parts.length === 0) return encoded;
    parts = withoutLargest(parts, encoded.archive.length - most);
  }
}

function seal(job: MatrixJob): void {
  const started = performance.now();
  const { traffic, blob, counters, window, cause, addresses } = gather(job);
  try {
    const { sampling, shed } = job.head;
    if (sampling < 1 && blob === undefined) estimateTraffic(traffic, sampling);
    const head: ManifestHead = {
      ...job.head,
      ...(shed && anonymization && { shed: mapShed(shed, (addresses) => anonymization.map.map4(addresses)) }),
      ...window,
      sealed_by: SEAL_CAUSES[cause] ?? "none",
      frames: counters.frames,
      packets: counters.packets,
      bytes: counters.packet_bytes,
      reasons: Object.fromEntries(
        FRAME_REASONS.map((reason) => [reason, counters[`frames_${reason}`]]),
      ) as Record<FrameReason, number>,
      late: counters.late,
      anonymization: anonymization?.says ?? { scheme: "none", key_id: null },
      byte_order: blob === undefined ? "big" : "little",
      ipv6:
        traffic.v6 === undefined
          ? null
          : { hash: IPV6_HASH_SCHEME, key_id: data.hashKeyId, addresses, collisions: counters.v6_collisions },
      intervals: 1,
      ...(job.extensions === undefined ? {} : { extensions: job.extensions.records }),
    };
    const more = job.extensions === undefined ? [] : membersOf(job.extensions);
    const { archive, quantities, ...encoded } =
      blob === undefined ? encode(traffic, head, more) : { head, archive: blob, quantities: {} };
    const result: MatrixResult = {
      type: "archive",
      job: job.job,
      head: encoded.head,
      archive,
      summary: {
        sequence: head.sequence,
        ...window,
        sealedBy: head.sealed_by,
        frames: head.frames,
        packets: head.packets,
        bytes: head.bytes,
        accuracy: trafficAccuracy(traffic, head),
        quantities,
      },
      milliseconds: performance.now() - started,
      cpuNs: Number(threadCpuNs()),
      memoryBytes: grb.memoryBytes(),
    };
    parentPort!.postMessage(result, [archive.buffer]);
  } finally {
    traffic.dispose();
  }
}

setThreadName(`sw-matrix-${threadId}`);
parentPort!.on("message", (job: MatrixJob) => {
  try {
    seal(job);
  } catch (error) {
    // A trap poisons the instance: start over with a fresh one; the interval is counted as lost by the asker.
    for (const { memory, slot } of job.slots) views[memory]!.freeSlot(slot);
    grb = loadSync({ maximumBytes: data.memoryBytesMax });
    parentPort!.postMessage({ type: "failed", job: job.job, error } satisfies MatrixResult);
  }
});
parentPort!.postMessage({ type: "ready" } satisfies MatrixResult);
