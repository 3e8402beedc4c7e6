/** Writes matrices to the Graph Challenge's tars: 64 to a tar, each tar under its name once it is whole. */
import { closeSync, existsSync, openSync, renameSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { challengeMatrixName, challengeTarName, MATRICES_PER_TAR } from "../../lib/challenge.js";
import { EXIT, SparsewireError } from "../../lib/errors.js";
import { TAR_END, tarMember } from "../../lib/tar.js";

interface OpenTar {
  path: string;
  file: number;
  firstPacketNs: bigint;
  matrices: number;
  packets: number;
}

export class ChallengeTarWriter {
  readonly #folder: string;
  readonly #written = new Set<string>();
  #open: OpenTar | undefined;
  /** Bytes written so far. */
  bytes = 0;

  /** @param folder it exists */
  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Tars written under their names so far. */
  get tars(): number {
    return this.#written.size;
  }

  /**
   * Appends a matrix of `packets` packets, the first of them at `firstPacketNs` (ns since 1970 UTC).
   *
   * @throws SparsewireError EXISTS when a tar of that name is there already; NodeJS.ErrnoException of the file system
   */
  add(blob: Uint8Array, firstPacketNs: bigint, packets: number): void {
    this.#open ??= this.#begin(firstPacketNs);
    const tar = this.#open;
    const mtime = Number(firstPacketNs / 1_000_000_000n);
    this.#write(tar, tarMember({ name: challengeMatrixName(tar.matrices), data: blob }, { mtime }));
    tar.matrices++;
    tar.packets += packets;
    if (tar.matrices === MATRICES_PER_TAR) this.finish();
  }

  /** Ends the open tar, which may have fewer than 64 matrices. */
  finish(): void {
    const tar = this.#open;
    if (tar === undefined) return;
    this.#write(tar, TAR_END);
    const name = this.#nameOf(tar);
    renameSync(tar.path, join(this.#folder, name));
    this.#written.add(name);
    closeSync(tar.file);
    this.#open = undefined;
  }

  /** Removes the tar that is not whole; harmless after finish(). */
  abandon(): void {
    if (this.#open === undefined) return;
    closeSync(this.#open.file);
    rmSync(this.#open.path, { force: true });
    this.#open = undefined;
  }

  #begin(firstPacketNs: bigint): OpenTar {
    const path = join(this.#folder, `${challengeTarName(firstPacketNs, 0)}.${process.pid}.tmp`);
    return { path, file: openSync(path, "w"), firstPacketNs, matrices: 0, packets: 0 };
  }

  #write(tar: OpenTar, bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; ) at += writeSync(tar.file, bytes, at);
    this.bytes += bytes.length;
  }

  /** Where timestamps stand still, tars of one run would have one name: the later ones are a microsecond later. */
  #nameOf({ firstPacketNs, packets }: OpenTar): string {
    let [time, name] = [firstPacketNs, challengeTarName(firstPacketNs, packets)];
    while (this.#written.has(name)) {
      time += 1000n;
      name = challengeTarName(time, packets);
    }
    if (!existsSync(join(this.#folder, name))) return name;
    throw new SparsewireError("EXISTS", `${join(this.#folder, name)} exists already`, {
      exit: EXIT.failure,
      mend: "give -o another folder, or remove it",
    });
  }
}
