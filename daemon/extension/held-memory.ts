/** Memory that is shared with extensions: the ring of descriptors in a capture sandbox, and where its frames are. */
import { closeSync } from "node:fs";
import { backMemory, pageSize } from "xdp-node";
import { FORWARD_VERDICTS, HOST_HEAD_BYTES } from "../../lib/abi.js";
import { HeldView } from "./held-view.js";

const FRAME_BYTES = 24;

/** How the ring of a sandbox is to be laid out. */
export interface HeldPlan {
  entries: number;
  ringBytes: number;
  /** Mode inline: a byte for each entry. */
  verdictBytes: number;
  /** Mode host: the copies of records. */
  copyBytes: number;
  /** What memoryLayout() has to reserve. */
  bytes: number;
}

export interface HeldNeeds {
  /** Frames that can be held at a time: twice as many descriptors, so that a slow batch is not overwritten. */
  frames: number;
  verdicts?: boolean;
  copies?: boolean;
}

export function heldPlan({ frames, verdicts = false, copies = false }: HeldNeeds): HeldPlan {
  const entries = 2 ** Math.ceil(Math.log2(Math.max(2 * frames, 1024)));
  const pages = (bytes: number): number => Math.ceil(bytes / pageSize) * pageSize;
  const ringBytes = pages(entries * FRAME_BYTES);
  const verdictBytes = verdicts ? pages(entries) : 0;
  const copyBytes = copies ? pages(entries * HOST_HEAD_BYTES) : 0;
  return { entries, ringBytes, verdictBytes, copyBytes, bytes: ringBytes + verdictBytes + copyBytes };
}

/** A range of a capture sandbox's memory that extensions are to see. */
export interface SharedRange {
  fd: number;
  bytes: number;
  /** Told where it lies in an extension's memory. */
  place?: (offset: number) => void;
}

/** What one capture sandbox shares with extensions; the descriptors' ring first. */
export interface HeldMemory {
  memory: WebAssembly.Memory;
  ring: SharedRange;
  frames: SharedRange[];
}

export interface HeldLimits {
  /** Descriptors that may be held for a slow extension before it is skipped. */
  limit: number;
  taps: number;
  /** Mode inline: what becomes of a frame whose verdict is late. */
  verdictLate?: (typeof FORWARD_VERDICTS)[number];
  /** Mode inline: ms that a frame may be held for. */
  ageMs?: number;
}

/** Backs the ring (at `offset`, as laid out) and writes control.held. Call it before the sandbox's init(). */
export function backHeld(
  memory: WebAssembly.Memory,
  offset: number,
  plan: HeldPlan,
  { limit, taps, verdictLate = "pass", ageMs = 0 }: HeldLimits,
): HeldMemory {
  const held = new HeldView(memory);
  const ring = shareMemory(memory, offset, plan.ringBytes);
  const frames: SharedRange[] = [];
  const verdicts = offset + plan.ringBytes;
  const copies = verdicts + plan.verdictBytes;
  if (plan.copyBytes > 0) {
    const range = shareMemory(memory, copies, plan.copyBytes);
    frames.push({ ...range, place: (base) => held.configure({ base }) });
  }
  held.configure({
    ring: offset,
    entries: plan.entries,
    limit,
    taps_count: taps,
    verdicts: plan.verdictBytes > 0 ? verdicts : 0,
    copies: plan.copyBytes > 0 ? copies : 0,
    verdict_late: FORWARD_VERDICTS.indexOf(verdictLate),
  });
  held.setAge(BigInt(Math.round(ageMs * 1e6)));
  return { memory, ring, frames };
}

/** Backs a range of a sandbox's memory so that extensions can see it; its contents are lost. */
export function shareMemory(
  memory: WebAssembly.Memory,
  offset: number,
  bytes: number,
  hugePages: "try" | "off" = "off",
): SharedRange {
  const { memfdFd } = backMemory(memory, { offset, size: bytes, hugePages, memfd: true });
  return { fd: memfdFd!, bytes };
}

/** Closes the descriptors of what was shared; memory that is mapped stays. */
export function closeHeld(held: HeldMemory | undefined): void {
  if (held === undefined) return;
  for (const { fd } of [held.ring, ...held.frames]) closeSync(fd);
}
