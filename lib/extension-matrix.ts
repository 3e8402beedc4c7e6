/**
 * The matrices of extensions beside those of the links: members `ext.NAME.grb` (GrB_UINT64, 2^60 x 2^60) and, where keys are
 * hashes, `ext.NAME.dict`. The manifest's `extensions` says what the keys are and how values combine.
 */
import type { GraphBLAS, Matrix } from "graphblas-wasm";
import type { AddressMap } from "./anonymize.js";
import type { DecodedArchive } from "./archive.js";
import { EXIT, SparsewireError } from "./errors.js";
import type { Combine } from "./extension-abi.js";
import { type ExtensionDict, type Label, readExtensionDict, writeExtensionDict } from "./extension-dict.js";
import { holdsText, keyPrinter, partsOf } from "./extension-keys.js";
import { IPV6_HASH_KEY_DEFAULT, ipv6Index } from "./ipv6-index.js";
import type { Manifest } from "./manifest.js";
import type { TarMember } from "./tar.js";

export const EXTENSION_DIMENSION = 1n << 60n;

export interface ExtensionKeys {
  row: { name: string; kind: string };
  column: { name: string; kind: string };
  value: string;
  combine: Combine;
}
export interface ExtensionMatrix {
  keys: ExtensionKeys;
  matrix: Matrix;
  dict: ExtensionDict;
}
export type ExtensionMatrices = Map<string, ExtensionMatrix>;

const memberNames = (name: string): { matrix: string; dict: string } => ({
  matrix: `ext.${name}.grb`,
  dict: `ext.${name}.dict`,
});

/** Opens what an archive has of extensions; throws BAD_ARCHIVE when a member does not fit. */
export function readExtensions(grb: GraphBLAS, archive: DecodedArchive): ExtensionMatrices | undefined {
  const said = Object.entries(archive.manifest.extensions ?? {});
  if (said.length === 0) return undefined;
  const found: ExtensionMatrices = new Map();
  try {
    for (const [name, { row, column, value, combine }] of said) {
      const members = memberNames(name);
      const blob = archive.member(members.matrix);
      if (blob === undefined) continue;
      const dict = archive.member(members.dict)?.slice() ?? new Uint8Array();
      found.set(name, openExtension(grb, { row, column, value, combine }, blob, dict));
    }
  } catch (error) {
    disposeExtensions(found);
    throw error;
  }
  return found;
}

/** A matrix from its members; throws BAD_ARCHIVE when they are not sound. `dict` is kept. */
export function openExtension(
  grb: GraphBLAS,
  { row, column, value, combine }: ExtensionKeys,
  blob: Uint8Array,
  dict: Uint8Array,
): ExtensionMatrix {
  const labels = readExtensionDict(dict);
  const matrix = grb.deserialize(blob);
  if (matrix.nrows === EXTENSION_DIMENSION && matrix.ncols === EXTENSION_DIMENSION) {
    return { keys: { row, column, value, combine }, matrix, dict: labels };
  }
  matrix.dispose();
  throw bad("the matrix of an extension is not 2^60 x 2^60");
}

export function disposeExtensions(extensions: ExtensionMatrices | undefined): void {
  for (const { matrix } of extensions?.values() ?? []) matrix.dispose();
}

export function extensionMembers(extensions: ExtensionMatrices | undefined): TarMember[] {
  return [...(extensions ?? [])].flatMap(([name, { matrix, dict }]) => {
    const members = memberNames(name);
    const data = [{ name: members.matrix, data: matrix.serialize() }];
    return dict.size === 0 ? data : [...data, { name: members.dict, data: writeExtensionDict(dict) }];
  });
}

/** Members of what comes as bytes. */
export const extensionBlobs = (name: string, blob: Uint8Array, dict: Uint8Array): TarMember[] => {
  const members = memberNames(name);
  const data = [{ name: members.matrix, data: blob }];
  return dict.length === 0 ? data : [...data, { name: members.dict, data: dict }];
};

/**
 * The sum, as new objects. Throws BAD_ARCHIVE where two extensions of one name say different things of their keys: they
 * are not the same extension.
 */
export function addExtensions(
  a: ExtensionMatrices | undefined,
  b: ExtensionMatrices | undefined,
): ExtensionMatrices | undefined {
  if (a === undefined && b === undefined) return undefined;
  const sum: ExtensionMatrices = new Map();
  try {
    for (const name of new Set([...(a?.keys() ?? []), ...(b?.keys() ?? [])])) {
      const [left, right] = [a?.get(name), b?.get(name)];
      const one = (left ?? right)!;
      if (left === undefined || right === undefined) sum.set(name, { ...one, matrix: one.matrix.dup() });
      else {
        if (JSON.stringify(left.keys) !== JSON.stringify(right.keys)) {
          throw bad(`two extensions are called ${name}, and their keys differ`);
        }
        sum.set(name, {
          keys: left.keys,
          matrix: left.matrix.eWiseAdd(right.matrix, left.keys.combine, "UINT64") as Matrix,
          dict: new Map([...left.dict, ...right.dict]),
        });
      }
    }
    return sum;
  } catch (error) {
    disposeExtensions(sum);
    throw error;
  }
}

/** Anonymises addresses in keys. Text cannot be: an extension with text in its keys is left out. New objects. */
export function mapExtensions(
  grb: GraphBLAS,
  extensions: ExtensionMatrices | undefined,
  map: AddressMap,
): ExtensionMatrices | undefined {
  if (extensions === undefined) return undefined;
  const mapped: ExtensionMatrices = new Map();
  for (const [name, { keys, matrix, dict }] of extensions) {
    if (holdsText(keys.row.kind) || holdsText(keys.column.kind)) continue;
    const labels = new Map<bigint, Label>();
    const { I, J, X } = matrix.extractTuples();
    const rows = mapKeys(I, keys.row.kind, dict, map, labels);
    const columns = mapKeys(J, keys.column.kind, dict, map, labels);
    const built = grb.build(
      "UINT64",
      EXTENSION_DIMENSION,
      EXTENSION_DIMENSION,
      rows,
      columns,
      X,
      keys.combine,
    );
    mapped.set(name, { keys, matrix: built as Matrix, dict: labels });
  }
  return mapped;
}

const IPV6_BIT = 1n << 55n;

function mapKeys(
  indices: BigUint64Array,
  kind: string,
  dict: ExtensionDict,
  map: AddressMap,
  labels: Map<bigint, Label>,
): BigUint64Array {
  let shift = 0n;
  let result = indices.slice();
  for (const part of partsOf(kind).toReversed()) {
    const mask = ((1n << part.bits) - 1n) << shift;
    const values = result.map((index) => (index & mask) >> shift);
    const fresh =
      part.kind === "ipv4" || part.kind === "address" ? mapAddresses(values, dict, map, labels) : values;
    if (part.kind === "number") keepLabels(values, dict, labels);
    result = result.map((index, i) => (index & ~mask) | (fresh[i]! << shift));
    shift += part.bits;
  }
  return result;
}

function keepLabels(values: BigUint64Array, dict: ExtensionDict, labels: Map<bigint, Label>): void {
  for (const value of values) {
    const label = dict.get(value);
    if (label?.kind === "number") labels.set(value, label);
  }
}

function mapAddresses(
  values: BigUint64Array,
  dict: ExtensionDict,
  map: AddressMap,
  labels: Map<bigint, Label>,
): BigUint64Array {
  const distinct = [...new Set(values)].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
  const four = distinct.filter((value) => value < IPV6_BIT);
  const fresh = map.map4(Uint32Array.from(four, (value) => Number(value & 0xffffffffn)));
  const to = new Map(four.map((value, i) => [value, BigInt(fresh[i]!)]));
  // A hash without its address cannot be mapped, and must not stay: it becomes the hash of nothing.
  const known = distinct
    .filter((value) => value >= IPV6_BIT)
    .map((value) => ({
      value,
      bytes: dict.get(value)?.kind === "ipv6" ? dict.get(value)!.bytes : new Uint8Array(16),
    }))
    .sort((a, b) => Buffer.compare(a.bytes, b.bytes));
  const addresses = new Uint8Array(16 * known.length);
  for (const [i, { bytes }] of known.entries()) addresses.set(bytes, 16 * i);
  const six = map.map6(addresses);
  for (const [i, { value }] of known.entries()) {
    const bytes = six.slice(16 * i, 16 * i + 16);
    const index = IPV6_BIT | (ipv6Index(IPV6_HASH_KEY_DEFAULT, bytes) & (IPV6_BIT - 1n));
    labels.set(index, { kind: "ipv6", bytes });
    to.set(value, index);
  }
  return values.map((value) => to.get(value)!);
}

/** The entries of a matrix, printed, in order of row and column. */
export function* extensionRows({ keys, matrix, dict }: ExtensionMatrix): Generator<[string, string, bigint]> {
  const [row, column] = [keyPrinter(keys.row.kind, dict), keyPrinter(keys.column.kind, dict)];
  const { I, J, X } = matrix.extractTuples();
  let [index, text] = [-1n, ""];
  for (let i = 0; i < I.length; i++) {
    if (I[i] !== index) {
      index = I[i]!;
      text = row(index);
    }
    yield [text, column(J[i]!), BigInt(X[i]!)];
  }
}

/** What a manifest says of the extensions of several intervals together. */
export function sumExtensionRecords(manifests: readonly Manifest[]): Manifest["extensions"] {
  const sum: NonNullable<Manifest["extensions"]> = {};
  for (const { extensions } of manifests) {
    for (const [name, record] of Object.entries(extensions ?? {})) {
      const before = sum[name];
      if (before === undefined) sum[name] = { ...record };
      else {
        for (const key of ["frames", "missed", "rows", "rows_lost", "events"] as const)
          before[key] += record[key];
        for (const key of ["labels_lost", "shed"] as const)
          if (record[key] !== undefined) before[key] = (before[key] ?? 0) + record[key];
        if (record.shed !== undefined && before.reason === undefined) before.reason = record.reason;
        if (record.status !== "running")
          Object.assign(before, { status: record.status, reason: record.reason });
      }
    }
  }
  return Object.keys(sum).length === 0 ? undefined : sum;
}

const bad = (what: string): SparsewireError =>
  new SparsewireError("BAD_ARCHIVE", `not a sound archive: ${what}`, {
    exit: EXIT.badInput,
    mend: "fetch or write the archive again",
  });
