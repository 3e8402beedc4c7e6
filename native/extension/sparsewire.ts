// SPDX-License-Identifier: Apache-2.0
/**
 * Extensions of Sparsewire in AssemblyScript, ABI version 1: what sparsewire_extension.h is for C. Compile with
 * `asc extension.ts -o extension.wasm -O2 --importMemory --runtime stub --initialMemory 1`, as the template does.
 *
 * A batch is walked by `frameAt(frames, i)`; nothing is allocated for it. Allocate nothing in batch() yourself but for rare events:
 * the stub runtime never frees, and an extension that outgrows its memory_max is suspended.
 */

// Offsets in the io block, u32 each.
const ROWS_MAX = 12;
const ROWS = 16;
const COLUMNS = 20;
const VALUES = 24;
const EVENTS = 36;
const EVENTS_MAX = 40;
const VERDICTS = 44;
const ROWS_USED = 48;
const ROWS_LOST = 52;
const EVENTS_USED = 60;
const EVENTS_LOST = 64;
const FRAMES_MAX = 8;
const FRAME_BYTES = 24;

let io: usize = 0;

/** Call it from your start(). */
export function setIo(at: usize): void {
  io = at;
}

/** The text of describe(): its address, ending with a 0. */
export function description(text: string): usize {
  return changetype<usize>(String.UTF8.encode(text, true));
}

/** Adds to one entry of the matrix of this interval. */
export function row(rowKey: u64, columnKey: u64, value: u64): void {
  const at = load<u32>(io + ROWS_USED);
  if (at >= load<u32>(io + ROWS_MAX)) {
    store<u32>(io + ROWS_LOST, load<u32>(io + ROWS_LOST) + 1);
    return;
  }
  store<u64>(load<u32>(io + ROWS) + 8 * at, rowKey);
  store<u64>(load<u32>(io + COLUMNS) + 8 * at, columnKey);
  store<u64>(load<u32>(io + VALUES) + 8 * at, value);
  store<u32>(io + ROWS_USED, at + 1);
}

/** Says something in the sensor's log: level 0 info, 1 warning, 2 error. */
export function event(level: u32, text: string): void {
  const bytes = String.UTF8.encode(text);
  const length: u32 = min(<u32>bytes.byteLength, 1024);
  const at = load<u32>(io + EVENTS_USED);
  if (at > load<u32>(io + EVENTS_MAX) || load<u32>(io + EVENTS_MAX) - at < 4 + length) {
    store<u32>(io + EVENTS_LOST, load<u32>(io + EVENTS_LOST) + 1);
    return;
  }
  const out = load<u32>(io + EVENTS) + at;
  store<u8>(out, <u8>level);
  store<u8>(out + 1, 0);
  store<u16>(out + 2, <u16>length);
  memory.copy(out + 4, changetype<usize>(bytes), length);
  store<u32>(io + EVENTS_USED, at + 4 + length);
}

export const PASS: u32 = 1;
export const DROP: u32 = 2;
export const DIVERT: u32 = 3;

/** Mode inline: what becomes of frame i of the batch. */
export function verdict(i: u32, what: u32): void {
  if (i < load<u32>(io + FRAMES_MAX)) store<u8>(load<u32>(io + VERDICTS) + i, <u8>what);
}

export function frameAt(frames: usize, i: u32): usize {
  return frames + FRAME_BYTES * i;
}
/** Address of the first byte of a frame. */
export function bytesOf(frame: usize): usize {
  return load<u32>(frame);
}
/** Bytes of it that can be read. */
export function capturedOf(frame: usize): u32 {
  return load<u32>(frame, 4);
}
/** Bytes as it was sent. */
export function wireOf(frame: usize): u32 {
  return load<u32>(frame, 8);
}
/** As in capture files: 1 is Ethernet. */
export function linkTypeOf(frame: usize): u32 {
  return load<u32>(frame, 12) & 0xffff;
}
/** ns since 1970 UTC. */
export function timeOf(frame: usize): u64 {
  return load<u64>(frame, 16);
}

export function u16At(p: usize): u32 {
  return <u32>bswap<u16>(load<u16>(p));
}
export function u32At(p: usize): u32 {
  return bswap<u32>(load<u32>(p));
}
