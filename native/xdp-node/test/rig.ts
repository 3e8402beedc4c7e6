/** A veth pair and the pieces that tests put on it. */
import { writeFileSync } from "node:fs";
import {
  Frames,
  type Memory,
  redirectObject,
  type XdpLink,
  XdpProgram,
  type XskOptions,
  XskSocket,
} from "../lib/index.js";
import { ip } from "./namespace.js";

let pairs = 0;

/** Two new interfaces joined to each other, up, with no traffic of their own. */
export function vethPair({ queues = 1, mtu = 1500 } = {}): { near: string; far: string } {
  const near = `near${pairs}`;
  const far = `far${pairs++}`;
  const side = `numrxqueues ${queues} numtxqueues ${queues}`;
  ip(`link add ${near} mtu ${mtu} ${side} type veth peer name ${far} mtu ${mtu} ${side}`);
  for (const name of [near, far]) {
    writeFileSync(`/proc/sys/net/ipv6/conf/${name}/disable_ipv6`, "1");
    ip(`link set dev ${name} up`);
  }
  return { near, far };
}

export function sharedMemory(megabytes = 16): WebAssembly.Memory {
  const pages = megabytes * 16;
  return new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
}

const SIZES = { rxSize: 1024, txSize: 1024, fillSize: 1024, completionSize: 1024 };
export const RING_AREA = 64 * 1024;
export const UMEM = { offset: 1 << 20, size: 2048 * 2048, chunkSize: 2048 };

/** A socket with rings at RING_AREA and frames at UMEM of a new memory, or as the options say. */
export function openSocket(name: string, options: Partial<XskOptions> & { memory?: Memory } = {}): XskSocket {
  return new XskSocket({
    memory: sharedMemory(),
    umem: UMEM,
    interface: name,
    queue: 0,
    rings: { offset: RING_AREA },
    bind: "auto",
    ...SIZES,
    ...options,
  });
}

export interface Tap {
  socket: XskSocket;
  frames: Frames;
  program: XdpProgram;
  link: XdpLink;
  close(): void;
}

/** A socket that gets every frame of queue 0. */
export function openTap(
  name: string,
  options: Partial<XskOptions> & { mode?: "native" | "generic" | "auto" } = {},
): Tap {
  const { mode = "native", ...rest } = options;
  const socket = openSocket(name, rest);
  const frames = new Frames(socket);
  const program = XdpProgram.load(redirectObject(), {
    program: rest.multiBuffer ? "redirect_frags" : "redirect",
  });
  program.map("xsks").set(socket.queue, socket);
  const link = program.attach(name, mode);
  const close = () => {
    socket.close();
    link.detach();
    program.close();
  };
  return { socket, frames, program, link, close };
}

/** A frame of the local experimental EtherType 0x88b5 with a serial number and bytes that depend on it. */
export function testFrame(serial: number, length = 64): Uint8Array {
  const frame = new Uint8Array(length);
  frame.fill(0xff, 0, 6);
  frame.set([2, 0, 0, 0, 0, 1, 0x88, 0xb5, serial >>> 8, serial & 0xff], 6);
  for (let i = 16; i < length; i++) frame[i] = (serial * 31 + i * 7) & 0xff;
  return frame;
}

/** Sends frames by a TX ring on a queue of an interface. */
export function sendFrames(name: string, sent: Uint8Array[], queue = 0): void {
  const multiBuffer = sent.some((frame) => frame.byteLength > UMEM.chunkSize);
  const socket = openSocket(name, { queue, multiBuffer });
  const frames = new Frames(socket);
  for (const frame of sent) {
    while (!frames.send(frame)) socket.wakeTx();
  }
  const last = Date.now() + 2000;
  while (!frames.sent()) {
    socket.wakeTx();
    if (Date.now() > last) throw new Error(`${name} does not send`);
  }
  socket.close();
}

/** Whole frames, copied out, that arrive until `count` are there or 2 s have passed. */
export function receiveFrames(
  { socket, frames }: Pick<Tap, "socket" | "frames">,
  count: number,
): Uint8Array[] {
  const whole: Uint8Array[] = [];
  let parts: Uint8Array[] = [];
  const last = Date.now() + 2000;
  while (whole.length < count && Date.now() < last) {
    socket.poll(50);
    frames.receive(256, (bytes, more) => {
      parts.push(bytes.slice());
      if (more) return;
      whole.push(new Uint8Array(Buffer.concat(parts)));
      parts = [];
    });
  }
  return whole;
}
