/** The sum of everything a command names, in memory bounded by the sum itself and not by how many parts it has. */
import { createHash } from "node:crypto";
import type { GraphBLAS } from "graphblas-wasm";
import type { ByteOrder } from "../../lib/address.js";
import { type DecodedArchive, decodeArchive } from "../../lib/archive.js";
import { EXIT, errorLine, SparsewireError } from "../../lib/errors.js";
import { ARCHIVE_FORMAT, type Manifest, type ManifestHead } from "../../lib/manifest.js";
import { sumManifests, withSaturation } from "../../lib/sum-manifests.js";
import { addTraffic, makeTraffic, type Traffic, trafficOf } from "../../lib/traffic.js";
import { hasManifest, TarFile, tarTree } from "../challenge/tar-tree.js";
import { SOFTWARE } from "../software.js";
import { readCaptures } from "./captures.js";
import { usage, warn } from "./command.js";
import { askControl } from "./control.js";
import { Coverage } from "./coverage.js";
import { foreignTraffic } from "./foreign.js";
import { socketOf } from "./sockets.js";
import { attempt, readArchiveFile, type Source, sourcesOf } from "./sources.js";

export interface SumOptions {
  /** Ask the running sensor for its latest sealed interval. */
  live?: boolean;
  /** Its control socket; the usual one by default. */
  socket?: string;
  /** Index byte order of archives without a manifest. */
  byteOrder: ByteOrder;
  /** Add up what is anonymised differently, too. */
  force?: boolean;
}

export interface Summed {
  grb: GraphBLAS;
  traffic: Traffic;
  /** What is in the sum; undefined when nothing was (an empty capture). */
  manifest: ManifestHead | undefined;
  byteOrder: ByteOrder;
  /** A capture ended early; what precedes the damage is in the sum. */
  damaged: boolean;
}

/** Manifests are folded to one when so many have gathered. */
const MANIFESTS_MAX = 256;

/**
 * Adds up archives, folders of archives and capture files, and the running sensor's last interval.
 *
 * An interval that comes twice (a raw archive beside the roll-up that contains it) counts once, with a warning; a
 * roll-up of which only a part came before cannot be taken apart and is refused.
 */
export async function sumSources(paths: string[], options: SumOptions): Promise<Summed> {
  if (paths.length === 0 && !options.live) {
    throw usage("nothing to read", "name archives, folders or capture files, or use --live");
  }
  const { load } = await import("graphblas-wasm");
  const grb = await load();
  const summation = new Summation(grb, options.byteOrder, options.force);
  if (options.live) {
    summation.addArchive("the running sensor", await askControl(await socketOf(options.socket), "/interval"));
  }
  const captures: string[] = [];
  for (const source of sourcesOf(paths)) {
    if (source.kind === "capture") captures.push(source.path);
    else summation.addFile(source);
  }
  const damaged =
    captures.length > 0 &&
    (await readCaptures(captures, { whole: true }, (archive) => summation.addArchive("capture", archive)));
  return { grb, ...summation.finish(), damaged };
}

/** Adds like to like: sums of equally many parts are merged, as in a binary counter. */
class Summation {
  readonly #grb: GraphBLAS;
  readonly #foreignOrder: ByteOrder;
  readonly #stack: { traffic: Traffic; parts: number }[] = [];
  readonly #coverage = new Coverage();
  #manifests: Manifest[] = [];
  #byteOrder: ByteOrder | undefined;
  #anonymization: Manifest["anonymization"] | undefined;
  readonly #mixes: boolean;
  /** Matrices with values that had to be cut. */
  readonly #cut = new Set<string>();
  #repeated = 0;

  constructor(grb: GraphBLAS, foreignOrder: ByteOrder, mixes = false) {
    this.#grb = grb;
    this.#mixes = mixes;
    this.#foreignOrder = foreignOrder;
  }

  addFile({ path }: Source): void {
    using tar = attempt(path, () => new TarFile(path));
    try {
      if (hasManifest(tar)) this.addArchive(path, readArchiveFile(path));
      else this.#addForeign(path, tar);
    } catch (error) {
      throw inFile(path, error);
    }
  }

  addArchive(name: string, bytes: Uint8Array): void {
    try {
      const archive: DecodedArchive = decodeArchive(bytes);
      this.#add(name, archive.manifest, () => trafficOf(this.#grb, archive));
    } catch (error) {
      throw inFile(name, error);
    }
  }

  #addForeign(path: string, tar: TarFile): void {
    for (const node of tarTree(tar, path)) {
      if (node.kind === "archive") this.addArchive(`${path}: ${node.name}`, node.read());
      else {
        const { traffic, manifest } = foreignTraffic(this.#grb, node, this.#foreignOrder);
        if (!this.#add(path, manifest, () => traffic)) traffic.dispose();
      }
    }
  }

  /** False when all of it was added before. */
  #add(name: string, manifest: Manifest, open: () => Traffic): boolean {
    if (!this.#mixes) this.#anonymization = requireSame(name, this.#anonymization, manifest);
    const overlap = this.#coverage.claim(manifest);
    if (overlap === "whole") {
      this.#repeated++;
      return false;
    }
    if (overlap === "partial") {
      throw new SparsewireError("OVERLAP", `${name} contains intervals that were already added, and others`, {
        exit: EXIT.badInput,
        mend: "give one level of a store only: raw, or one of its roll-ups",
      });
    }
    this.#byteOrder ??= manifest.byte_order;
    if (this.#byteOrder !== manifest.byte_order) {
      throw new SparsewireError(
        "BYTE_ORDER",
        `${name} has ${manifest.byte_order}-endian indices, others do not`,
        {
          exit: EXIT.badInput,
          mend: "add archives of one byte order only",
        },
      );
    }
    this.#manifests.push(manifest);
    if (this.#manifests.length >= MANIFESTS_MAX) this.#manifests = [asManifest(this.#headOf())];
    let [traffic, parts] = [open(), 1];
    while (this.#stack.at(-1)?.parts === parts) {
      traffic = this.#merged(this.#stack.pop()!.traffic, traffic);
      parts *= 2;
    }
    this.#stack.push({ traffic, parts });
    return true;
  }

  finish(): { traffic: Traffic; manifest: ManifestHead | undefined; byteOrder: ByteOrder } {
    if (this.#repeated > 0)
      warn(`${this.#repeated} archives hold intervals that are in others too: counted once`);
    let traffic = this.#stack.pop()?.traffic;
    while (traffic !== undefined && this.#stack.length > 0) {
      traffic = this.#merged(this.#stack.pop()!.traffic, traffic);
    }
    return {
      traffic: traffic ?? makeTraffic(undefined, undefined),
      manifest: this.#manifests.length === 0 ? undefined : this.#headOf(),
      byteOrder: this.#byteOrder ?? this.#foreignOrder,
    };
  }

  #merged(a: Traffic, b: Traffic): Traffic {
    const sum = addTraffic(a, b);
    for (const name of sum.cut) this.#cut.add(name);
    a.dispose();
    b.dispose();
    return sum;
  }

  #headOf(): ManifestHead {
    const identity = {
      sensor: "sum",
      run: "0".repeat(16),
      sequence: 0,
      mode: "sum" as const,
      software: SOFTWARE,
    };
    const head = sumManifests(this.#manifests, identity);
    // The same parts make the same sum: it is named after them.
    const run = createHash("sha256").update(JSON.stringify(head.parts)).digest("hex").slice(0, 16);
    return withSaturation({ ...head, run }, new Set([...(head.saturated ?? []), ...this.#cut]));
  }
}

/** Throws ANONYMIZATION: one address in clear, or under another key, is not the same address. Foreign archives do not say. */
export function requireSame(
  name: string,
  known: Manifest["anonymization"] | undefined,
  { anonymization }: Pick<Manifest, "anonymization">,
): Manifest["anonymization"] | undefined {
  if (anonymization.scheme === "unknown") return known;
  const { scheme, key_id } = anonymization;
  if (known === undefined || (known.scheme === scheme && known.key_id === key_id)) return anonymization;
  const text = ({ scheme, key_id }: Manifest["anonymization"]): string =>
    scheme === "none" ? "clear" : key_id === null ? scheme : `${scheme}, key ${key_id}`;
  throw new SparsewireError(
    "ANONYMIZATION",
    `${name}: its addresses are not of the same kind (${text(anonymization)}) as others (${text(known)})`,
    { exit: EXIT.badInput, mend: "give archives of one kind only, or --force to mix them" },
  );
}

function asManifest(head: ManifestHead): Manifest {
  return { ...head, format: ARCHIVE_FORMAT, members: [] };
}

/** An error with the name of the file in it; what is wrong inside a file is bad input. */
export function inFile(name: string, error: unknown): unknown {
  const { code, message } = error as { code?: unknown; message: string };
  if (error instanceof SparsewireError) {
    if (error.message.includes(name)) return error;
    return new SparsewireError(error.code, `${name}: ${message}`, {
      exit: error.exit,
      mend: error.mend,
      cause: error,
    });
  }
  // A GrBError: a blob that is not sound, or a sum that does not fit.
  const info = (error as { info?: unknown }).info;
  if (typeof info !== "string") return error;
  if (info === "GrB_OUT_OF_MEMORY") {
    return new SparsewireError("OUT_OF_MEMORY", `${name}: the sum does not fit the memory for matrices`, {
      mend: "add fewer archives at a time",
      cause: error,
    });
  }
  return new SparsewireError("BAD_ARCHIVE", `${name}: ${errorLine(error)} (${String(code ?? info)})`, {
    exit: EXIT.badInput,
    mend: "fetch or write the archive again",
    cause: error,
  });
}
