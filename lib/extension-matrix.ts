/**
 * The matrices of extensions beside those of the links: members `ext.NAME.grb` (GrB_UINT64, 2^60 x 2^60) and, where keys are
 * hashes, `ext.NAME.dict`. The manifest's `extensions` says what the keys are and how values combine.
 */
import type { GraphBLAS, Matrix } from "graphblas-wasm";
import type { AddressMap } from "./anonymize.js";
import type { DecodedArchive } from "./archive.js";
import { EXIT, SparsewireError } from "./errors.js";
import { type ExtensionDict, type Label, readExtensionDict, writeExtensionDict } from "./extension-dict.js";
import { holdsText, keyPrinter, partsOf } from "./extension-keys.js";
import { type ExtensionKeys, fullName, isOwnName, shortNames } from "./extension-versions.js";
import { IPV6_HASH_KEY_DEFAULT, ipv6Index } from "./ipv6-index.js";
import type { Manifest } from "./manifest.js";
import { boundSum, cutValues, mayWrap } from "./saturation.js";
import type { TarMember } from "./tar.js";

export const EXTENSION_DIMENSION = 1n << 60n;

export type { ExtensionKeys } from "./extension-versions.js";
export interface ExtensionMatrix {
  keys: ExtensionKeys;
  matrix: Matrix;
  dict: ExtensionDict;
}
export type ExtensionMatrices = Map<string, ExtensionMatrix>;

export const extensionMemberNames = (name: string): { matrix: string; dict: string } => ({
  matrix: `ext.${name}.grb`,
  dict: `ext.${name}.dict`,
});

/** Opens what an archive has of extensions; throws BAD_ARCHIVE when a member does not fit. `how`: as deserialize(). */
export function readExtensions(
  grb: GraphBLAS,
  archive: DecodedArchive,
  how: { sorted?: boolean } = {},
): ExtensionMatrices | undefined {
  const said = Object.entries(archive.manifest.extensions ?? {});
  if (said.length === 0) return undefined;
  const found: ExtensionMatrices = new Map();
  try {
    for (const [name, { row, column, value, combine }] of said) {
      const members = extensionMemberNames(name);
      const keys = { row, column, value, combine };
      if (!isOwnName(name, keys)) throw bad(`${name} is not the version that its keys have`);
      const blob = archive.member(members.matrix);
      if (blob === undefined) continue;
      const dict = archive.member(members.dict)?.slice() ?? new Uint8Array();
      found.set(name, openExtension(grb, keys, blob, dict, how));
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
  how: { sorted?: boolean } = {},
): ExtensionMatrix {
  const labels = readExtensionDict(dict);
  const matrix = grb.deserialize(blob, how);
  if (matrix.nrows === EXTENSION_DIMENSION && matrix.ncols === EXTENSION_DIMENSION) {
    return { keys: { row, column, value, combine }, matrix, dict: labels };
  }
  matrix.dispose();
  throw bad("the matrix of an extension is not 2^60 x 2^60");
}

export function disposeExtensions(extensions: ExtensionMatrices | undefined): void {
  for (const { matrix } of extensions?.values() ?? []) matrix.dispose();
}

/** Members of an archive; named as in `records` where given, which then has all that are written. */
export function extensionMembers(
  extensions: ExtensionMatrices | undefined,
  records?: Manifest["extensions"],
): TarMember[] {
  const said =
    records && new Map(Object.entries(records).map(([name, keys]) => [fullName(name, keys), name]));
  return [...(extensions ?? [])].flatMap(([own, { keys, matrix, dict }]) => {
    const name = said === undefined ? own : said.get(fullName(own, keys));
    if (name === undefined) return [];
    const members = extensionMemberNames(name);
    const data = [{ name: members.matrix, data: matrix.serialize() }];
    return dict.size === 0 ? data : [...data, { name: members.dict, data: writeExtensionDict(dict) }];
  });
}

/** Members of what comes as bytes. */
export const extensionBlobs = (name: string, blob: Uint8Array, dict: Uint8Array): TarMember[] => {
  const members = extensionMemberNames(name);
  const data = [{ name: members.matrix, data: blob }];
  return dict.length === 0 ? data : [...data, { name: members.dict, data: dict }];
};

/** The sum, as new objects; versions are kept apart. `cut`: takes the names of those whose values had to be cut. */
export function addExtensions(
  a: ExtensionMatrices | undefined,
  b: ExtensionMatrices | undefined,
  cut: Set<string> = new Set(),
): ExtensionMatrices | undefined {
  if (a === undefined && b === undefined) return undefined;
  const sum: ExtensionMatrices = new Map();
  const [left, right] = [byVersion(a), byVersion(b)];
  try {
    for (const name of new Set([...left.keys(), ...right.keys()])) {
      const [one, other] = [left.get(name), right.get(name)];
      if (one !== undefined && other !== undefined) sum.set(name, addTwo(name, one, other, cut));
      else sum.set(name, { ...(one ?? other)!, matrix: (one ?? other)!.matrix.dup() });
    }
    return shortNames(sum);
  } catch (error) {
    disposeExtensions(sum);
    throw error;
  }
}

const byVersion = (extensions: ExtensionMatrices | undefined): ExtensionMatrices =>
  new Map([...(extensions ?? [])].map(([name, extension]) => [fullName(name, extension.keys), extension]));

function addTwo(name: string, a: ExtensionMatrix, b: ExtensionMatrix, cut: Set<string>): ExtensionMatrix {
  const { keys } = a;
  const wraps = keys.combine === "plus" && mayWrap(a.matrix, b.matrix);
  if (wraps) cut.add(`ext.${name}`);
  const [left, right] = wraps ? [cutValues(a.matrix), cutValues(b.matrix)] : [a.matrix, b.matrix];
  try {
    const matrix = left.eWiseAdd(right, keys.combine, "UINT64") as Matrix;
    boundSum(matrix, left, right);
    return { keys, matrix, dict: new Map([...a.dict, ...b.dict]) };
  } finally {
    if (wraps) for (const copy of [left, right]) copy.dispose();
  }
}

/** Frees and forgets the matrices of which the records say nothing. */
export function keepExtensions(
  extensions: ExtensionMatrices | undefined,
  records: Manifest["extensions"],
): void {
  const said = new Set(Object.entries(records ?? {}).map(([name, keys]) => fullName(name, keys)));
  for (const [name, { keys, matrix }] of extensions ?? []) {
    if (said.has(fullName(name, keys))) continue;
    matrix.dispose();
    extensions!.delete(name);
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

const bad = (what: string): SparsewireError =>
  new SparsewireError("BAD_ARCHIVE", `not a sound archive: ${what}`, {
    exit: EXIT.badInput,
    mend: "fetch or write the archive again",
  });
