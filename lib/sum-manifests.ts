/** The manifest of a sum of intervals: counters added, and which intervals are in it. */
import { sumExtensionRecords } from "./extension-versions.js";
import { type Manifest, type ManifestHead, SATURATED_MAX } from "./manifest.js";
import { sumShed } from "./sampling.js";
import { saturate } from "./saturation.js";

export interface SumIdentity {
  sensor: string;
  run: string;
  sequence: number;
  mode: "rollup" | "sum";
  software: string;
  start?: bigint;
  end?: bigint;
}

/** A sum has some rate, however little of it was counted. */
const SAMPLING_MIN = 2 ** -40;

type Parts = NonNullable<Manifest["parts"]>;

/**
 * Adds at least one manifest up. `parts` names every sealed interval that is in the sum, as ranges of sequence numbers
 * per (sensor, run): whoever holds the sum can tell a duplicate. start and end default to the hull of all. Counters
 * saturate: whatever the manifests say, the sum is one that can be written.
 */
export function sumManifests(manifests: readonly Manifest[], identity: SumIdentity): ManifestHead {
  const first = manifests[0];
  if (first === undefined) throw new Error("a sum of no intervals has no manifest");
  const sum = (value: (manifest: Manifest) => number): number =>
    manifests.reduce((total, manifest) => total + value(manifest), 0);
  const sumOf = <T extends string>(pick: (manifest: Manifest) => Record<T, number>): Record<T, number> =>
    Object.fromEntries(
      Object.keys(pick(first)).map((key) => [key, sum((manifest) => pick(manifest)[key as T])]),
    ) as Record<T, number>;
  const { extensions, omitted } = sumExtensionRecords(manifests);
  const frames = sum((manifest) => manifest.frames);
  const offered = sum((manifest) => manifest.frames / manifest.sampling);
  const shed = sumShed(manifests);
  const six = manifests.map((manifest) => manifest.ipv6).filter((ipv6) => ipv6 !== null);
  const same = <T>(pick: (manifest: Manifest) => T): T | undefined => {
    const value = pick(first);
    const text = JSON.stringify(value);
    return manifests.every((manifest) => JSON.stringify(pick(manifest)) === text) ? value : undefined;
  };
  const head: ManifestHead = {
    software: identity.software,
    sensor: identity.sensor,
    run: identity.run,
    sequence: identity.sequence,
    interface: same((manifest) => manifest.interface) ?? "",
    mode: identity.mode,
    effective: same((manifest) => manifest.effective) ?? null,
    start: identity.start ?? manifests.reduce((low, { start }) => (start < low ? start : low), first.start),
    end: identity.end ?? manifests.reduce((high, { end }) => (end > high ? end : high), first.end),
    sealed_by: same((manifest) => manifest.sealed_by) ?? "none",
    frames,
    packets: sum((manifest) => manifest.packets),
    bytes: sum((manifest) => manifest.bytes),
    reasons: sumOf((manifest) => manifest.reasons),
    drops: sumOf((manifest) => manifest.drops),
    late: sum((manifest) => manifest.late),
    sampling: offered === 0 ? 1 : Math.min(1, Math.max(SAMPLING_MIN, frames / offered)),
    ...(shed === undefined ? {} : { shed }),
    anonymization: same((manifest) => manifest.anonymization) ?? { scheme: "mixed", key_id: null },
    byte_order: first.byte_order,
    ipv6:
      six.length === 0
        ? null
        : {
            ...six[0]!,
            addresses: Math.max(...six.map(({ addresses }) => addresses)),
            collisions: six.reduce((total, { collisions }) => total + collisions, 0),
          },
    intervals: sum((manifest) => manifest.intervals),
    parts: mergeParts(manifests),
    ...(extensions === undefined ? {} : { extensions }),
    ...(omitted === 0 ? {} : { extensions_omitted: omitted }),
  };
  return withSaturation(head, new Set(manifests.flatMap(({ saturated }) => saturated ?? [])));
}

/** Cuts what is beyond 2^53 - 1, and adds its names to those that are known. */
export function withSaturation(head: ManifestHead, names: Set<string>): ManifestHead {
  const { parts, ...counters } = head;
  saturate(counters, "", names);
  if (names.size === 0) return head;
  const saturated = [...names].map((name) => name.slice(0, 100)).sort();
  return { ...head, ...counters, saturated: saturated.slice(0, SATURATED_MAX) };
}

/** Sequence ranges [first, last] per (sensor, run), sorted and joined. */
function mergeParts(manifests: readonly Manifest[]): Parts {
  const runs = new Map<string, { sensor: string; run: string; ranges: [number, number][] }>();
  for (const manifest of manifests) {
    const parts: Parts = manifest.parts ?? [
      { sensor: manifest.sensor, run: manifest.run, ranges: [[manifest.sequence, manifest.sequence]] },
    ];
    for (const { sensor, run, ranges } of parts) {
      const key = `${sensor}/${run}`;
      const known = runs.get(key) ?? { sensor, run, ranges: [] };
      for (const [low, high] of ranges) known.ranges.push([low, high]);
      runs.set(key, known);
    }
  }
  return [...runs.values()].map(({ sensor, run, ranges }) => ({ sensor, run, ranges: joinRanges(ranges) }));
}

/** Overlapping and adjacent ranges become one. */
export function joinRanges(ranges: [number, number][]): [number, number][] {
  const joined: [number, number][] = [];
  for (const [low, high] of ranges.toSorted((a, b) => a[0] - b[0])) {
    const last = joined.at(-1);
    if (last !== undefined && low <= last[1] + 1) last[1] = Math.max(last[1], high);
    else joined.push([low, high]);
  }
  return joined;
}
