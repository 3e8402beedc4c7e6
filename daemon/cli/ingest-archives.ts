/** Where `sparsewire ingest` puts what it makes: a file an interval, or the Graph Challenge's tars of matrices. */
import { closeSync, openSync, renameSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { archiveName } from "../../lib/archive.js";
import { EXIT, SparsewireError } from "../../lib/errors.js";
import type { ManifestHead } from "../../lib/manifest.js";
import { ChallengeTarWriter } from "../challenge/tar-writer.js";
import { untilDone } from "./cleanup.js";

/** Every method throws SparsewireError OUTPUT when the folder cannot be written to. */
export interface Archives {
  add(archive: Uint8Array, head: ManifestHead): void;
  /** Files written, and their bytes; valid after finish(). */
  readonly files: number;
  readonly bytes: number;
  finish(): void;
  /** Removes what is not whole; harmless after finish(). */
  abandon(): void;
}

/** One interval archive a file, named by its identity. */
export function intervalArchives(folder: string): Archives {
  let [files, bytes] = [0, 0];
  return {
    add(archive, head) {
      store(folder, archiveName(head), archive);
      files++;
      bytes += archive.length;
    },
    get files() {
      return files;
    },
    get bytes() {
      return bytes;
    },
    finish() {},
    abandon() {},
  };
}

/** Tars of 64 matrices; `archive` is a blob. Windows without an IPv4 packet are left out. */
export function challengeArchives(folder: string): Archives {
  const writer = new ChallengeTarWriter(folder);
  const settled = untilDone(() => writer.abandon());
  const attempt = (action: () => void): void => {
    try {
      action();
    } catch (error) {
      throw error instanceof SparsewireError ? error : cannotWrite(folder, error);
    }
  };
  return {
    add(blob, { start, packets }) {
      if (packets > 0) attempt(() => writer.add(blob, start, packets));
    },
    get files() {
      return writer.tars;
    },
    get bytes() {
      return writer.bytes;
    },
    finish() {
      attempt(() => writer.finish());
    },
    abandon() {
      writer.abandon();
      settled();
    },
  };
}

/** Whole or not at all to readers of the folder. Not fsynced: what it was made from is still there. */
function store(folder: string, name: string, archive: Uint8Array): void {
  const path = join(folder, name);
  const temporary = `${path}.tmp`;
  try {
    const file = openSync(temporary, "w");
    try {
      for (let at = 0; at < archive.length; ) at += writeSync(file, archive, at);
    } finally {
      closeSync(file);
    }
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw cannotWrite(path, error);
  }
}

export function cannotWrite(path: string, error: unknown): SparsewireError {
  const { code, message } = error as NodeJS.ErrnoException;
  const denied = code === "EACCES" || code === "EPERM" || code === "EROFS";
  return new SparsewireError(
    "OUTPUT",
    `cannot write ${path}: ${code === "ENOSPC" ? "the disk is full" : message}`,
    {
      exit: denied ? EXIT.notPermitted : EXIT.failure,
      mend: "give -o another folder",
      cause: error,
    },
  );
}
