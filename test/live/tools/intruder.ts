/**
 * Code that has got into a daemon: loaded before it (node --import), it waits for SIGUSR2 and then tries what an intruder
 * would, in the main thread, in a thread from before the daemon began and in a new one. Answers as JSON in $INTRUDER_REPORT.
 */
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { isMainThread, Worker } from "node:worker_threads";
import { redirectObject, XdpProgram, XskSocket } from "xdp-node";

const NATIVE = new URL("../../../../native/xdp-node/dist/test/", import.meta.url);

export interface IntruderReport {
  /** Calls that were not refused, by thread. */
  calls: Record<"main" | "early" | "late", [string, number][]>;
  /** What else was tried: the error's code, or "ok". */
  tries: Record<string, string>;
}

async function startWorker(): Promise<Worker> {
  const worker = new Worker(new URL("attempt-worker.js", NATIVE), { execArgv: [] });
  await once(worker, "message");
  worker.unref();
  return worker;
}

async function ask(worker: Worker): Promise<[string, number][]> {
  worker.postMessage("try");
  return (await once(worker, "message"))[0];
}

function codeOf(action: () => unknown): string {
  try {
    action();
    return "ok";
  } catch (error) {
    return (error as { code?: string }).code ?? String(error);
  }
}

async function listenCode(where: { port: number; host: string } | { path: string }): Promise<string> {
  const server = createServer();
  const code = await new Promise<string>((resolve) => {
    server.once("error", (error: NodeJS.ErrnoException) => resolve(error.code!));
    server.listen(where, () => resolve("ok"));
  });
  server.close();
  return code;
}

function openSocket(): void {
  const memory = new WebAssembly.Memory({ initial: 256, maximum: 256, shared: true });
  new XskSocket({
    memory,
    umem: { offset: 1 << 20, size: 2048 * 2048, chunkSize: 2048 },
    interface: "lo",
    queue: 0,
    rings: { offset: 65_536 },
    rxSize: 1024,
    fillSize: 1024,
    completionSize: 64,
    bind: "copy",
  });
}

async function intrude(early: Worker, report: string): Promise<void> {
  const { notRefused } = (await import(new URL("attempt.js", NATIVE).href)) as {
    notRefused(): [string, number][];
  };
  const late = await startWorker();
  const answer: IntruderReport = {
    calls: { main: notRefused(), early: await ask(early), late: await ask(late) },
    tries: {
      spawn: (spawnSync("/bin/true").error as NodeJS.ErrnoException | undefined)?.code ?? "ok",
      setuid: codeOf(() => process.setuid!(65_534)),
      kill: codeOf(() => process.kill(process.ppid, 0)),
      "read a secret": codeOf(() => readFileSync("/etc/shadow")),
      "write elsewhere": codeOf(() => writeFileSync("/tmp/sparsewire-intruder", "x")),
      "list the root": codeOf(() => readdirSync("/")),
      "bind a port": await listenCode({ port: 0, host: "127.0.0.1" }),
      "make a local socket": await listenCode({ path: `${report}.sock` }),
      "load a program": codeOf(() => XdpProgram.load(redirectObject(), { program: "redirect" })),
      "open an AF_XDP socket": codeOf(openSocket),
    },
  };
  await late.terminate();
  writeFileSync(`${report}.new`, JSON.stringify(answer));
  renameSync(`${report}.new`, report);
}

const report = process.env.INTRUDER_REPORT;
if (isMainThread && report !== undefined) {
  const early = await startWorker();
  process.on("SIGUSR2", () => void intrude(early, report));
}
