/** Adding archives up, in a matrix worker: read one by one, the like-sized merged first. */
import { readFileSync, statSync } from "node:fs";
import { type GraphBLAS, GrBError } from "graphblas-wasm";

import { type DecodedArchive, decodeArchive } from "../../lib/archive.js";
import { requireAddresses } from "../../lib/check-archive.js";
import { checkInterval } from "../../lib/check-interval.js";
import { DICT_RECORD_BYTES, readDict } from "../../lib/dict.js";

import { SparsewireError } from "../../lib/errors.js";
import { keepExtensions } from "../../lib/extension-matrix.js";
import type { Manifest, ManifestHead } from "../../lib/manifest.js";
import { type SumIdentity, sumManifests, withSaturation } from "../../lib/sum-manifests.js";
import {
  addTraffic,
  DIMENSION4,
  DIMENSION6,
  makeTraffic,
  type Traffic,
  trafficOf,
} from "../../lib/traffic.js";
import type { PlannedFile } from "./plan.js";

/** Why a sum could not be made. stale: plan anew; bad: that file is not sound; memory: too large for the instance. */
export type SumFault = "stale" | "bad" | "memory" | "cancelled";

/** A file that is not sound, and why. */
export interface BadFile {
  path: string;
  why: string;
}

export class SumError extends Error {
  constructor(
    readonly fault: SumFault,
    message: string,
    /** The file at fault, for stale and bad. */
    readonly path = "",
    /** More files that are bad, for bad: they were found on the way. */
    readonly others: readonly BadFile[] = [],
  ) {
    super(message);
  }
}

/** bad, for at least one file. */
export const badFiles = ([first, ...others]: readonly BadFile[]): SumError =>
  new SumError("bad", first!.why, first!.path, others);

export interface Summed {
  traffic: Traffic;
  /** undefined when there was nothing to add. */
  head: ManifestHead | undefined;
}

interface Node {
  traffic: Traffic;
  head: ManifestHead;
  /** Entries of its matrices. */
  links: number;
}

export interface SumLimits {
  fileBytesMax: number;
  breathe: () => Promise<void>;
}

/** Files between two looks at whether the sum is still wanted. */
const FILES_PER_BREATH = 16;
/** Bad files that are told of at once. */
const BAD_FILES_MAX = 1000;

/**
 * The sum of the planned files. `breathe` is awaited now and then; it throws when the sum is no longer wanted.
 * A sum is merged with the one before it once it is half as large: each link is copied once per doubling, as in a
 * merge sort, and late archives beside a large roll-up do not copy it again and again.
 *
 * Throws SumError; "bad" names every file that cannot be read as matrices, once all have been tried.
 */
export async function sumFiles(
  grb: GraphBLAS,
  files: readonly PlannedFile[],
  identity: SumIdentity,
  limits: SumLimits,
): Promise<Summed> {
  const stack: Node[] = [];
  const bad: BadFile[] = [];
  try {
    for (const [at, file] of files.entries()) {
      if (at % FILES_PER_BREATH === 0) await limits.breathe();
      const node = readSound(grb, file, identity, { limits, bad });
      if (bad.length === BAD_FILES_MAX) break;
      if (node === undefined) continue;
      if (bad.length > 0) {
        // The sum will be planned anew without them: what is left is to find the others.
        node.traffic.dispose();
        continue;
      }
      stack.push(node);
      while (stack.length > 1 && stack.at(-2)!.links <= 2 * stack.at(-1)!.links) mergeTop(stack, identity);
    }
    if (bad.length > 0) throw badFiles(bad);
    while (stack.length > 1) mergeTop(stack, identity);
    const top = stack.pop();
    return { traffic: top?.traffic ?? makeTraffic(undefined, undefined), head: top?.head };
  } catch (error) {
    for (const { traffic } of stack) traffic.dispose();
    throw asMemoryFault(error);
  }
}

/** The same, but a file that is bad is added to the list. */
function readSound(
  grb: GraphBLAS,
  file: PlannedFile,
  identity: SumIdentity,
  { limits, bad }: { limits: SumLimits; bad: BadFile[] },
): Node | undefined {
  try {
    return readNode(grb, file, identity, limits.fileBytesMax);
  } catch (error) {
    if (!(error instanceof SumError) || error.fault !== "bad") throw error;
    bad.push({ path: file.path, why: error.message });
    return undefined;
  }
}

/** Opens one file; what is wrong with it is a SumError. */
function readNode(grb: GraphBLAS, file: PlannedFile, identity: SumIdentity, fileBytesMax: number): Node {
  try {
    if (statSync(file.path).size > fileBytesMax) throw new SumError("memory", `${file.path} is too large`);
    const archive = readPlanned(file);
    const { manifest } = archive;
    // Only our own roll-ups hold several intervals; what was stored before uploads were checked may say so of itself.
    if (manifest.mode !== "rollup") checkInterval(manifest);
    const traffic = trafficOf(grb, archive);
    try {
      checkShape(traffic);
      if (manifest.mode !== "rollup" && traffic.v6 !== undefined)
        requireAddresses(readDict(traffic.v6.dict), traffic.v6.packets);
      return { traffic, head: headOf([manifest], traffic, identity), links: linksIn(traffic) };
    } catch (error) {
      traffic.dispose();
      throw error;
    }
  } catch (error) {
    // After a trap every file would fail: whose fault it was is found with an instance for each (sum-fault.ts).
    throw isDead(grb, error) ? error : asFileFault(error, file.path);
  }
}

const isDead = (grb: GraphBLAS, error: unknown): boolean =>
  error instanceof GrBError && (grb.panicked || error.info === "GrB_UNINITIALIZED_OBJECT");

/** Reads and verifies a planned file, whose version must be that of the plan. Throws SumError. */
export function readPlanned({ path, intervals }: PlannedFile): DecodedArchive {
  try {
    const archive = decodeArchive(readFileSync(path));
    if (archive.manifest.intervals !== intervals) throw new SumError("stale", "it has changed", path);
    return archive;
  } catch (error) {
    throw asFileFault(error, path);
  }
}

/** What is wrong with a file as a SumError that names it; running out of memory and the like stay as they are. */
function asFileFault(error: unknown, path: string): unknown {
  if (error instanceof SumError || isMemoryFault(error)) return error;
  if ((error as NodeJS.ErrnoException).code === "ENOENT") return new SumError("stale", "it has gone", path);
  const isBad = error instanceof SparsewireError || error instanceof GrBError;
  return isBad ? new SumError("bad", error.message, path) : error;
}

function checkShape({ v4, v6 }: Traffic): void {
  const fits = (planes: Traffic["v4"], dimension: bigint): boolean =>
    planes === undefined ||
    [planes.packets, planes.bytes].every(({ nrows, ncols }) => nrows === dimension && ncols === dimension);
  if (!fits(v4, DIMENSION4) || !fits(v6, DIMENSION6)) {
    throw new SparsewireError(
      "BAD_ARCHIVE",
      "not a sound archive: a matrix has other dimensions than its family",
    );
  }
}

function mergeTop(stack: Node[], identity: SumIdentity): void {
  const b = stack.at(-1)!;
  const a = stack.at(-2)!;
  const traffic = addTraffic(a.traffic, b.traffic);
  stack.length -= 2;
  a.traffic.dispose();
  b.traffic.dispose();
  const manifests = [a.head, b.head] as Manifest[];
  const summed = headOf(manifests, traffic, identity);
  const head = traffic.cut.length === 0 ? summed : withSaturation(summed, namesOf(summed, traffic.cut));
  if (head.ipv6 !== null) head.ipv6.collisions += traffic.collisions;
  stack.push({ traffic, head, links: linksIn(traffic) });
}

const namesOf = ({ saturated = [] }: ManifestHead, more: string[]): Set<string> =>
  new Set([...saturated, ...more]);

const linksIn = ({ v4, v6 }: Traffic): number => (v4?.packets.nvals ?? 0) + (v6?.packets.nvals ?? 0);

/** The manifest of a sum; what it says of IPv6 comes from the sum's own dictionary. */
function headOf(manifests: Manifest[], { v6, extensions }: Traffic, identity: SumIdentity): ManifestHead {
  const head = sumManifests(manifests, identity);
  keepExtensions(extensions, head.extensions);
  if (v6 !== undefined && head.ipv6 !== null) {
    head.ipv6 = { ...head.ipv6, key_id: v6.keyId, addresses: v6.dict.length / DICT_RECORD_BYTES };
  }
  return head;
}

function isMemoryFault(error: unknown): boolean {
  if (error instanceof GrBError) return error.info === "GrB_OUT_OF_MEMORY";
  return error instanceof RangeError || (error as NodeJS.ErrnoException)?.code === "ERR_FS_FILE_TOO_LARGE";
}

/** Running out of memory, in wasm or in JavaScript, as a SumError. */
export const asMemoryFault = (error: unknown): unknown =>
  isMemoryFault(error) ? new SumError("memory", (error as Error).message) : error;
