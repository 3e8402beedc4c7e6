/**
 * Which file is to blame for a sum that failed, though each of its files could be read? One bad archive must not cost the
 * sums of all others, whatever is wrong with it: it is found, and the rest is summed without it.
 */
import { SparsewireError } from "../../lib/errors.js";
import { isStorageError } from "./durable.js";
import type { PlannedFile } from "./plan.js";
import { type BadFile, badFiles, SumError } from "./sum.js";

/** Makes the sum of some files, and what is wanted of it; what it makes is given back at once. Rejects when it cannot. */
export type Trial = (files: readonly PlannedFile[]) => Promise<void>;

/**
 * Tries each file alone, then ever shorter beginnings of the list: n + log2 n trials. Rejects with SumError "bad" for
 * the files that fail alone, or else for the last of the shortest beginning that fails; with whatever error is nobody's
 * fault (memory, stale, cancelled, the disk); and resolves when the whole sum can be made after all.
 */
export async function blame(files: readonly PlannedFile[], trial: Trial): Promise<void> {
  const bad: BadFile[] = [];
  for (const file of files) {
    const why = await failure([file], trial);
    if (why !== undefined) bad.push({ path: file.path, why });
  }
  if (bad.length > 0) throw badFiles(bad);
  let why = await failure(files, trial);
  if (why === undefined) return;
  // The first `low` files can be summed, the first `high` cannot.
  let [low, high] = [0, files.length];
  while (high - low > 1) {
    const middle = (low + high) >>> 1;
    const reason = await failure(files.slice(0, middle), trial);
    if (reason === undefined) low = middle;
    else [high, why] = [middle, reason];
  }
  throw new SumError("bad", `it cannot be added to others: ${why}`, files[high - 1]!.path);
}

/** Why the trial fails; undefined when it does not. */
async function failure(files: readonly PlannedFile[], trial: Trial): Promise<string | undefined> {
  try {
    await trial(files);
    return undefined;
  } catch (error) {
    if ((error instanceof SumError && error.fault !== "bad") || isStorageError(error)) throw error;
    if (error instanceof SparsewireError && error.code === "NO_LINKS") return undefined;
    return error instanceof Error ? error.message : String(error);
  }
}
