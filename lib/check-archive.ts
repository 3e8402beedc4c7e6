/**
 * Is the archive of an interval sound as matrices? Whatever passes can be added to any sum: its members are those that the
 * manifest speaks of, planes of a family have one pattern, entries are sorted and unique, values add up to the manifest's
 * counts, every IPv6 index has its address.
 *
 * The work is bounded before anything is decoded: blobs say in their headers how many entries they decode to.
 * quantities.json is not compared: it is there for readers without GraphBLAS, and nothing here ever reads it.
 */
import type { GraphBLAS, Matrix } from "graphblas-wasm";
import { type DecodedArchive, MEMBERS } from "./archive.js";
import { checkInterval } from "./check-interval.js";
import { type Dict, readDict } from "./dict.js";
import { EXIT, SparsewireError } from "./errors.js";
import {
  disposeExtensions,
  EXTENSION_DIMENSION,
  extensionMemberNames,
  readExtensions,
} from "./extension-matrix.js";
import { type BlobClaims, readBlobClaims } from "./grb-header.js";
import { ipv6Indices } from "./ipv6-hash.js";
import { IPV6_HASH_KEY_DEFAULT, IPV6_HASH_KEY_ID_DEFAULT, keyWords } from "./ipv6-index.js";
import type { Manifest } from "./manifest.js";
import { DIMENSION4, DIMENSION6, disposePlanes, type PlanePair, readFamily } from "./traffic.js";

/** Entries and rows of all matrices together that an archive may decode to, each plane of a family counted once. */
export interface CheckLimits {
  linksMax: number;
}

const QUANTITIES_BYTES_MAX = 1 << 16;

/**
 * Throws NOT_AN_INTERVAL, BAD_MANIFEST, BAD_ARCHIVE, BAD_DICT, TOO_MANY_LINKS, or GrBError for a blob that is not sound
 * (GrB_OUT_OF_MEMORY: for one that does not fit).
 */
export function checkArchive(grb: GraphBLAS, archive: DecodedArchive, { linksMax }: CheckLimits): void {
  const { manifest } = archive;
  checkInterval(manifest);
  checkMembers(archive);
  const links = checkClaims(archive);
  if (links > linksMax) throw tooMany(links, linksMax);
  const four = checkFamily(grb, archive, 4);
  const six = checkFamily(grb, archive, 6);
  const says = (what: string, sum: bigint, count: number): void => {
    if (sum !== BigInt(count)) throw bad(`its ${what} add up to ${sum}, its manifest says ${count}`);
  };
  says("IPv4 packets", four.packets, manifest.reasons.ipv4);
  says("IPv6 packets", six.packets, manifest.reasons.ipv6);
  says("bytes", four.bytes + six.bytes, manifest.bytes);
  disposeExtensions(readExtensions(grb, archive, { sorted: true }));
}

/** Members: of the links, and of extensions of which the manifest speaks. */
function checkMembers({ manifest, members, member }: DecodedArchive): void {
  const extensions = Object.keys(manifest.extensions ?? {}).map(extensionMemberNames);
  const known = new Set<string>([
    ...Object.values(MEMBERS),
    ...extensions.flatMap(({ matrix, dict }) => (member(matrix) === undefined ? [matrix] : [matrix, dict])),
  ]);
  const foreign = members.find(({ name }) => !known.has(name));
  if (foreign !== undefined) throw bad(`${foreign.name.slice(0, 100)} is no member of such an archive`);
  if ((member(MEMBERS.quantities)?.length ?? 0) > QUANTITIES_BYTES_MAX)
    throw bad(`${MEMBERS.quantities} is absurdly long`);
}

/** What the blobs say they are; entries (or rows, if more) of all of them, planes of one family counted once. */
function checkClaims(archive: DecodedArchive): number {
  let links = 0;
  for (const family of [4, 6] as const) {
    const dimension = family === 4 ? DIMENSION4 : DIMENSION6;
    const names = [
      [MEMBERS[`packets${family}`], false],
      [MEMBERS[`bytes${family}`], true],
      [MEMBERS[`estimatePackets${family}`], true],
      [MEMBERS[`estimateBytes${family}`], true],
    ] as const;
    const sizes = names.map(([name, isWide]) => claimOf(archive, name, dimension, isWide)?.size);
    const [packets, bytes, ...estimate] = sizes;
    const planes = [bytes, ...(estimate.some((size) => size !== undefined) ? estimate : [])];
    if (planes.some((size) => size !== packets)) throw bad(`its planes of links${family} differ in size`);
    links += packets ?? 0;
  }
  for (const name of Object.keys(archive.manifest.extensions ?? {}))
    links += claimOf(archive, extensionMemberNames(name).matrix, EXTENSION_DIMENSION, true)?.size ?? 0;
  return links;
}

function claimOf(
  archive: DecodedArchive,
  name: string,
  dimension: bigint,
  isWide: boolean,
): (BlobClaims & { size: number }) | undefined {
  const blob = archive.member(name);
  if (blob === undefined) return undefined;
  const claims = readBlobClaims(blob);
  if (claims.nrows !== dimension || claims.ncols !== dimension)
    throw bad(`${name} is ${claims.nrows} x ${claims.ncols}, not ${dimension} x ${dimension}`);
  if (claims.type === undefined || (isWide && claims.type !== "UINT64"))
    throw bad(`${name} is not of type ${isWide ? "UINT64" : "UINT32 or UINT64"}`);
  if (!claims.isCanonical) throw bad(`${name} is not hypersparse by row`);
  return { ...claims, size: Math.max(claims.entries, claims.rows) };
}

/** Sums of the planes of a family, once its matrices, estimates and dictionary are known to be sound. */
function checkFamily(
  grb: GraphBLAS,
  archive: DecodedArchive,
  family: 4 | 6,
): { packets: bigint; bytes: bigint } {
  const planes = readFamily(grb, archive, family, { sorted: true });
  const { manifest } = archive;
  try {
    if (family === 6) checkDict(archive, planes?.packets);
    if (planes === undefined) return { packets: 0n, bytes: 0n };
    const sums = sumsOf(planes, manifest);
    if (planes.estimate !== undefined) {
      if (manifest.sampling === 1) throw bad("it has estimates, though nothing was sampled");
      const factor = BigInt(Math.round(1 / manifest.sampling));
      const estimates = {
        packets: exactSum(planes.estimate.packets),
        bytes: exactSum(planes.estimate.bytes),
      };
      if (estimates.packets !== sums.packets * factor || estimates.bytes !== sums.bytes * factor)
        throw bad("its estimates are not what was counted, divided by its sampling rate");
    }
    return sums;
  } finally {
    disposePlanes(planes);
  }
}

function sumsOf({ packets, bytes }: PlanePair, manifest: Manifest): { packets: bigint; bytes: bigint } {
  if (BigInt(packets.reduce("min")) === 0n) throw bad("a link of it has no packet");
  const sums = { packets: exactSum(packets), bytes: exactSum(bytes) };
  if (sums.packets > BigInt(manifest.packets) || sums.bytes > BigInt(manifest.bytes))
    throw bad("its matrices hold more than its manifest counts");
  return sums;
}

/** The sum of the values, beyond 2^64 as well. */
export function exactSum(matrix: Matrix): bigint {
  const most = BigInt(matrix.reduce("max")) * BigInt(matrix.nvals);
  if (matrix.nvals === 0) return 0n;
  if (most < 2n ** 64n) return BigInt(matrix.reduce("plus"));
  let sum = 0n;
  for (const value of matrix.extractTuples().X) sum += BigInt(value);
  return sum;
}

/** The dictionary has every index of the matrix; under the common key each is the hash of its address. */
function checkDict({ manifest, member }: DecodedArchive, packets: Matrix | undefined): void {
  const bytes = member(MEMBERS.dict6);
  const says = manifest.ipv6;
  if ((bytes === undefined) !== (says === null) || (packets === undefined) !== (says === null))
    throw bad(
      `${MEMBERS.dict6}, the IPv6 matrices and what the manifest says of them do not belong together`,
    );
  if (bytes === undefined || packets === undefined || says === null) return;
  const dict = readDict(bytes);
  if (dict.count !== says.addresses)
    throw bad(`${MEMBERS.dict6} has ${dict.count} addresses, its manifest says ${says.addresses}`);
  if (says.key_id === IPV6_HASH_KEY_ID_DEFAULT) {
    const indices = ipv6Indices(keyWords(IPV6_HASH_KEY_DEFAULT), dict.addresses());
    if (indices.some((index, at) => index !== dict.indexAt(at)))
      throw bad(`${MEMBERS.dict6} has an address under an index that is not its own`);
  }
  requireAddresses(dict, packets);
}

/** Throws BAD_ARCHIVE unless the dictionary has every index of the matrix. */
export function requireAddresses(dict: Dict, matrix: Matrix): void {
  const { Ah, Aj } = matrix.toHyperCSR();
  if (!holdsAll(dict, Ah) || !holdsAll(dict, Aj.sort())) throw bad("an IPv6 index is not in the dictionary");
}

/** Whether all of the ascending indices are in the dictionary, which ascends as well. */
function holdsAll(dict: Dict, indices: BigUint64Array): boolean {
  let record = 0;
  for (const index of indices) {
    while (record < dict.count && dict.indexAt(record) < index) record++;
    if (record === dict.count || dict.indexAt(record) !== index) return false;
  }
  return true;
}

const tooMany = (links: number, linksMax: number): SparsewireError =>
  new SparsewireError(
    "TOO_MANY_LINKS",
    `the archive holds ${links} links, more than limits.archive_links_max (${linksMax})`,
    {
      exit: EXIT.badInput,
      mend: "seal shorter intervals or lower memory.link_budget of the sensor, or raise limits.archive_links_max here",
    },
  );

const bad = (what: string): SparsewireError =>
  new SparsewireError("BAD_ARCHIVE", `not a sound archive: ${what}`, {
    exit: EXIT.badInput,
    mend: "send the interval as the sensor wrote it",
  });
