/**
 * Code that has got into a daemon: loaded before it (node --import), it waits for SIGUSR2 and then tries what an intruder
 * would, in the main thread, in a thread from before the daemon began and in a new one. Answers as JSON in $INTRUDER_REPORT.
 */
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, readdirSync, readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { constants } from "node:os";
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

type Attempt = (number: number, args: number[]) => number;

/** Numbers of system calls, x86-64 and aarch64, and of what they are given: linux/if_packet.h, net.h, in.h, fcntl.h. */
const [SETSOCKOPT, GETSOCKOPT, FCNTL, SOCKET] =
  process.arch === "x64" ? [54, 55, 72, 41] : [208, 209, 25, 198];
const LISTEN = process.arch === "x64" ? 50 : 201;
const [SOL_PACKET, PACKET_STATISTICS, SOL_XDP, XDP_TX_RING] = [263, 6, 283, 3];
const [AF_UNIX, AF_INET, AF_NETLINK, SOCK_STREAM, SOCK_SEQPACKET, SOCK_RAW] = [1, 2, 16, 1, 5, 3];
const [IPPROTO_MPTCP, NETLINK_AUDIT, F_SETOWN, INIT] = [262, 9, 8, 1];
const DESCRIPTORS = 512;

/** What of the kernel is in reach by a descriptor that is open, or by a call that is harmless at first sight. */
function waysOut(attempt: Attempt): Record<string, string> {
  const names = Object.fromEntries(Object.entries(constants.errno).map(([name, number]) => [number, name]));
  const said = (errno: number): string => (errno === 0 ? "ok" : names[errno]!);
  const descriptors = Array.from({ length: DESCRIPTORS }, (_, fd) => fd);
  // Without room for the answer a packet socket says EFAULT, and every other that it knows no such level.
  const packets = descriptors.filter(
    (fd) => attempt(GETSOCKOPT, [fd, SOL_PACKET, PACKET_STATISTICS, 0, 0]) === constants.errno.EFAULT,
  );
  // A ring of no length is refused by the kernel after it has looked whether there may be one.
  const senders = descriptors.filter(
    (fd) => attempt(SETSOCKOPT, [fd, SOL_XDP, XDP_TX_RING, 0, 0]) === constants.errno.EINVAL,
  );
  return {
    "find a packet socket": packets.length === 0 ? "none" : "ok",
    "send by a spare AF_XDP socket": senders.length === 0 ? "none" : "ok",
    "signal by a descriptor": said(attempt(FCNTL, [0, F_SETOWN, INIT])),
    "ask a local service": said(attempt(SOCKET, [AF_UNIX, SOCK_STREAM, 0])),
    "speak MPTCP": said(attempt(SOCKET, [AF_INET, SOCK_STREAM, IPPROTO_MPTCP])),
    "speak SCTP": said(attempt(SOCKET, [AF_INET, SOCK_SEQPACKET, 0])),
    "speak to the audit system": said(attempt(SOCKET, [AF_NETLINK, SOCK_RAW, NETLINK_AUDIT])),
    "listen without a port": said(attempt(LISTEN, [-1, 1])),
    "open a file to all": codeOf(() => chmodSync("/etc/hostname", statSync("/etc/hostname").mode)),
  };
}

async function intrude(early: Worker, report: string): Promise<void> {
  const { notRefused, attempt } = (await import(new URL("attempt.js", NATIVE).href)) as {
    notRefused(): [string, number][];
    attempt: Attempt;
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
      ...waysOut(attempt),
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
