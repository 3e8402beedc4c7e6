/** Writes a sandbox's configuration into its control block, before the thread that owns it runs init(). */
import { randomBytes } from "node:crypto";
import { ABI_VERSION, type MemoryLayout } from "../../lib/abi.js";
import type { ControlView } from "./control-view.js";

export interface SandboxSettings {
  /** Packets in a sub-window, as in the layout. */
  logEntries: number;
  linkBudget: number;
  addressBudget: number;
  hashKey: readonly [bigint, bigint];
  queues: number;
  windowPackets?: number;
  windowNs?: bigint;
  /** Only IPv4 packets make up windows and matrices; IPv6 packets are still counted by their reason. */
  ipv4Only?: boolean;
}

export function configureSandbox(
  control: ControlView,
  layout: MemoryLayout,
  settings: SandboxSettings,
): void {
  control.setU32("abi_version", ABI_VERSION);
  control.setU32("memory_pages", layout.pages);
  control.setU32("heap_offset", layout.heapOffset);
  control.setU32("heap_bytes", layout.heapBytes);
  control.setU32("log_entries", settings.logEntries);
  control.setU32("link_budget", settings.linkBudget);
  control.setU32("address_budget", settings.addressBudget);
  control.setU32("queue_count", settings.queues);
  control.setU32("file_buffer", layout.fileBuffer);
  control.setU32("file_buffer_bytes", layout.fileBufferBytes);
  control.setU32("ipv4_only", settings.ipv4Only === true ? 1 : 0);
  control.setU64("window_packets", BigInt(settings.windowPackets ?? 0));
  control.setU64("window_ns", settings.windowNs ?? 0n);
  control.setU64("hash_key", settings.hashKey[0], 0);
  control.setU64("hash_key", settings.hashKey[1], 1);
  control.setU64("table_key", randomBytes(8).readBigUInt64LE() | 1n);
}
