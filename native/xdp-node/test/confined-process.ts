/** A process that confines itself and then tries everything in a thread from before, in one from after, in its main one. */
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { Worker } from "node:worker_threads";
import {
  BPF_COMMANDS,
  canMakeUring,
  heldPrivileges,
  installSeccomp,
  restartWithoutUring,
} from "../lib/index.js";
import { attemptable, attemptCall, HARMFUL_IF_ALLOWED, notRefused } from "./attempt.js";

async function startWorker(): Promise<Worker> {
  const worker = new Worker(new URL("./attempt-worker.js", import.meta.url));
  await once(worker, "message");
  return worker;
}

async function ask(worker: Worker): Promise<unknown> {
  worker.postMessage("try");
  return (await once(worker, "message"))[0];
}

// libuv aborts when it loses a ring that it has.
if (canMakeUring())
  restartWithoutUring(process.execPath, ["node", ...process.execArgv, ...process.argv.slice(1)]);
const early = await startWorker();
const before = attemptable()
  .filter(({ name }) => !HARMFUL_IF_ALLOWED.has(name))
  .map((rule) => [rule.name, attemptCall(rule)]);
installSeccomp({ families: ["unix", "inet", "inet6"], bpf: BPF_COMMANDS.map(({ name }) => name) });
const late = await startWorker();
const spawned = (spawnSync("/bin/true").error as NodeJS.ErrnoException | undefined)?.code;
console.log(
  JSON.stringify({
    before,
    main: notRefused(),
    early: await ask(early),
    late: await ask(late),
    spawned,
    held: heldPrivileges(),
  }),
);
process.exit(0);
