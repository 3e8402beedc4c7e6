/**
 * Real sockets for the demonstration: `serve` answers TCP and takes UDP on every address of its block, `drive` opens
 * connections from and to many addresses of both blocks. Run as a child inside a network namespace.
 */
import { createSocket } from "node:dgram";
import { connect, createServer } from "node:net";

const TCP_PORT = 7001;
const UDP_PORT = 7002;
/** Hosts of each block that take part; few talk much, many talk little. */
const CLIENTS = 4000;
const SERVERS = 600;
const TICK_MS = 10;
const CONNECTIONS_A_TICK = 4;
const CONNECTIONS_MAX = 200;
const DATAGRAMS_A_TICK = 60;
const UDP_SOCKETS = 48;
const UDP_IDLE_MS = 2000;
const REPLY_BYTES_MAX = 60_000;

/** A number below n, small ones far more often: popularity falls off like 1/rank. */
const popular = (n: number): number => Math.floor(n ** Math.random()) - 1;

const host4 = (block: number, n: number): string => `10.${block}.${n >> 8}.${n & 255}`;
const host6 = (block: number, n: number): string => `fd00:${block}::${(n + 1).toString(16)}`;

function pair(): { from: string; to: string; type: "udp4" | "udp6" } {
  const [client, server] = [popular(CLIENTS), popular(SERVERS)];
  return Math.random() < 0.2
    ? { from: host6(1, client), to: host6(2, server), type: "udp6" }
    : { from: host4(1, client), to: host4(2, server), type: "udp4" };
}

function serve(): void {
  createServer((socket) => {
    socket.on("error", () => undefined);
    socket.once("data", () => socket.end(Buffer.alloc(Math.floor(REPLY_BYTES_MAX * Math.random() ** 4))));
  }).listen(TCP_PORT, "::");
  createSocket("udp4").bind(UDP_PORT);
  createSocket({ type: "udp6", ipv6Only: true }).bind(UDP_PORT, "::");
  process.stdout.write("serving\n");
}

function drive(): void {
  let connections = 0;
  const talk = (): void => {
    if (connections >= CONNECTIONS_MAX) return;
    const { from, to } = pair();
    connections++;
    const socket = connect({
      host: to,
      port: TCP_PORT,
      localAddress: from,
      family: to.includes(":") ? 6 : 4,
    });
    socket.setTimeout(5000, () => socket.destroy());
    socket.on("connect", () => socket.write(Buffer.alloc(100 + Math.floor(400 * Math.random()))));
    socket.on("data", () => undefined);
    socket.on("error", () => undefined);
    socket.on("close", () => connections--);
  };
  const senders = Array.from({ length: UDP_SOCKETS }, openSender);
  setInterval(() => {
    for (let i = 0; i < CONNECTIONS_A_TICK; i++) talk();
    for (let i = 0; i < DATAGRAMS_A_TICK; i++) senders[Math.floor(Math.random() * senders.length)]!();
  }, TICK_MS);
}

/** A UDP socket that sends from one address for a while, then from another. */
function openSender(): () => void {
  let socket: ReturnType<typeof createSocket> | undefined;
  let type: "udp4" | "udp6" = "udp4";
  let isReady = false;
  const open = (): void => {
    const { from, type: family } = pair();
    const next = createSocket(family);
    next.on("error", () => undefined);
    isReady = false;
    next.bind({ address: from, port: 0 }, () => {
      isReady = true;
    });
    socket?.close();
    socket = next;
    type = family;
  };
  open();
  setInterval(open, UDP_IDLE_MS + Math.random() * UDP_IDLE_MS);
  return () => {
    if (!isReady) return;
    const n = popular(SERVERS);
    const to = type === "udp6" ? host6(2, n) : host4(2, n);
    socket!.send(Buffer.alloc(20 + Math.floor(Math.random() * 1200)), UDP_PORT, to, () => undefined);
  };
}

if (process.argv[2] === "serve") serve();
else drive();
