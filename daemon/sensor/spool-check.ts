/** What a spool holds from before, when addresses are to be anonymised: nothing that tells a clear one may be shipped. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { decodeArchive } from "../../lib/archive.js";
import { SparsewireError } from "../../lib/errors.js";
import { errnoOf } from "../errno.js";
import type { Spool } from "./spool.js";

/**
 * Throws SPOOL_CLEAR when an interval in the spool has clear addresses, or is no archive that could tell, and
 * SPOOL_UNUSABLE when one cannot be read.
 */
export function requireAnonymizedSpool(spool: Spool): void {
  const clear = spool.names().filter((name) => !isAnonymized(join(spool.path, name)));
  if (clear.length === 0) return;
  throw new SparsewireError(
    "SPOOL_CLEAR",
    `the spool ${spool.path} holds ${clear.length} intervals with clear addresses, ${clear[0]} first`,
    { mend: "ship them without [anonymize], or take them away (sparsewire anonymize), and start again" },
  );
}

function isAnonymized(path: string): boolean {
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(path);
  } catch (cause) {
    throw new SparsewireError(
      "SPOOL_UNUSABLE",
      `${path} cannot be read (${errnoOf(cause)}) to see whether it is anonymised`,
      {
        mend: "mend the disk or the rights of the file, and start again",
        cause,
      },
    );
  }
  try {
    const { scheme } = decodeArchive(bytes, { verify: false }).manifest.anonymization;
    return scheme.startsWith("cryptopan-") || scheme.startsWith("truncate-");
  } catch {
    return false;
  }
}
