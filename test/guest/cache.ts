/** What takes long to fetch or to build is kept: kernels and root images, each under the hash of what it is made of. */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { repositoryRoot } from "../live/tools/tool.js";

/** SPARSEWIRE_GUEST_CACHE, or below node_modules. */
export function cacheFolder(): string {
  const folder =
    process.env.SPARSEWIRE_GUEST_CACHE ?? join(repositoryRoot(), "node_modules/.sparsewire/guest");
  mkdirSync(folder, { recursive: true });
  return folder;
}

/** A name for something made of these parts. */
export const keyOf = (parts: readonly (string | Uint8Array)[]): string => {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part).update("\0");
  return hash.digest("hex").slice(0, 16);
};

/**
 * The folder `name` of the cache; where it is missing, `make` fills it under a temporary name first, so that a run
 * that was cut off leaves nothing that looks whole.
 */
export async function cached(name: string, make: (folder: string) => Promise<void> | void): Promise<string> {
  const folder = join(cacheFolder(), name);
  if (existsSync(folder)) return folder;
  const temporary = mkdtempSync(`${folder}.`);
  try {
    await make(temporary);
    renameSync(temporary, folder);
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
  return folder;
}

/** Removes what is kept under other names with the same beginning. */
export function forgetOthers(prefix: string, name: string): void {
  for (const other of readdirSync(cacheFolder()).filter((one) => one.startsWith(prefix) && one !== name))
    rmSync(join(cacheFolder(), other), { recursive: true, force: true });
}
