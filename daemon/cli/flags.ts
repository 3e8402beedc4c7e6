/** Flags of the daemons that override keys of their configuration. */
import { existsSync } from "node:fs";
import type { Override } from "../config/load.js";
import { readToml } from "../config/toml.js";
import { usage } from "./command.js";

/** Pairs a flag with the key it overrides; values that were not given are left out. */
export function overridesOf(flags: [flag: string, key: string, value: unknown][]): Override[] {
  return flags
    .filter(([, , value]) => value !== undefined)
    .map(([flag, key, value]) => ({ flag, key, value }));
}

/** `--set key=value`, any number of times: the value as TOML would write it, or else as a plain string. */
export function settings(given: string[] = []): Override[] {
  return given.map((text) => {
    const at = text.indexOf("=");
    const key = text.slice(0, at).trim().replaceAll("-", "_");
    if (at < 1 || !/^[\w-]+(\.[\w-]+)*$/.test(key)) {
      throw usage(`--set ${JSON.stringify(text)} is not key=value`, "write it as --set spool.max_bytes=1GiB");
    }
    const written = text.slice(at + 1).trim();
    const parsed = readToml(`value = ${written}`);
    const value = parsed.faults.length === 0 && "value" in parsed.value ? parsed.value.value : written;
    return { key, flag: `--set ${key}`, value };
  });
}

/** Collects a repeated option. */
export function collect(value: string, before: string[] = []): string[] {
  return [...before, value];
}

/** The file a daemon reads: the one named, else the usual place if there is one. */
export function configPath(given: string | undefined, usual: string): string | undefined {
  return given ?? (existsSync(usual) ? usual : undefined);
}
