/**
 * The sockets of one queue pair of mode inline: queue i of side A, queue i of side B and, where frames may be diverted,
 * queue i of a third interface, all on one UMEM inside a sandbox's memory. Half of its chunks are A's, half B's.
 */
import { addressOf, backMemory, Umem, XskSocket } from "xdp-node";
import { HUGE_PAGE_BYTES } from "../../lib/abi.js";
import type { ControlView } from "../capture/control-view.js";
import { type HeldMemory, shareMemory } from "../extension/held-memory.js";
import type { SensorConfig } from "./config.js";

const LINK_ETHERNET = 1;
/** More frames in flight add delay, not throughput: at 1 Mpps this is 16 ms. */
const FRAMES_MAX = 16_384;
/** Frames that may wait to be sent; what finds it full is dropped, and counted, rather than delayed for longer. */
const TX_ENTRIES = 4096;

export interface PairPlan {
  /** Side A, side B, and the divert interface if there is one. */
  interfaces: readonly string[];
  queue: number;
  config: SensorConfig;
  bind: SensorConfig["bind"];
  multiBuffer: boolean;
  /** Where extensions are to see the frames. */
  held?: HeldMemory | undefined;
}

/** Frames of a pair that extensions may hold at a time: a quarter of each side's at least stays with the kernel. */
export const heldFrames = (config: SensorConfig): number => sizesOf(config).frames / 2;

const sizesOf = ({ memory }: SensorConfig) => {
  const frames = Math.min(memory.frames, FRAMES_MAX);
  return {
    frames,
    umemBytes: 2 * frames * memory.chunk_bytes,
    rings: {
      rxSize: frames,
      fillSize: frames,
      txSize: Math.min(frames, TX_ENTRIES),
      completionSize: 2 * frames,
    },
  };
};

/** What the memory layout has to provide for each entry of a pair, in order. */
export function pairLayout(
  config: SensorConfig,
  entries: number,
): { ringBytes: number; umemBytes: number }[] {
  const { rings, umemBytes } = sizesOf(config);
  return Array.from({ length: entries }, (_, i) => ({
    ringBytes: XskSocket.ringBytes(rings),
    umemBytes: i === 0 ? umemBytes : 0,
  }));
}

/** Opens the sockets of a pair as entries `first`, first + 1, ... of the ring table; closes them all if one fails. */
export function openPair(
  memory: WebAssembly.Memory,
  control: ControlView,
  places: readonly { rings: number; frames: number }[],
  first: number,
  plan: PairPlan,
): XskSocket[] {
  const { memory: sizes } = plan.config;
  const { frames, umemBytes, rings } = sizesOf(plan.config);
  const offset = alignFrames(memory, places[0]!.frames);
  if (plan.held === undefined) backMemory(memory, { offset, size: umemBytes, hugePages: sizes.huge_pages });
  else {
    const place = (base: number): void => {
      for (const i of plan.interfaces.keys()) control.setQueue(first + i, { extension_base: base });
    };
    plan.held.frames.push({ ...shareMemory(memory, offset, umemBytes, sizes.huge_pages), place });
  }
  const umem = new Umem(memory, { offset, size: umemBytes, chunkSize: sizes.chunk_bytes, ...rings });
  const sockets: XskSocket[] = [];
  try {
    for (const [i, name] of plan.interfaces.entries()) {
      const socket = new XskSocket({
        memory,
        umem,
        interface: name,
        queue: plan.queue,
        rings: { offset: places[i]!.rings },
        ...rings,
        bind: plan.bind,
        multiBuffer: plan.multiBuffer,
        busyRetryMs: 1000,
      });
      sockets.push(socket);
      const homeBytes = i < 2 ? frames * sizes.chunk_bytes : 0;
      control.setQueue(first + i, {
        ...ringFields(socket),
        umem_offset: offset,
        umem_bytes: umemBytes,
        chunk_bytes: sizes.chunk_bytes,
        headroom: 0,
        link_type: LINK_ETHERNET,
        group: first + 1,
        peer: i < 2 ? first + 1 + (1 - i) : 0,
        divert: plan.interfaces.length > 2 && i < 2 ? first + 3 : 0,
        home_first: i * homeBytes,
        home_bytes: homeBytes,
        tx_always_wake: socket.options().zerocopy ? 0 : 1,
        out_down: 0,
      });
    }
  } catch (error) {
    for (const socket of sockets) socket.close();
    throw error;
  }
  return sockets;
}

function ringFields({ rings }: XskSocket): Record<string, number> {
  const fields: Record<string, number> = {};
  for (const [name, ring] of Object.entries(rings)) {
    for (const key of ["producer", "consumer", "flags", "descriptors", "size"] as const) {
      fields[`${name}_${key}`] = ring[key];
    }
  }
  return fields;
}

/** The first offset from `offset` on whose process address is 2 MiB-aligned; the layout leaves room for it. */
function alignFrames(memory: WebAssembly.Memory, offset: number): number {
  const misfit = Number((addressOf(memory.buffer) + BigInt(offset)) % BigInt(HUGE_PAGE_BYTES));
  return misfit === 0 ? offset : offset + HUGE_PAGE_BYTES - misfit;
}
