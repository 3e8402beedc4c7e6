/**
 * Descriptors kept in reserve. Connections can use up all that a process may have; what is written, read and synced for
 * the sake of intervals must go on then. A few descriptors are held open for nothing, and one is given up at the moment
 * when an open() finds none left: both happen in one turn of the event loop, so that no new connection comes between.
 */
import { close, closeSync, open, openSync } from "node:fs";
import { promisify } from "node:util";

const HELD = 8;
const HELD_PATH = "/dev/null";

const openLater = promisify(open);
const closeLater = promisify(close);
const held: number[] = [];

/** Whether an error says that this process, or the system, has no descriptor left. */
export function isExhausted(error: unknown): boolean {
  const { code } = (error ?? {}) as NodeJS.ErrnoException;
  return code === "EMFILE" || code === "ENFILE";
}

/** Fills the reserve as far as it goes; called when a spool or store is opened, and after each use. */
export function keepDescriptors(): void {
  try {
    while (held.length < HELD) held.push(openSync(HELD_PATH, "r"));
  } catch {
    // The next use fills it up again.
  }
}

/** openSync(), from the reserve if need be. To be closed by closeReserved(). Throws what open(2) says. */
export function openReserved(path: string, flags: string | number, mode = 0o640): number {
  try {
    return openSync(path, flags, mode);
  } catch (error) {
    const spare = isExhausted(error) ? held.pop() : undefined;
    if (spare === undefined) throw error;
    closeSync(spare);
    return openSync(path, flags, mode);
  }
}

/** Closes a descriptor and takes its place at once. Throws what close(2) says. */
export function closeReserved(fd: number): void {
  try {
    closeSync(fd);
  } finally {
    keepDescriptors();
  }
}

/** Opens a file, has it used, and closes it, however that ends; without waiting on the disk in the event loop. */
export async function withFile<T>(
  path: string,
  flags: string | number,
  use: (fd: number) => Promise<T>,
  mode = 0o640,
): Promise<T> {
  let fd: number;
  let isFromReserve = false;
  try {
    fd = await openLater(path, flags, mode);
  } catch (error) {
    if (!isExhausted(error)) throw error;
    fd = openReserved(path, flags, mode);
    isFromReserve = true;
  }
  let value: T;
  try {
    value = await use(fd);
  } catch (error) {
    // The first error is the one to tell.
    await closeAfter(fd, isFromReserve).catch(() => undefined);
    throw error;
  }
  await closeAfter(fd, isFromReserve);
  return value;
}

async function closeAfter(fd: number, isFromReserve: boolean): Promise<void> {
  if (isFromReserve) closeReserved(fd);
  else await closeLater(fd);
}
