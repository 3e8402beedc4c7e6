/**
 * Secrets that a service manager hands over (LoadCredential=): files in a folder of the service's own, which nobody else
 * may read. In a configuration a file name that begins with %d/ means one of them, as in systemd's own units.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { EXIT, SparsewireError } from "../../lib/errors.js";
import type { Override } from "./load.js";

const PREFIX = "%d/";

/** Whether a file name means a credential. */
export const isCredential = (path: string): boolean => path.startsWith(PREFIX);

/**
 * The path to open: of a credential the place where systemd put it, of anything else itself.
 *
 * @throws SparsewireError NO_CREDENTIAL (usage) when this process was given none, or the name is none
 */
export function filePathOf(
  path: string,
  { CREDENTIALS_DIRECTORY: folder }: NodeJS.ProcessEnv = process.env,
): string {
  if (!isCredential(path)) return path;
  const name = path.slice(PREFIX.length);
  if (!/^[^/]{1,255}$/.test(name) || name === "..")
    throw new SparsewireError("NO_CREDENTIAL", `${JSON.stringify(path)} names no credential`, {
      exit: EXIT.usage,
      mend: "write it as %d/NAME",
    });
  if (folder !== undefined && folder !== "") return join(folder, name);
  throw new SparsewireError(
    "NO_CREDENTIAL",
    `there is no credential ${name}: CREDENTIALS_DIRECTORY is not set`,
    {
      exit: EXIT.usage,
      mend: `run as a systemd service with LoadCredential=${name}, or name a file`,
    },
  );
}

/** Credentials that the units load, and the keys that they serve when the configuration names no file. */
const KEYS: Record<"sensor" | "aggregator", [name: string, key: string, unless: string[]][]> = {
  sensor: [
    ["sparsewire.token", "aggregator.token_file", []],
    ["sparsewire.metrics-token", "metrics.token_file", []],
    ["sparsewire.metrics-tls-key", "metrics.tls_key", []],
    ["sparsewire.anonymize-key", "anonymize.key_file", ["anonymize.credential"]],
    ["sparsewire.ipv6-key", "ipv6.hash_key_file", []],
  ],
  aggregator: [
    ["sparsewire.token", "token_file", []],
    ["sparsewire.read-token", "read_token_file", []],
    ["sparsewire.aggregator-tls-key", "listen.tls_key", []],
  ],
};

/** Defaults out of the credentials that are there. */
export function credentialDefaults(
  kind: "sensor" | "aggregator",
  { CREDENTIALS_DIRECTORY: folder }: NodeJS.ProcessEnv = process.env,
): Override[] {
  if (folder === undefined || folder === "") return [];
  return KEYS[kind]
    .filter(([name]) => existsSync(join(folder, name)))
    .map(([name, key, unless]) => ({
      key,
      flag: `the credential ${name}`,
      value: `${PREFIX}${name}`,
      unless: [key, ...unless],
    }));
}
