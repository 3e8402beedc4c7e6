/**
 * Files that are there after a power cut: written beside, fsynced, renamed, and the folder fsynced.
 * A name that this module has returned is on stable storage with all of its bytes.
 */
import { closeSync, fsync, fsyncSync, mkdirSync, openSync, renameSync, unlinkSync, writeSync } from "node:fs";
import { type FileHandle, mkdir, rename, unlink } from "node:fs/promises";
import { dirname } from "node:path";
import { promisify } from "node:util";
import { withFile } from "../descriptors.js";
import { errnoOf } from "../errno.js";

export async function syncFolder(path: string): Promise<void> {
  await withFile(path, "r", promisify(fsync));
}

let making: Promise<void> = Promise.resolve();

/**
 * Makes a folder and those above it; each new name is fsynced in the folder that holds it. One call at a time:
 * whoever finds a folder made by another call may rely on its name being durable, too.
 */
export function makeFolder(path: string): Promise<void> {
  const made = making.then(async () => {
    const first = await mkdir(path, { recursive: true });
    if (first === undefined) return;
    for (let at = path; at.length >= first.length; at = dirname(at)) await syncFolder(dirname(at));
  });
  making = made.catch(() => undefined);
  return made;
}

/** Moves a finished temporary file to its name: fsync(file), rename, fsync(folder). Takes and closes the handle. */
export async function settle(handle: FileHandle, from: string, to: string): Promise<void> {
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
  // Retention may remove a folder that has just become empty: then it is made again.
  for (let tries = 3; ; tries--) {
    await makeFolder(dirname(to));
    try {
      await rename(from, to);
      break;
    } catch (error) {
      if (tries === 1 || (error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    }
  }
  await syncFolder(dirname(to));
}

/** The same for bytes in hand, synchronously (worker threads). Leaves nothing behind when it fails. */
export function writeDurably(bytes: Uint8Array, temporary: string, path: string): void {
  try {
    mkdirSync(dirname(temporary), { recursive: true, mode: 0o750 });
    const file = openSync(temporary, "wx", 0o640);
    try {
      for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    makeFolderSync(dirname(path));
    renameSync(temporary, path);
  } catch (error) {
    removeIfThereSync(temporary);
    throw error;
  }
  syncFolderSync(dirname(path));
}

/** Unlinks; a name that is not there is fine. Other failures are the caller's to judge. */
export async function removeIfThere(path: string): Promise<void> {
  await unlink(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "ENOENT") throw error;
  });
}

function removeIfThereSync(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
}

function makeFolderSync(path: string): void {
  const first = mkdirSync(path, { recursive: true });
  if (first === undefined) return;
  for (let at = path; at.length >= first.length; at = dirname(at)) syncFolderSync(dirname(at));
}

function syncFolderSync(path: string): void {
  const folder = openSync(path, "r");
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

const FULL = new Set(["ENOSPC", "EDQUOT", "EFBIG"]);

/** Whether a file system error means that there is no room. */
export const isFull = (error: unknown): boolean => FULL.has(errnoOf(error) ?? "");

/** Whether it comes from the file system at all (EIO, EROFS, EACCES, ...). */
export const isStorageError = (error: unknown): boolean =>
  typeof (error as NodeJS.ErrnoException)?.syscall === "string" &&
  typeof (error as NodeJS.ErrnoException)?.code === "string";
