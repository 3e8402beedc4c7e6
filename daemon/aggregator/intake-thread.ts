/**
 * The intake thread: checks received archives, one at a time, in a GraphBLAS instance of its own. The main thread never
 * parses what a stranger has written.
 */
import { closeSync, openSync, readSync } from "node:fs";
import { parentPort, workerData } from "node:worker_threads";
import { type GraphBLAS, loadSync } from "graphblas-wasm";
import { checkUpload } from "./check-upload.js";
import type { IntakeAnswer, IntakeJob, IntakeSettings } from "./intake-messages.js";
import { Refusal } from "./refusal.js";

const { memoryBytes } = workerData as IntakeSettings;
const port = parentPort!;
/** An instance larger than this is given back to the system after the check. */
const IDLE_MEMORY_BYTES_MAX = 64 << 20;

let instance: GraphBLAS | undefined;

port.on("message", (job: IntakeJob) => port.postMessage(answer(job)));

function answer({ id, path, length, identity, linksMax }: IntakeJob): IntakeAnswer {
  try {
    instance ??= loadSync({ maximumBytes: memoryBytes });
    const manifest = checkUpload(instance, readWhole(path, length), { identity, linksMax });
    return { id, type: "sound", manifest };
  } catch (error) {
    if (error instanceof Refusal) {
      const { message, status, reason, code, mend, retryAfter } = error;
      const later = retryAfter === undefined ? {} : { retryAfter };
      return { id, type: "refused", message, options: { status, cause: reason, code, mend, ...later } };
    }
    const { code = "", message } = error as NodeJS.ErrnoException;
    return { id, type: "disk", code, message };
  } finally {
    tidy();
  }
}

function readWhole(path: string, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  const file = openSync(path, "r");
  try {
    let at = 0;
    for (let read = -1; at < length && read !== 0; at += read)
      read = readSync(file, bytes, at, length - at, at);
    // What has gone missing on our disk is no fault of the archive.
    if (at < length) throw Object.assign(new Error("the received file has become shorter"), { code: "EIO" });
    return bytes;
  } finally {
    closeSync(file);
  }
}

/** After a trap the instance is of no use; matrices that an error left behind go with it. */
function tidy(): void {
  if (instance === undefined) return;
  const isSmall = instance.memoryBytes() <= IDLE_MEMORY_BYTES_MAX;
  if (!instance.panicked && isSmall && instance.liveObjects() === 0) return;
  instance.dispose();
  instance = undefined;
}
