/** The keys of a configuration as a list, each with its meaning and default, out of the schema. */
import { z } from "zod";
import type { KindOfConfig } from "./kinds.js";
import { shapeOf, wrappings } from "./schema.js";
import { isReloadable } from "./types.js";

type Schema = z.core.$ZodType;

export interface ConfigKey {
  /** Dotted; "" at the top. */
  table: string;
  key: string;
  description: string;
  /** As TOML; undefined where there is none, or where it depends on the host. */
  defaultText: string | undefined;
  isReloadable: boolean;
}

/** Every key that is not a table: those of the top first, then table by table. */
export function configKeys({ schema, hints }: KindOfConfig): ConfigKey[] {
  return keysOf(schema, "", hints);
}

function keysOf(schema: Schema, table: string, hints: Record<string, string>): ConfigKey[] {
  const path = (key: string): string => (table === "" ? key : `${table}.${key}`);
  const entries = Object.entries(shapeOf(schema) ?? {});
  const leaves = entries
    .filter(([, inner]) => tableOf(inner) === undefined)
    .map(([key, inner]) => ({
      table,
      key,
      description: description(inner),
      // An example value stands where the default depends on the host, or where there is none.
      defaultText: hints[path(key)] === undefined ? defaultText(inner) : undefined,
      isReloadable: wrappings(inner).some(isReloadable),
    }));
  const tables = entries.flatMap(([key, inner]) => {
    const below = tableOf(inner);
    return below === undefined ? [] : keysOf(below, path(key), hints);
  });
  return [...leaves, ...tables];
}

/** The table itself, or what an array of tables holds; undefined for plain values. */
function tableOf(schema: Schema): Schema | undefined {
  if (shapeOf(schema) !== undefined) return schema;
  for (const level of wrappings(schema)) {
    const { type, element } = level._zod.def as { type: string; element?: Schema };
    if (type === "array" && element !== undefined && shapeOf(element) !== undefined) return element;
  }
  return undefined;
}

/** The outermost description of a schema. */
export function description(schema: Schema): string {
  for (const level of wrappings(schema)) {
    const text = z.globalRegistry.get(level)?.description;
    if (text !== undefined) return text;
  }
  return "";
}

/** The default as TOML, which writes strings, numbers, booleans and arrays of them as JSON does. */
export function defaultText(schema: Schema): string | undefined {
  for (const level of wrappings(schema)) {
    const def = level._zod.def as { type: string; defaultValue?: unknown };
    if (def.type === "default" || def.type === "prefault") return JSON.stringify(def.defaultValue);
  }
  return undefined;
}
