/** The sources of a command interval by interval, rather than their sum: what a timeline is drawn of. */
import type { GraphBLAS } from "graphblas-wasm";
import type { Family } from "../../lib/address.js";
import { decodeArchive, parseArchiveName } from "../../lib/archive.js";
import { EXIT, SparsewireError } from "../../lib/errors.js";
import type { Manifest } from "../../lib/manifest.js";
import type { TimelinePoint } from "../../lib/plot/timeline.js";
import { readTar } from "../../lib/tar.js";
import { addTraffic, quantitiesOf, type Traffic, trafficOf } from "../../lib/traffic.js";
import { readCaptures } from "./captures.js";
import { usage, warn } from "./command.js";
import { Coverage } from "./coverage.js";
import { readArchiveFile, type Source, sourcesOf } from "./sources.js";
import { inFile, requireSame } from "./sum.js";

export interface IntervalOptions {
  family: Family;
  /** Interval that captures are cut into, ns. Archives keep theirs. */
  intervalNs: bigint;
  /** Mix archives whose addresses are anonymised differently. */
  force?: boolean;
}

export interface IntervalSeries {
  /** In order of start. */
  points: TimelinePoint[];
  /** A capture ended early; what precedes the damage is there. */
  damaged: boolean;
}

/** More make no better picture, and cost memory. */
const POINTS_MAX = 1_000_000;

/**
 * The network quantities of every interval in the sources. Intervals of several sensors that are of the same time are
 * added up; an interval that comes twice counts once. One interval's matrices are in memory at a time.
 *
 * @throws SparsewireError NO_TIMES for archives without a manifest, OVERLAP for a roll-up beside a part of it,
 *   ANONYMIZATION and BYTE_ORDER for matrices that are not of one kind, TOO_MANY_INTERVALS, and what reading the sources throws
 */
export async function readIntervals(paths: string[], options: IntervalOptions): Promise<IntervalSeries> {
  if (paths.length === 0) throw usage("nothing to read", "name archives, folders or capture files");
  const { load } = await import("graphblas-wasm");
  const series = new Series(await load(), options.family, options.force);
  try {
    const captures: string[] = [];
    for (const source of inTimeOrder(sourcesOf(paths))) {
      if (source.kind === "capture") captures.push(source.path);
      else series.add(source.path, readArchiveFile(source.path));
    }
    const damaged =
      captures.length > 0 &&
      (await readCaptures(captures, { intervalNs: options.intervalNs }, (archive) =>
        series.add("capture", archive),
      ));
    return { points: series.finish(), damaged };
  } finally {
    series.dispose();
  }
}

/** Archives of one time beside one another, as their names tell it; others as they come. */
function inTimeOrder(sources: Iterable<Source>): Source[] {
  const startOf = ({ path }: Source): bigint => parseArchiveName(path.split("/").at(-1)!)?.start ?? -1n;
  const keyed = Array.from(sources, (source) => ({ source, start: startOf(source) }));
  keyed.sort((a, b) => (a.start < b.start ? -1 : a.start > b.start ? 1 : 0));
  return keyed.map(({ source }) => source);
}

interface Open {
  start: bigint;
  end: bigint;
  lost: number;
  traffic: Traffic;
}

class Series {
  readonly #grb: GraphBLAS;
  readonly #family: Family;
  readonly #mixes: boolean;
  readonly #coverage = new Coverage();
  readonly #points: TimelinePoint[] = [];
  #open: Open | undefined;
  #first: Manifest | undefined;
  #repeated = 0;

  constructor(grb: GraphBLAS, family: Family, mixes = false) {
    this.#grb = grb;
    this.#family = family;
    this.#mixes = mixes;
  }

  add(name: string, bytes: Uint8Array): void {
    try {
      this.#add(name, bytes);
    } catch (error) {
      throw inFile(name, error);
    }
  }

  #add(name: string, bytes: Uint8Array): void {
    if (readTar(bytes).members[0]?.name !== "manifest.json") {
      throw new SparsewireError(
        "NO_TIMES",
        `${name} has no manifest, so nobody knows the time of its matrices`,
        {
          exit: EXIT.badInput,
          mend: "give archives that Sparsewire wrote, or the capture itself",
        },
      );
    }
    const archive = decodeArchive(bytes);
    const { manifest } = archive;
    if (!this.#isNew(name, manifest)) return;
    const traffic = trafficOf(this.#grb, archive);
    const lost = Object.values(manifest.drops).reduce((sum, count) => sum + count, 0);
    const open = this.#open;
    if (open !== undefined && open.start === manifest.start && open.end === manifest.end) {
      const sum = addTraffic(open.traffic, traffic);
      for (const part of [open.traffic, traffic]) part.dispose();
      this.#open = { ...open, lost: open.lost + lost, traffic: sum };
      return;
    }
    this.#close();
    this.#open = { start: manifest.start, end: manifest.end, lost, traffic };
  }

  finish(): TimelinePoint[] {
    this.#close();
    if (this.#repeated > 0)
      warn(`${this.#repeated} archives hold intervals that are in others too: drawn once`);
    return this.#points.sort((a, b) => (a.start < b.start ? -1 : a.start > b.start ? 1 : 0));
  }

  dispose(): void {
    this.#open?.traffic.dispose();
    this.#grb.dispose();
  }

  #isNew(name: string, manifest: Manifest): boolean {
    this.#first ??= manifest;
    if (!this.#mixes) requireSame(name, this.#first.anonymization, manifest);
    if (manifest.byte_order !== this.#first.byte_order) {
      throw new SparsewireError(
        "BYTE_ORDER",
        `${name} has ${manifest.byte_order}-endian indices, others do not`,
        {
          exit: EXIT.badInput,
          mend: "give archives of one byte order only",
        },
      );
    }
    const overlap = this.#coverage.claim(manifest);
    if (overlap === "whole") this.#repeated++;
    if (overlap === "partial") {
      throw new SparsewireError("OVERLAP", `${name} contains intervals that were drawn already, and others`, {
        exit: EXIT.badInput,
        mend: "give one level of a store only: raw, or one of its roll-ups",
      });
    }
    return overlap === "none";
  }

  #close(): void {
    const open = this.#open;
    if (open === undefined) return;
    this.#open = undefined;
    const quantities = quantitiesOf(open.traffic);
    open.traffic.dispose();
    const packets = quantities[`links${this.#family}.packets`];
    this.#points.push({
      start: open.start,
      end: open.end,
      lost: open.lost,
      packets: packets?.n_packets ?? 0,
      bytes: quantities[`links${this.#family}.bytes`]?.n_packets ?? 0,
      links: packets?.n_links ?? 0,
      sources: packets?.n_sources ?? 0,
      destinations: packets?.n_destinations ?? 0,
      max_fan_out: packets?.max_fan_out ?? 0,
      max_fan_in: packets?.max_fan_in ?? 0,
    });
    if (this.#points.length <= POINTS_MAX) return;
    throw new SparsewireError("TOO_MANY_INTERVALS", `there are more than ${POINTS_MAX} intervals`, {
      exit: EXIT.badInput,
      mend: "give a roll-up of the store, or a longer --interval",
    });
  }
}
