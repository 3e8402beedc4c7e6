/**
 * Threads of capture workers. The first may be started before it is known what it will capture: it comes up while the main
 * thread reads its modules and configuration, so that a sensor that was killed captures again the sooner.
 */
import { Worker } from "node:worker_threads";
import type { LiveWorkerData } from "./live-protocol.js";

const SCRIPT = new URL("./live-worker.js", import.meta.url);

let early: Worker | undefined;

/** Starts a thread that waits for its task. It keeps no process alive. */
export function startEarly(): void {
  const worker = new Worker(SCRIPT, { name: "capture" });
  early = worker;
  worker.unref();
  // What is wrong with it will be said by the thread that is started in its place.
  worker.once("error", () => {
    if (early === worker) early = undefined;
  });
}

/** Ends the thread that waits, where nothing is to be captured. */
export function endEarly(): void {
  void early?.terminate();
  early = undefined;
}

/** A thread with this task: the one that waits, or a new one. */
export function captureThread(data: LiveWorkerData): Worker {
  const worker = early;
  early = undefined;
  if (worker === undefined) return new Worker(SCRIPT, { workerData: data, name: `capture-${data.index}` });
  worker.ref();
  worker.postMessage(data);
  return worker;
}
