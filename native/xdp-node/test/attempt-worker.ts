/** A worker that tries, whenever it is told to, what an intruder would; it answers with what was not refused. */
import { parentPort } from "node:worker_threads";
import { notRefused } from "./attempt.js";

parentPort!.on("message", () => parentPort!.postMessage(notRefused()));
parentPort!.postMessage("up");
