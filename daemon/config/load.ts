/** A configuration from file and flags: the checked value, or every fault with its line. */
import { closeSync, openSync, readSync } from "node:fs";
import type { z } from "zod";
import { EXIT, SparsewireError } from "../../lib/errors.js";
import { dotted, explain, type Fault, faultLine, unknownKey } from "./faults.js";
import { knownPaths, unknownPaths } from "./schema.js";
import { type Path, readToml, type TomlDocument } from "./toml.js";

/** A value given by a flag; it takes the place of the file's. */
export interface Override {
  /** Dotted: "aggregator.url". */
  key: string;
  /** As the user knows it: "--aggregator". */
  flag: string;
  value: unknown;
  /** Keys of the file before which this one steps back: what makes it a default. */
  unless?: readonly string[];
}

export type Checked<T> = { ok: true; value: T } | { ok: false; faults: Fault[] };

const FILE_BYTES_MAX = 1 << 20;

/** Every fault of one configuration; `message` carries the first, `faults` all of them. */
export class ConfigError extends SparsewireError {
  readonly file: string;
  readonly faults: Fault[];

  constructor(file: string, faults: Fault[]) {
    const first = faults[0] === undefined ? `${file}: no fault is known` : faultLine(file, faults[0]);
    const more = faults.length > 1 ? ` (and ${faults.length - 1} more)` : "";
    super("BAD_CONFIG", first + more, {
      exit: EXIT.usage,
      mend: faults.length > 1 && file !== "" ? `sparsewire check-config ${file} lists them all` : "",
    });
    this.file = file;
    this.faults = faults;
  }
}

/**
 * Reads, merges and validates. `path` undefined takes the flags alone, over the schema's defaults.
 *
 * @throws ConfigError BAD_CONFIG (exit: usage) with all faults
 * @throws SparsewireError CONFIG_UNREADABLE (exit: usage, or notPermitted)
 */
export function loadConfig<S extends z.ZodType>(
  path: string | undefined,
  schema: S,
  overrides: readonly Override[] = [],
): z.output<S> {
  const checked = checkConfig(path === undefined ? "" : readConfig(path), schema, overrides);
  if (!checked.ok) throw new ConfigError(path ?? "", checked.faults);
  return checked.value;
}

/** The text of a configuration file: UTF-8, at most 1 MiB. */
export function readConfig(path: string): string {
  let bytes: Buffer;
  try {
    bytes = readBounded(path);
  } catch (error) {
    throw unreadable(path, error);
  }
  if (bytes.length > FILE_BYTES_MAX) throw unreadable(path, new Error("it is larger than 1 MiB"));
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw unreadable(path, new Error("it is not UTF-8 text"));
  }
}

/** Checks a text. Pure: no file is touched. */
export function checkConfig<S extends z.ZodType>(
  text: string,
  schema: S,
  overrides: readonly Override[] = [],
): Checked<z.output<S>> {
  const document = readToml(text);
  return checkDocument(document, schema, overrides);
}

/** As checkConfig, for a document that was already read. */
export function checkDocument<S extends z.ZodType>(
  document: TomlDocument,
  schema: S,
  overrides: readonly Override[] = [],
): Checked<z.output<S>> {
  const faults: Fault[] = document.faults.map((fault) => ({ ...fault, key: "", mend: "" }));
  const given = overrides.filter(({ unless = [] }) => !unless.some((key) => has(document.value, key)));
  for (const { key, value } of given) override(document.value, key.split("."), value);
  const place = (path: Path) => {
    const name = path.join(".");
    const flag = given.find(({ key }) => name === key || name.startsWith(`${key}.`))?.flag;
    return flag === undefined ? document.position(path) : { line: 0, column: 0, flag };
  };
  const known = knownPaths(schema);
  for (const path of unknownPaths(schema, document.value)) {
    faults.push({ ...place(path), ...unknownKey(path, known) });
  }
  const result = schema.safeParse(document.value, { reportInput: true });
  for (const issue of result.error?.issues ?? []) {
    if (issue.code === "unrecognized_keys") continue;
    const { path, what, mend } = explain(issue);
    // After a fault of syntax a key may be missing only because its line could not be read.
    const isMissing = what.startsWith("required") || !has(document.value, issue.path.join("."));
    if (isMissing && document.faults.length > 0) continue;
    faults.push({ ...place(path), key: dotted(path), what, mend });
  }
  if (faults.length > 0) return { ok: false, faults: faults.sort(byPosition) };
  return { ok: true, value: result.data as z.output<S> };
}

function has(table: unknown, key: string): boolean {
  let at = table;
  for (const part of key.split(".")) {
    if (typeof at !== "object" || at === null || !Object.hasOwn(at, part)) return false;
    at = (at as Record<string, unknown>)[part];
  }
  return true;
}

/** Sets a nested key, making the tables on the way; a table's place taken by a plain value is replaced. */
function override(table: Record<string, unknown>, path: string[], value: unknown): void {
  let at = table;
  for (const part of path.slice(0, -1)) {
    const next = at[part];
    if (typeof next !== "object" || next === null || Array.isArray(next)) at[part] = Object.create(null);
    at = at[part] as Record<string, unknown>;
  }
  at[path.at(-1)!] = value;
}

function byPosition(a: Fault, b: Fault): number {
  return a.line - b.line || a.column - b.column;
}

function readBounded(path: string): Buffer {
  const file = openSync(path, "r");
  try {
    const bytes = Buffer.alloc(FILE_BYTES_MAX + 1);
    let length = 0;
    for (;;) {
      const count = readSync(file, bytes, length, bytes.length - length, null);
      length += count;
      if (count === 0 || length === bytes.length) return bytes.subarray(0, length);
    }
  } finally {
    closeSync(file);
  }
}

function unreadable(path: string, error: unknown): SparsewireError {
  const code = (error as NodeJS.ErrnoException).code;
  const denied = code === "EACCES" || code === "EPERM";
  const why =
    code === "ENOENT"
      ? "there is no such file"
      : code === "EISDIR"
        ? "it is a directory"
        : denied
          ? "permission denied"
          : (error as Error).message;
  return new SparsewireError("CONFIG_UNREADABLE", `cannot read the configuration ${path}: ${why}`, {
    exit: denied ? EXIT.notPermitted : EXIT.usage,
    mend: denied ? "run as a user that may read it" : "give --config the path of a TOML file",
    cause: error,
  });
}
