/** The anonymisation key: from a file that nobody but its owner may read, or a credential that systemd passes on. */
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { type AnonymizationOptions, isAnonymizing } from "../../lib/anonymize.js";
import { parseAnonymizationKey } from "../../lib/cryptopan.js";
import { EXIT, SparsewireError } from "../../lib/errors.js";
import { filePathOf, isCredential } from "../config/credential.js";
import type { MatrixWorkerData } from "./matrix-worker.js";

/** What a matrix worker is told: how to anonymise, and the key of the new IPv6 indices; nothing when nothing is asked for. */
export function workerAnonymization(
  options: AnonymizationOptions | undefined,
  hashKey: readonly [bigint, bigint],
): Pick<MatrixWorkerData, "anonymization"> {
  return options !== undefined && isAnonymizing(options) ? { anonymization: { options, hashKey } } : {};
}

/** Where a key is, and how many leading bits stay of an address; as in the [anonymize] table of a sensor. */
export interface AnonymizationSettings {
  key_file?: string | undefined;
  /** Takes the place of key_file. */
  credential?: string | undefined;
  truncate4?: number | undefined;
  truncate6?: number | undefined;
}

/** Bytes that are looked at: a key has 64 digits. */
const KEY_FILE_BYTES_MAX = 256;
const OTHERS_MAY_READ = 0o077;

/** The options these settings ask for, key read and checked; throws what the two functions below throw. */
export function loadAnonymization(
  settings: AnonymizationSettings,
  environment: NodeJS.ProcessEnv = process.env,
): AnonymizationOptions {
  const { key_file, credential, truncate4 = 32, truncate6 = 128 } = settings;
  const bits = { truncate4, truncate6 };
  const name = credential === undefined ? key_file : `%d/${credential}`;
  if (name === undefined) return bits;
  const path = filePathOf(name, environment);
  return { key: isCredential(name) ? readKey(path) : readKeyFile(path), ...bits };
}

/**
 * A key of 64 hexadecimal digits out of a file of mode 0600 or 0400.
 *
 * @throws SparsewireError KEY_UNREADABLE, KEY_PERMISSIONS (notPermitted), BAD_ANONYMIZATION_KEY (usage)
 */
export const readKeyFile = (path: string): Uint8Array<ArrayBuffer> => readKey(path, OTHERS_MAY_READ);

/** Credentials are in a folder of the service's own, where mode bits show an access list: they are not looked at. */
function readKey(path: string, forbiddenMode = 0): Uint8Array<ArrayBuffer> {
  let file: number;
  try {
    file = openSync(path, "r");
  } catch (error) {
    throw unreadable(path, error);
  }
  try {
    const { mode } = fstatSync(file);
    // The mode of what was opened, not of what may have taken its name since.
    if ((mode & forbiddenMode) !== 0) {
      const shown = (mode & 0o777).toString(8).padStart(4, "0");
      throw new SparsewireError("KEY_PERMISSIONS", `others may read the key ${path} (mode ${shown})`, {
        exit: EXIT.notPermitted,
        mend: `chmod 600 ${path}, and make a new key if others may have seen this one`,
      });
    }
    const bytes = Buffer.alloc(KEY_FILE_BYTES_MAX);
    const text = bytes.toString("latin1", 0, readSync(file, bytes));
    bytes.fill(0);
    return parseAnonymizationKey(text, path);
  } catch (error) {
    throw error instanceof SparsewireError ? error : unreadable(path, error);
  } finally {
    closeSync(file);
  }
}

function unreadable(path: string, error: unknown): SparsewireError {
  const { code, message } = error as NodeJS.ErrnoException;
  const denied = code === "EACCES" || code === "EPERM";
  const why = denied ? "permission denied" : code === "ENOENT" ? "there is no such file" : message;
  return new SparsewireError("KEY_UNREADABLE", `cannot read the anonymisation key ${path}: ${why}`, {
    exit: denied ? EXIT.notPermitted : EXIT.usage,
    mend: denied ? "run as the user that owns it" : "check the path",
    cause: error,
  });
}
