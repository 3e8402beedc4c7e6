/**
 * A matrix worker: sums archives in a GraphBLAS instance of its own, so that the HTTP thread never waits for matrices.
 * Sums are made one at a time; answers are delivered side by side, each as fast as its reader takes them.
 */
import { parentPort, workerData } from "node:worker_threads";
import { type GraphBLAS, loadSync } from "graphblas-wasm";
import { encodeArchive } from "../../lib/archive.js";
import { SparsewireError } from "../../lib/errors.js";
import { exportLinks } from "../../lib/export.js";
import { droppedOf, Sampling } from "../../lib/sampling.js";
import { type SumIdentity, sumManifests } from "../../lib/sum-manifests.js";
import { topOf } from "../../lib/top.js";
import { encodeTraffic, quantitiesOf } from "../../lib/traffic.js";
import { SOFTWARE } from "../software.js";
import { isStorageError, writeDurably } from "./durable.js";
import type {
  FromWorker,
  RolledUp,
  RollupWanted,
  SumFacts,
  Task,
  ToWorker,
  Wanted,
  WorkerSettings,
} from "./matrix-messages.js";
import { ROLLUP_RUN, ROLLUP_SENSOR, rollupRun } from "./periods.js";
import type { PlannedFile } from "./plan.js";
import { asMemoryFault, readPlanned, SumError, type Summed, sumFiles } from "./sum.js";
import { SumCache } from "./sum-cache.js";
import { blame } from "./sum-fault.js";

type Failure = Omit<Extract<FromWorker, { type: "failed" }>, "type" | "id">;

const { memoryBytes } = workerData as WorkerSettings;
const port = parentPort!;
const cache = new SumCache(memoryBytes / 8);

/** Pieces of an answer that may be under way to its reader. */
const PIECES_AHEAD = 8;
const PIECE_BYTES_MAX = 1 << 20;
/** An idle instance larger than this is given back to the system. */
const IDLE_MEMORY_BYTES_MAX = 64 << 20;

class Job {
  cancelled = false;
  credits = PIECES_AHEAD;
  wake: () => void = () => undefined;

  check(): void {
    if (this.cancelled) throw new SumError("cancelled", "nobody waits for it any more");
  }
}

const jobs = new Map<number, Job>();
let turn: Promise<unknown> = Promise.resolve();
let instance: GraphBLAS | undefined;

port.on("message", (message: ToWorker) => {
  if (message.type === "task") {
    const job = new Job();
    jobs.set(message.id, job);
    void run(message.id, job, message.task);
    return;
  }
  const job = jobs.get(message.id);
  if (job === undefined) return;
  if (message.type === "more") job.credits++;
  else job.cancelled = true;
  job.wake();
});

const send = (message: FromWorker, transfer: ArrayBuffer[] = []): void => port.postMessage(message, transfer);

/** Whatever uses the instance for making sums does so in turn. */
function inTurn<T>(make: () => Promise<T>): Promise<T> {
  const made = turn.then(make);
  turn = made.catch(() => undefined);
  return made;
}

async function run(id: number, job: Job, task: Task): Promise<void> {
  try {
    const { files, wanted } = task;
    if (wanted.kind === "rollup" && wanted.asIs) {
      send({ type: "done", id, value: copyRollup(files[0]!, wanted) });
      return;
    }
    const summed = await inTurn(() => makeSum(job, task));
    try {
      const names = summed.head?.saturated ?? [];
      if (names.length > 0) send({ type: "saturated", id, names });
      send({ type: "done", id, value: await deliver(id, job, task.wanted, summed) });
    } finally {
      summed.traffic.dispose();
    }
  } catch (error) {
    send({ type: "failed", id, ...(await judge(job, task, error)) });
  } finally {
    jobs.delete(id);
    tidy();
  }
}

/** Why a task failed. What nothing explains is looked for in its files, one by one. */
async function judge(job: Job, task: Task, error: unknown): Promise<Failure> {
  const failure = failureOf(error);
  if (failure.fault !== "internal") return failure;
  try {
    await inTurn(() => blame(task.files, (files) => rehearse(job, { ...task, files })));
    // Now it can be made: it is tried again.
    return { ...failure, fault: "stale" };
  } catch (found) {
    return failureOf(found);
  }
}

/** Makes a sum and what is wanted of it, and tells nobody. */
async function rehearse(job: Job, { files, wanted }: Task): Promise<void> {
  tidy();
  try {
    const { traffic, head } = await sumOf(job, { files, wanted });
    try {
      if (wanted.kind === "top") topOf(traffic, { ...wanted, sampling: Sampling.of(head) });
      else if (wanted.kind === "quantities") quantitiesOf(traffic);
      else if (wanted.kind === "rollup") encodeTraffic(instance!, traffic, head!);
      else for (const piece of piecesOf(wanted, { traffic, head })) void piece;
    } finally {
      traffic.dispose();
    }
  } catch (error) {
    throw asMemoryFault(error);
  }
}

const makeSum = (job: Job, task: Task): Promise<Summed> => {
  instance ??= loadSync({ maximumBytes: memoryBytes });
  const make = () => sumOf(job, task);
  return task.wanted.kind === "rollup" ? make() : cache.get(instance, task.files, make);
};

function sumOf(job: Job, { files, wanted }: Task): Promise<Summed> {
  instance ??= loadSync({ maximumBytes: memoryBytes });
  const breathe = async (): Promise<void> => {
    await new Promise((resolve) => setImmediate(resolve));
    job.check();
  };
  const identity =
    wanted.kind === "rollup"
      ? rollupIdentity(wanted)
      : { sensor: ROLLUP_SENSOR, run: ROLLUP_RUN, software: SOFTWARE, sequence: 0, mode: "sum" as const };
  return sumFiles(instance, files, identity, { fileBytesMax: memoryBytes, breathe });
}

const rollupIdentity = ({ period, part, start, end }: RollupWanted): SumIdentity => {
  const run = rollupRun(part);
  return { sensor: ROLLUP_SENSOR, run, software: SOFTWARE, sequence: period, mode: "rollup", start, end };
};

/** One file as a part of a roll-up without opening its matrices: the manifest is new, the members are the same bytes. */
function copyRollup(file: PlannedFile, wanted: RollupWanted): RolledUp {
  const { manifest, members } = readPlanned(file);
  const head = sumManifests([manifest], rollupIdentity(wanted));
  const archive = encodeArchive(head, members);
  writeDurably(archive, wanted.temporary, wanted.path);
  return { size: archive.length, manifest: { intervals: head.intervals, parts: head.parts } };
}

/** Gives what is wanted of a sum: by pieces, as a file, or as a value. */
async function deliver(id: number, job: Job, wanted: Wanted, summed: Summed): Promise<unknown> {
  const { traffic, head } = summed;
  const facts: SumFacts = {
    intervals: head?.intervals ?? 0,
    packets: head?.packets ?? 0,
    bytes: head?.bytes ?? 0,
    lost: Object.values(head?.drops ?? {}).reduce((sum, count) => sum + count, 0),
    sampling: head?.sampling ?? 1,
  };
  if (wanted.kind === "top")
    return { facts, value: topOf(traffic, { ...wanted, sampling: Sampling.of(head) }) };
  if (wanted.kind === "quantities") return { facts, value: quantitiesOf(traffic) };
  if (wanted.kind === "rollup") {
    const { archive } = encodeTraffic(instance!, traffic, head!);
    writeDurably(archive, wanted.temporary, wanted.path);
    const { intervals, parts } = head!;
    return { size: archive.length, manifest: { intervals, parts } } satisfies RolledUp;
  }
  let isFirst = true;
  for (const piece of piecesOf(wanted, summed)) {
    // The headers of the answer go out once something can be said: what fails before that has a status of its own.
    if (isFirst) send({ type: "facts", id, facts });
    isFirst = false;
    await sendPieces(id, job, typeof piece === "string" ? new TextEncoder().encode(piece) : piece);
  }
  if (isFirst) send({ type: "facts", id, facts });
  return undefined;
}

/** The pieces of an export. */
function piecesOf(
  wanted: Extract<Wanted, { kind: "export" }>,
  { traffic, head }: Summed,
): Iterable<string | Uint8Array> {
  const { format } = wanted;
  if (head === undefined && (format === "tar" || format === "grb")) {
    throw new SparsewireError("NO_LINKS", "there is no interval in the range");
  }
  if (format === "tar") return [encodeTraffic(instance!, traffic, head!).archive];
  const dropped = head === undefined ? 0 : droppedOf(head.drops);
  const estimate = wanted.estimated ? { sampling: Sampling.of(head), dropped } : undefined;
  return exportLinks(traffic, { ...wanted, format, interval: head, estimate });
}

async function sendPieces(id: number, job: Job, piece: Uint8Array): Promise<void> {
  for (let at = 0; at < piece.length; at += PIECE_BYTES_MAX) {
    while (job.credits === 0 && !job.cancelled) {
      await new Promise<void>((resolve) => {
        job.wake = resolve;
      });
    }
    job.check();
    job.credits--;
    const bytes = new Uint8Array(piece.subarray(at, at + PIECE_BYTES_MAX));
    send({ type: "piece", id, bytes }, [bytes.buffer]);
  }
}

function failureOf(error: unknown): Failure {
  const fault = asMemoryFault(error);
  const message = error instanceof Error ? error.message : String(error);
  const nobody = { message, path: "", others: [] };
  if (fault instanceof SumError) {
    const { path, others } = fault;
    return { fault: fault.fault, message, path, others };
  }
  if (error instanceof SparsewireError && error.code === "NO_LINKS") return { fault: "empty", ...nobody };
  return { fault: isStorageError(error) ? "disk" : "internal", ...nobody };
}

/** After a trap the instance is of no use; an idle one need not keep the memory of its largest sum. */
function tidy(): void {
  if (instance === undefined) return;
  const isLarge = jobs.size === 0 && instance.memoryBytes() > IDLE_MEMORY_BYTES_MAX;
  if (!instance.panicked && !isLarge) return;
  instance.dispose();
  instance = undefined;
}
