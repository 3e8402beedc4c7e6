/** A sound manifest head, for tests to bend. */
import type { ManifestHead } from "../../lib/manifest.js";
import { DROP_CAUSES, FRAME_REASONS } from "../../lib/reasons.js";

const zeros = <T extends string>(names: readonly T[]): Record<T, number> =>
  Object.fromEntries(names.map((name) => [name, 0])) as Record<T, number>;

export const exampleHead = (changes: Partial<ManifestHead> = {}): ManifestHead => ({
  software: "sparsewire test",
  sensor: "test-1",
  run: "0123456789abcdef",
  sequence: 7,
  interface: "eth0",
  mode: "mirror",
  effective: { attach: "native", bind: "copy", queues: 1 },
  start: 1_700_000_000_000_000_001n,
  end: 1_700_000_001_000_000_001n,
  sealed_by: "clock",
  frames: 4,
  packets: 3,
  bytes: 300,
  reasons: { ...zeros(FRAME_REASONS), ipv4: 2, ipv6: 1, arp: 1 },
  drops: zeros(DROP_CAUSES),
  late: 0,
  sampling: 1,
  anonymization: { scheme: "none", key_id: null },
  byte_order: "big",
  ipv6: null,
  intervals: 1,
  ...changes,
});
