/**
 * Traffic: the matrices of one interval, or of a sum of intervals. Packets and bytes are two value planes over one
 * pattern of links; IPv4 and IPv6 are apart, because their index spaces are (2^32 and 2^60).
 */
import {
  addPlanes as addValuePlanes,
  type GraphBLAS,
  type HyperCSR,
  type Matrix,
  quantitiesOfPlanes,
  serializePlanes,
  sharePattern,
} from "graphblas-wasm";
import { type DecodedArchive, encodeArchive, MEMBERS, mergeDicts } from "./archive.js";
import { readDict, writeDict } from "./dict.js";
import { EXIT, SparsewireError } from "./errors.js";
import {
  addExtensions,
  disposeExtensions,
  type ExtensionMatrices,
  extensionMembers,
  readExtensions,
} from "./extension-matrix.js";
import { ipv6Indices } from "./ipv6-hash.js";
import { IPV6_HASH_KEY_DEFAULT, IPV6_HASH_KEY_ID_DEFAULT, keyWords } from "./ipv6-index.js";
import type { ManifestHead } from "./manifest.js";
import { boundSum, cutValues, mayWrap } from "./saturation.js";
import type { TarMember } from "./tar.js";

/** Width of the index spaces: IPv4 addresses as numbers, IPv6 addresses as keyed 60-bit hashes. */
export const DIMENSION4 = 1n << 32n;
export const DIMENSION6 = 1n << 60n;

/** Two planes over one pattern. */
export interface PlanePair {
  packets: Matrix;
  bytes: Matrix;
}

/** What was counted; where some of it was sampled, also what was offered, estimated, over the same pattern. */
export interface Planes extends PlanePair {
  estimate?: PlanePair;
}

export interface Planes6 extends Planes {
  /** links6.dict bytes: which address an index stands for. */
  dict: Uint8Array;
  /** Key of the index hash; matrices of different keys cannot be added as they are. */
  keyId: string;
}

/** Owns its matrices: dispose() frees them all. A family without a packet is absent. */
export interface Traffic {
  v4?: Planes;
  v6?: Planes6;
  /** Matrices of extensions, by name. */
  extensions?: ExtensionMatrices;
  dispose(): void;
}

/** The nine quantities of the Graph Challenge for one matrix, as JSON numbers. */
export type QuantityName =
  | "n_packets"
  | "n_links"
  | "n_sources"
  | "n_destinations"
  | "max_packets"
  | "max_source_packets"
  | "max_fan_out"
  | "max_destination_packets"
  | "max_fan_in";
export type Quantities = Record<QuantityName, number>;
export type MatrixName = "links4.packets" | "links4.bytes" | "links6.packets" | "links6.bytes";

/** The quantities of a matrix without a link. */
export const NOTHING: Quantities = {
  n_packets: 0,
  n_links: 0,
  n_sources: 0,
  n_destinations: 0,
  max_packets: 0,
  max_source_packets: 0,
  max_fan_out: 0,
  max_destination_packets: 0,
  max_fan_in: 0,
};

export function makeTraffic(
  v4: Planes | undefined,
  v6: Planes6 | undefined,
  extensions?: ExtensionMatrices,
): Traffic {
  const traffic: Traffic = {
    dispose() {
      for (const planes of [this.v4, this.v6]) disposePlanes(planes);
      disposeExtensions(this.extensions);
    },
  };
  if (v4 !== undefined) traffic.v4 = v4;
  if (v6 !== undefined) traffic.v6 = v6;
  if (extensions !== undefined) traffic.extensions = extensions;
  return traffic;
}

export function disposePlanes(planes: Planes | undefined): void {
  planes?.packets.dispose();
  planes?.bytes.dispose();
  planes?.estimate?.packets.dispose();
  planes?.estimate?.bytes.dispose();
}

/** Adds the estimates of an interval of one sampling rate: each value divided by it. Unbiased (sampling.ts). */
export function estimateTraffic(traffic: Traffic, sampling: number): void {
  const factor = BigInt(Math.round(1 / sampling));
  const scale = (matrix: Matrix): Matrix => matrix.applySecond("times", factor, { type: "UINT64" });
  for (const planes of [traffic.v4, traffic.v6]) {
    if (planes !== undefined)
      planes.estimate = { packets: scale(planes.packets), bytes: scale(planes.bytes) };
  }
}

/** Both planes of one family from HyperCSR arrays that share a pattern; undefined where there is no link. */
export function planesOf(
  grb: GraphBLAS,
  dimension: bigint,
  pattern: Omit<HyperCSR, "Ax">,
  packets: Uint32Array | BigUint64Array,
  bytes: BigUint64Array,
): Planes | undefined {
  if (packets.length === 0) return undefined;
  const type = packets instanceof Uint32Array ? "UINT32" : "UINT64";
  const [first, second] = grb.fromHyperCSRPlanes([type, "UINT64"], dimension, dimension, pattern, [
    packets,
    bytes,
  ]);
  return { packets: first!, bytes: second! };
}

/**
 * Opens the matrices of an archive. IPv6 indices of a key other than the common one are computed anew from the
 * dictionary, so that archives of different sensors can be added. Throws BAD_ARCHIVE when a member does not fit.
 */
export function trafficOf(grb: GraphBLAS, archive: DecodedArchive): Traffic {
  const v4 = readFamily(grb, archive, 4);
  let v6: Planes6 | undefined;
  let extensions: ExtensionMatrices | undefined;
  try {
    extensions = readExtensions(grb, archive);
    const planes6 = readFamily(grb, archive, 6);
    const dict = archive.member(MEMBERS.dict6);
    if (planes6 !== undefined) {
      if (dict === undefined) throw bad(`${MEMBERS.dict6} is missing`);
      const keyId = archive.manifest.ipv6?.key_id ?? IPV6_HASH_KEY_ID_DEFAULT;
      v6 = { ...planes6, dict: dict.slice(), keyId };
      if (keyId !== IPV6_HASH_KEY_ID_DEFAULT) v6 = reindex(grb, v6);
    }
  } catch (error) {
    disposePlanes(v4);
    disposeExtensions(extensions);
    throw error;
  }
  return makeTraffic(v4, v6, extensions);
}

/**
 * The sum, as a new object; a and b stay. Values widen to UINT64 when 32 bits might not hold a sum, and stop short of 2^64:
 * `cut` names the matrices in which one did.
 */
export function addTraffic(a: Traffic, b: Traffic): Traffic & { collisions: number; cut: string[] } {
  let collisions = 0;
  const cut = new Set<string>();
  const v4 = addPlanes(a.v4, b.v4, "links4", cut);
  let v6: Planes6 | undefined;
  const planes6 = addPlanes(a.v6, b.v6, "links6", cut);
  if (planes6 !== undefined) {
    if (a.v6 !== undefined && b.v6 !== undefined && a.v6.keyId !== b.v6.keyId) {
      throw bad("IPv6 matrices under different hash keys cannot be added");
    }
    const merged = mergeDicts(a.v6?.dict ?? new Uint8Array(), b.v6?.dict ?? new Uint8Array());
    collisions = merged.collisions;
    v6 = { ...planes6, dict: merged.dict.slice(), keyId: (a.v6 ?? b.v6)!.keyId };
  }
  const extensions = addExtensions(a.extensions, b.extensions, cut);
  return Object.assign(makeTraffic(v4, v6, extensions), { collisions, cut: [...cut] });
}

/**
 * Archive bytes of a traffic, and the quantities that are in it; the manifest's digests are computed here. `more` are members
 * that are encoded already.
 */
export function encodeTraffic(
  grb: GraphBLAS,
  traffic: Traffic,
  head: ManifestHead,
  more: readonly TarMember[] = [],
): { archive: Uint8Array<ArrayBuffer>; quantities: Partial<Record<MatrixName, Quantities>> } {
  const members: { name: string; data: Uint8Array }[] = [];
  const empty = traffic.v4 === undefined ? emptyPlanes(grb, DIMENSION4) : undefined;
  const v4 = traffic.v4 ?? empty!;
  try {
    const [packets4, bytes4] = serializePlanes([v4.packets, v4.bytes]);
    members.push({ name: MEMBERS.packets4, data: packets4! }, { name: MEMBERS.bytes4, data: bytes4! });
  } finally {
    empty?.packets.dispose();
    empty?.bytes.dispose();
  }
  if (traffic.v6 !== undefined) {
    const [packets6, bytes6] = serializePlanes([traffic.v6.packets, traffic.v6.bytes]);
    members.push({ name: MEMBERS.packets6, data: packets6! }, { name: MEMBERS.bytes6, data: bytes6! });
    members.push({ name: MEMBERS.dict6, data: traffic.v6.dict });
  }
  for (const [family, planes] of [[4, traffic.v4] as const, [6, traffic.v6] as const]) {
    if (planes?.estimate === undefined) continue;
    const [packets, bytes] = serializePlanes([planes.estimate.packets, planes.estimate.bytes]);
    members.push({ name: MEMBERS[`estimatePackets${family}`], data: packets! });
    members.push({ name: MEMBERS[`estimateBytes${family}`], data: bytes! });
  }
  members.push(...extensionMembers(traffic.extensions, head.extensions), ...more);
  const quantities = quantitiesOf(traffic);
  // Every matrix that is a member has its quantities, an empty one too: silence is a statement.
  const none = traffic.v4 === undefined ? { "links4.packets": NOTHING, "links4.bytes": NOTHING } : {};
  const text = `${JSON.stringify({ ...none, ...quantities }, null, 1)}\n`;
  members.push({ name: MEMBERS.quantities, data: new TextEncoder().encode(text) });
  return { archive: encodeArchive(head, members), quantities };
}

/** The network quantities of each matrix that has a link. */
export function quantitiesOf(traffic: Traffic): Partial<Record<MatrixName, Quantities>> {
  const result: Partial<Record<MatrixName, Quantities>> = {};
  for (const [family, planes] of [["links4", traffic.v4] as const, ["links6", traffic.v6] as const]) {
    if (planes === undefined) continue;
    const [packets, bytes] = quantitiesOfPlanes([planes.packets, planes.bytes]);
    result[`${family}.packets`] = numbers(packets!);
    result[`${family}.bytes`] = numbers(bytes!);
  }
  return result;
}

export const quantitiesOfMatrix = (matrix: Matrix): Quantities => numbers(matrix.quantities());

const numbers = (quantities: Record<QuantityName, bigint | number>): Quantities =>
  Object.fromEntries(Object.entries(quantities).map(([name, value]) => [name, Number(value)])) as Quantities;

/**
 * What was counted, and the estimates if there are any, over one pattern; undefined without a link. `sorted`: as in
 * deserialize(). Throws BAD_ARCHIVE, and GrBError for a blob that is not sound.
 */
export function readFamily(
  grb: GraphBLAS,
  archive: DecodedArchive,
  family: 4 | 6,
  how: { sorted?: boolean } = {},
): Planes | undefined {
  const [packets, bytes] = [MEMBERS[`packets${family}`], MEMBERS[`bytes${family}`]];
  const planes: Planes | undefined = readPlanes(grb, archive, [packets, bytes], how);
  if (planes === undefined) return undefined;
  try {
    const names = [MEMBERS[`estimatePackets${family}`], MEMBERS[`estimateBytes${family}`]] as const;
    const estimate = readPlanes(grb, archive, names, how);
    if (estimate === undefined) return planes;
    planes.estimate = estimate;
    if (!sharePattern([planes.packets, estimate.packets, estimate.bytes]))
      throw bad("its estimates are of other links");
    return planes;
  } catch (error) {
    disposePlanes(planes);
    throw error;
  }
}

function readPlanes(
  grb: GraphBLAS,
  archive: DecodedArchive,
  [packetsName, bytesName]: readonly [string, string],
  how: { sorted?: boolean },
): PlanePair | undefined {
  const blobs = [archive.member(packetsName), archive.member(bytesName)] as const;
  if (blobs[0] === undefined && blobs[1] === undefined) return undefined;
  if (blobs[0] === undefined || blobs[1] === undefined) throw bad("it has one plane of a pair");
  const packets = grb.deserialize(blobs[0], how);
  let bytes: Matrix;
  try {
    bytes = grb.deserialize(blobs[1], how);
  } catch (error) {
    packets.dispose();
    throw error;
  }
  if (!sharePattern([packets, bytes])) {
    packets.dispose();
    bytes.dispose();
    throw bad("its planes are of different links");
  }
  if (packets.nvals > 0) return { packets, bytes };
  packets.dispose();
  bytes.dispose();
  return undefined;
}

function addPlanes(
  a: Planes | undefined,
  b: Planes | undefined,
  family: "links4" | "links6",
  cut: Set<string>,
): Planes | undefined {
  if (a === undefined || b === undefined) {
    const only = a ?? b;
    if (only === undefined) return undefined;
    const copy = ({ packets, bytes }: PlanePair): PlanePair => ({
      packets: packets.dup(),
      bytes: bytes.dup(),
    });
    return { ...copy(only), ...(only.estimate && { estimate: copy(only.estimate) }) };
  }
  // What was counted whole is its own estimate.
  const isSampled = a.estimate !== undefined || b.estimate !== undefined;
  const list = ({ packets, bytes, estimate = { packets, bytes } }: Planes): Matrix[] =>
    isSampled ? [packets, bytes, estimate.packets, estimate.bytes] : [packets, bytes];
  const { sums, wraps } = addBounded(list(a), list(b));
  const [packets, bytes, ...estimate] = sums;
  for (const [at, wrapping] of wraps.entries()) if (wrapping) cut.add(`${family}.${PLANES[at]}`);
  return {
    packets: packets!,
    bytes: bytes!,
    ...(isSampled && { estimate: { packets: estimate[0]!, bytes: estimate[1]! } }),
  };
}

const PLANES = ["packets", "bytes", "estimate.packets", "estimate.bytes"] as const;

/** Adds the planes up; values that would pass 2^64 stay above 2^63 instead of beginning again at 0. */
function addBounded(a: Matrix[], b: Matrix[]): { sums: Matrix[]; wraps: boolean[] } {
  const wraps = a.map((matrix, at) => mayWrap(matrix, b[at]!));
  const cut = (list: Matrix[]): Matrix[] =>
    list.map((matrix, at) => (wraps[at] ? cutValues(matrix) : matrix));
  const [left, right] = [cut(a), cut(b)];
  try {
    const sums = addValuePlanes(left, right);
    for (const [at, sum] of sums.entries()) boundSum(sum, left[at]!, right[at]!);
    return { sums, wraps };
  } finally {
    for (const [at, wrapping] of wraps.entries())
      if (wrapping) for (const matrix of [left[at]!, right[at]!]) matrix.dispose();
  }
}

function emptyPlanes(grb: GraphBLAS, dimension: bigint): Planes {
  const none = new BigUint64Array(0);
  const pattern = { Ap: new BigUint64Array(1), Ah: none, Aj: none };
  return {
    packets: grb.fromHyperCSR("UINT32", dimension, dimension, { ...pattern, Ax: new Uint32Array(0) }),
    bytes: grb.fromHyperCSR("UINT64", dimension, dimension, { ...pattern, Ax: none }),
  };
}

/** The same links under the common key; frees what it was given. */
function reindex(grb: GraphBLAS, v6: Planes6): Planes6 {
  const dict = readDict(v6.dict);
  const indexOf = new Map<bigint, bigint>();
  const indices = ipv6Indices(keyWords(IPV6_HASH_KEY_DEFAULT), dict.addresses());
  const entries = Array.from(indices, (index, i) => {
    indexOf.set(dict.indexAt(i), index);
    return { index, address: dict.addressAt(i) };
  });
  const rebuild = (matrix: Matrix): Matrix => {
    const { I, J, X } = matrix.extractTuples();
    const map = (index: bigint): bigint => {
      const found = indexOf.get(index);
      if (found === undefined) throw bad("an IPv6 index is not in the dictionary");
      return found;
    };
    return grb.build(matrix.type, DIMENSION6, DIMENSION6, I.map(map), J.map(map), X, "plus");
  };
  const both = ({ packets, bytes }: PlanePair): PlanePair => ({
    packets: rebuild(packets),
    bytes: rebuild(bytes),
  });
  const planes: Planes = { ...both(v6), ...(v6.estimate && { estimate: both(v6.estimate) }) };
  disposePlanes(v6);
  return { ...planes, dict: writeDict(entries), keyId: IPV6_HASH_KEY_ID_DEFAULT };
}

const bad = (what: string): SparsewireError =>
  new SparsewireError("BAD_ARCHIVE", `not a sound archive: ${what}`, {
    exit: EXIT.badInput,
    mend: "fetch or write the archive again",
  });
