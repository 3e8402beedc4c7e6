/**
 * One sealed interval as bytes: a POSIX tar with manifest.json first, then the members it lists with size and
 * SHA-256. The spool file, the message to the aggregator and the file in its store are all these same bytes.
 */
import { createHash } from "node:crypto";
import { EXIT, SparsewireError } from "./errors.js";
import { ARCHIVE_FORMAT, type Manifest, type ManifestHead } from "./manifest.js";
import { checkManifest, MANIFEST_BYTES_MAX, manifestJson, parseManifest } from "./manifest-json.js";
import { readTar, type TarMember, writeTar } from "./tar.js";

export { DICT_RECORD_BYTES, Dict, type DictEntry, mergeDicts, readDict, writeDict } from "./dict.js";
export { manifestJson, parseManifest } from "./manifest-json.js";

/** Names of the members, in their order in the tar. IPv6 members only where there was IPv6. */
export const MEMBERS = {
  packets4: "links4.packets.grb",
  bytes4: "links4.bytes.grb",
  packets6: "links6.packets.grb",
  bytes6: "links6.bytes.grb",
  dict6: "links6.dict",
  /** Only of sampled intervals: what was offered, estimated. */
  estimatePackets4: "links4.estimate.packets.grb",
  estimateBytes4: "links4.estimate.bytes.grb",
  estimatePackets6: "links6.estimate.packets.grb",
  estimateBytes6: "links6.estimate.bytes.grb",
  quantities: "quantities.json",
} as const;
const MANIFEST_NAME = "manifest.json";

export interface DecodedArchive {
  manifest: Manifest;
  /** A view of a member's bytes, or undefined when the archive has no such member. */
  member(name: string): Uint8Array | undefined;
  /** All members but the manifest, in the order of the tar; views into the archive. */
  members: readonly TarMember[];
}

/** The bytes of an archive; throws BAD_MANIFEST when the head contradicts itself. Same input, same bytes. */
export function encodeArchive(head: ManifestHead, members: readonly TarMember[]): Uint8Array<ArrayBuffer> {
  const manifest = checkManifest({
    ...head,
    format: ARCHIVE_FORMAT,
    members: members.map(({ name, data }) => ({ name, size: data.length, sha256: sha256(data) })),
  });
  const text = new TextEncoder().encode(manifestJson(manifest));
  const mtime = Number(manifest.end / 1_000_000_000n);
  return writeTar([{ name: MANIFEST_NAME, data: text }, ...members], { mtime });
}

/**
 * Opens an archive: BAD_TAR, BAD_MANIFEST or BAD_ARCHIVE when the tar, the manifest, or the two together are not
 * sound. `verify: false` leaves out the SHA-256 of the members (for archives this process has verified before). A manifest
 * longer than `manifestBytesMax` is not parsed.
 */
export function decodeArchive(
  bytes: Uint8Array,
  options: { verify?: boolean; manifestBytesMax?: number } = {},
): DecodedArchive {
  const [first, ...members] = readTar(bytes).members;
  if (first?.name !== MANIFEST_NAME) throw badArchive(`its first member is not ${MANIFEST_NAME}`);
  if (first.data.length > (options.manifestBytesMax ?? MANIFEST_BYTES_MAX))
    throw badArchive(`its manifest is absurdly long (${first.data.length} bytes)`);
  const manifest = parseManifest(new TextDecoder().decode(first.data));
  const byName = new Map(members.map((member) => [member.name, member.data]));
  if (byName.size !== members.length) throw badArchive("it has two members of one name");
  if (members.length !== manifest.members.length) {
    throw badArchive(`it has ${members.length} members, its manifest lists ${manifest.members.length}`);
  }
  for (const { name, size, sha256: expected } of manifest.members) {
    const data = byName.get(name);
    if (data === undefined) throw badArchive(`${name} is missing`);
    if (data.length !== size) throw badArchive(`${name} has ${data.length} bytes, its manifest says ${size}`);
    if (options.verify !== false && sha256(data) !== expected) {
      throw badArchive(`${name} is not what its SHA-256 in the manifest says`, "BAD_DIGEST");
    }
  }
  return { manifest, members, member: (name) => byName.get(name) };
}

/** What an archive's file name tells without opening it. */
export interface ArchiveIdentity {
  /** Start of the interval, ns since 1970 UTC. */
  start: bigint;
  sensor: string;
  run: string;
  sequence: number;
}

/** File name of an archive; names sort by start. */
export const archiveName = (identity: ArchiveIdentity): string => {
  const { start, sensor, run, sequence } = identity;
  return `${start.toString().padStart(20, "0")}-${sensor}-${run}-${sequence.toString().padStart(12, "0")}.tar`;
};

/** The identity in a file name, or undefined when it is not an archive's name. */
export function parseArchiveName(name: string): ArchiveIdentity | undefined {
  const match = /^(\d{20})-([A-Za-z0-9][A-Za-z0-9._-]{0,62})-([0-9a-f]{16})-(\d{12,16})\.tar$/.exec(name);
  if (match === null) return undefined;
  const identity = {
    start: BigInt(match[1]!),
    sensor: match[2]!,
    run: match[3]!,
    sequence: Number(match[4]),
  };
  return archiveName(identity) === name ? identity : undefined;
}

const sha256 = (data: Uint8Array): string => createHash("sha256").update(data).digest("hex");

const badArchive = (what: string, code = "BAD_ARCHIVE"): SparsewireError =>
  new SparsewireError(code, `not a sound archive: ${what}`, {
    exit: EXIT.badInput,
    mend: "fetch or write the archive again",
  });
