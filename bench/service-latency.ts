/**
 * What sensing costs a web service: a node:http hello-world under load, with and without the middleware, in turns.
 *
 *   node dist/bench/service-latency.js [--rounds N] [--seconds N] [--connections N] [--proxies N] [--json]
 *
 * Three servers, each a process, run all the time; one client process loads one of them at a time, in slices whose order
 * rotates, so that all meet the same neighbours. --proxies: trust X-Forwarded-For so deep.
 * Requests/s and latencies are of the client, CPU is the server's.
 */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import { parseArgs } from "node:util";
import { nodeHttp, TrafficMatrix } from "../daemon/service/index.js";
import { describeMachine, type Row, renderTable } from "./report.js";

interface Order {
  port: number;
  seconds: number;
  connections: number;
}

interface Slice {
  perSecond: number;
  /** Of each request, ms. */
  latencies: Float32Array;
}

const REQUEST = "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 203.0.113.7\r\n\r\n";
/** The second is the first once more: how much two runs of the same differ is what the third has to be seen against. */
const SUBJECTS = ["without", "without, again", "with the middleware"] as const;

/** A hello-world; says its port, and its CPU time (us) whenever it is asked. */
async function serve(isObserved: boolean, trustedProxies: number): Promise<void> {
  const server = createServer((_request, response) => response.end("hello, world\n"));
  if (isObserved) {
    const matrix = new TrafficMatrix({ onInterval: () => undefined });
    nodeHttp(server, matrix, { trustedProxies });
  }
  server.keepAliveTimeout = 600_000;
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  process.on("message", () => {
    const { user, system } = process.cpuUsage();
    process.send!(user + system);
  });
  process.send!((server.address() as AddressInfo).port);
}

/** Loads a port as it is told, one order after the other. */
function load(): void {
  process.on("message", async (order: Order) => process.send!(await measure(order)));
}

/** Keep-alive connections in a closed loop: each sends its next request as soon as it has its answer. */
async function measure({ port, seconds, connections }: Order): Promise<Slice> {
  const length = await answerLength(port);
  const latencies: number[] = [];
  const start = performance.now();
  const end = start + seconds * 1000;
  const sockets = Array.from({ length: connections }, () =>
    connect({ port, host: "127.0.0.1", noDelay: true }),
  );
  await Promise.all(sockets.map((socket) => askUntil(socket, end, length, latencies)));
  const took = performance.now() - start;
  for (const socket of sockets) socket.destroy();
  return { perSecond: latencies.length / (took / 1000), latencies: Float32Array.from(latencies) };
}

function askUntil(socket: Socket, end: number, length: number, latencies: number[]): Promise<void> {
  return new Promise((resolve, reject) => {
    let [sent, received] = [performance.now(), 0];
    socket.on("error", reject);
    socket.on("data", (data) => {
      received += data.length;
      if (received < length) return;
      const now = performance.now();
      latencies.push(now - sent);
      if (now >= end) {
        resolve();
        return;
      }
      received = 0;
      sent = now;
      socket.write(REQUEST);
    });
    socket.write(REQUEST);
  });
}

/** Bytes of one answer; all are alike. */
async function answerLength(port: number): Promise<number> {
  const socket = connect({ port, host: "127.0.0.1" });
  socket.write(REQUEST);
  const [data] = (await once(socket, "data")) as [Buffer];
  socket.destroy();
  return data.length;
}

/** A figure or slice that a process answers to a message. */
async function ask<T>(child: ChildProcess, message: object): Promise<T> {
  child.send(message);
  return ((await once(child, "message")) as [T])[0];
}

function spawn(...args: string[]): ChildProcess {
  const child = fork(import.meta.filename, args, { serialization: "advanced" });
  process.once("exit", () => child.kill("SIGKILL"));
  return child;
}

interface Subject {
  server: ChildProcess;
  port: number;
  cpuUs: number;
  slices: Slice[];
}

async function startSubject(...args: string[]): Promise<Subject> {
  const server = spawn("--role", "server", ...args);
  const [port] = (await once(server, "message")) as [number];
  return { server, port, cpuUs: 0, slices: [] };
}

async function slice(subject: Subject, client: ChildProcess, order: Omit<Order, "port">): Promise<void> {
  const before = await ask<number>(subject.server, {});
  subject.slices.push(await ask<Slice>(client, { ...order, port: subject.port }));
  subject.cpuUs += (await ask<number>(subject.server, {})) - before;
}

function rowsOf(subjects: readonly Subject[]): Row[] {
  const plain = subjects[0]!;
  const group = "service";
  const rows = (what: string, unit: string, figure: (subject: Subject) => number): Row[] => {
    const base = figure(plain);
    return subjects.map((subject, i) => {
      const value = figure(subject);
      const note = i === 0 ? {} : { note: `${((100 * value) / base).toFixed(1)} % of that without` };
      return { group, what, subject: SUBJECTS[i]!, value, unit, ...note };
    });
  };
  const pairs = subjects.slice(1).map((subject, i): Row => {
    const ratios = subject.slices.map((one, k) => one.perSecond / plain.slices[k]!.perSecond);
    const note = `of requests/s without, in the same round; ${ratios.length} rounds`;
    const what = "requests/s, round by round";
    return { group, what, subject: SUBJECTS[i + 1]!, value: 100 * median(ratios), unit: "%", note };
  });
  return [
    ...rows("requests/s, median of slices", "/s", ({ slices }) => median(slices.map((one) => one.perSecond))),
    ...pairs,
    ...rows("latency, median", "ms", ({ slices }) => quantile(slices, 0.5)),
    ...rows("latency, 99th percentile", "ms", ({ slices }) => quantile(slices, 0.99)),
    ...rows("CPU of the server process", "us/request", ({ cpuUs, slices }) => {
      return cpuUs / slices.reduce((sum, { latencies }) => sum + latencies.length, 0);
    }),
  ];
}

const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;

/** A quantile of the latencies of all slices together, ms. */
function quantile(slices: readonly Slice[], part: number): number {
  const all = new Float32Array(slices.reduce((sum, { latencies }) => sum + latencies.length, 0));
  let at = 0;
  for (const { latencies } of slices) {
    all.set(latencies, at);
    at += latencies.length;
  }
  return all.sort()[Math.floor((all.length - 1) * part)]!;
}

async function compare(rounds: number, proxies: string, order: Omit<Order, "port">): Promise<Row[]> {
  const subjects = [
    await startSubject(),
    await startSubject(),
    await startSubject("--observe", "--proxies", proxies),
  ];
  const client = spawn("--role", "client");
  // The first slices are the compiler's.
  for (const subject of subjects)
    await slice(subject, client, { ...order, seconds: Math.min(2, order.seconds) });
  for (const subject of subjects) Object.assign(subject, { cpuUs: 0, slices: [] });
  for (let round = 0; round < rounds; round++) {
    for (const subject of round % 2 === 0 ? subjects : subjects.toReversed())
      await slice(subject, client, order);
  }
  for (const child of [client, ...subjects.map(({ server }) => server)]) child.kill();
  return rowsOf(subjects);
}

async function main(): Promise<void> {
  const text = { type: "string" } as const;
  const flag = { type: "boolean", default: false } as const;
  const { values } = parseArgs({
    options: {
      role: text,
      observe: flag,
      rounds: text,
      seconds: text,
      connections: text,
      proxies: text,
      json: flag,
    },
  });
  if (values.role === "server") return serve(values.observe, Number(values.proxies));
  if (values.role === "client") return load();
  const order = { seconds: Number(values.seconds ?? 1), connections: Number(values.connections ?? 16) };
  const machine = describeMachine();
  const rows = await compare(Number(values.rounds ?? 15), values.proxies ?? "0", order);
  process.stdout.write(
    values.json ? `${JSON.stringify({ machine, rows }, null, 2)}\n` : renderTable(machine, rows),
  );
}

if (process.argv[1] === import.meta.filename) await main();
