/** A process that restricts its files and then tries some in a thread from before, in one from after, in its main one. */
import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { restrictFiles } from "../lib/index.js";
import { attemptFiles } from "./landlock-worker.js";

const { rules, tries } = JSON.parse(process.argv[2]!);

async function startWorker(): Promise<Worker> {
  const worker = new Worker(new URL("./landlock-worker.js", import.meta.url));
  await once(worker, "message");
  return worker;
}

async function ask(worker: Worker, part: number): Promise<unknown> {
  worker.postMessage(tries[part]);
  return (await once(worker, "message"))[0];
}

const early = await startWorker();
const restriction = restrictFiles(rules);
const late = await startWorker();
console.log(
  JSON.stringify({
    restriction,
    outcomes: [await attemptFiles(tries[0]), await ask(early, 1), await ask(late, 2)],
  }),
);
process.exit(0);
