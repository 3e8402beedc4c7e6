/**
 * Versions of an extension. Two extensions of one name whose keys, value or combination differ are not the same matrix (an
 * upgrade may change them), so a sum keeps them apart. Where there is one version it has the plain name, in members and
 * manifest; where there are several each is NAME@HASH, the hash being that of what it says of itself.
 */
import { createHash } from "node:crypto";
import type { Manifest } from "./manifest.js";

/** What a manifest says of one extension. */
export type ExtensionRecord = NonNullable<Manifest["extensions"]>[string];
/** What makes two matrices of one name addable. */
export type ExtensionKeys = Pick<ExtensionRecord, "row" | "column" | "value" | "combine">;

/** Records that a sum has at most; those that fewest intervals had give way. */
export const SUM_EXTENSIONS_MAX = 256;

const HASH_CHARS = 8;

/** The name without its version. */
export const plainName = (name: string): string => name.split("@", 1)[0]!;

/** NAME@HASH, whether the name has its hash already or not. */
export function versionName(name: string, { row, column, value, combine }: ExtensionKeys): string {
  const text = JSON.stringify([row.name, row.kind, column.name, column.kind, value, combine]);
  return `${plainName(name)}@${createHash("sha256").update(text).digest("hex").slice(0, HASH_CHARS)}`;
}

/** The same without making a hash that is there already: of names that are known to be their own. */
export const fullName = (name: string, keys: ExtensionKeys): string =>
  name.includes("@") ? name : versionName(name, keys);

/** Whether a name that carries a hash carries that of these keys. */
export const isOwnName = (name: string, keys: ExtensionKeys): boolean =>
  !name.includes("@") || versionName(name, keys) === name;

/** From names with versions to plain ones, wherever a name has one version only. In order of the names. */
export function shortNames<T>(versions: ReadonlyMap<string, T>): Map<string, T> {
  const count = new Map<string, number>();
  for (const name of versions.keys()) count.set(plainName(name), (count.get(plainName(name)) ?? 0) + 1);
  const sorted = [...versions].sort(([a], [b]) => (a < b ? -1 : 1));
  return new Map(
    sorted.map(([name, item]) => [count.get(plainName(name)) === 1 ? plainName(name) : name, item]),
  );
}

/** What a manifest says of the extensions of several intervals together; `omitted`: records that found no room. */
export function sumExtensionRecords(manifests: readonly Manifest[]): {
  extensions?: NonNullable<Manifest["extensions"]>;
  omitted: number;
} {
  const sum = new Map<string, ExtensionRecord>();
  let omitted = manifests.reduce((total, { extensions_omitted = 0 }) => total + extensions_omitted, 0);
  for (const { extensions } of manifests) {
    for (const [name, record] of Object.entries(extensions ?? {})) {
      const id = fullName(name, record);
      const before = sum.get(id);
      if (before === undefined) sum.set(id, { ...record, intervals: record.intervals ?? 1 });
      else addRecord(before, record);
    }
  }
  if (sum.size === 0 && omitted === 0) return { omitted };
  const byWeight = [...sum].sort(
    ([a, one], [b, other]) => other.intervals! - one.intervals! || (a < b ? -1 : 1),
  );
  omitted += Math.max(0, byWeight.length - SUM_EXTENSIONS_MAX);
  const kept = shortNames(new Map(byWeight.slice(0, SUM_EXTENSIONS_MAX)));
  return { extensions: Object.fromEntries(kept), omitted };
}

function addRecord(sum: ExtensionRecord, record: ExtensionRecord): void {
  for (const key of ["frames", "missed", "rows", "rows_lost", "events"] as const) sum[key] += record[key];
  for (const key of ["labels_lost", "shed"] as const)
    if (record[key] !== undefined) sum[key] = (sum[key] ?? 0) + record[key];
  if (record.shed !== undefined && sum.reason === undefined) sum.reason = record.reason;
  sum.intervals = sum.intervals! + (record.intervals ?? 1);
  if (record.status !== "running") Object.assign(sum, { status: record.status, reason: record.reason });
}
