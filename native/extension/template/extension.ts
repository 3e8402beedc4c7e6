// SPDX-License-Identifier: Apache-2.0
/** A first extension in AssemblyScript: wire bytes by IPv4 source and destination. Change it to what you want to know. */
import {
  bytesOf,
  capturedOf,
  description,
  frameAt,
  linkTypeOf,
  row,
  setIo,
  u16At,
  u32At,
  wireOf,
} from "./sparsewire";

export function describe(): usize {
  return description("sparsewire/1 row=source:ipv4 column=destination:ipv4 value=bytes");
}

export function start(io: usize): void {
  setIo(io);
}

export function batch(frames: usize, count: u32): void {
  for (let i: u32 = 0; i < count; i++) {
    const frame = frameAt(frames, i);
    const p = bytesOf(frame);
    if (linkTypeOf(frame) !== 1 || capturedOf(frame) < 34 || u16At(p + 12) !== 0x0800) continue;
    row(u32At(p + 26), u32At(p + 30), wireOf(frame));
  }
}
