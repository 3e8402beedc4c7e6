/** Questions to a zod schema: which keys it knows, which of them take effect on a reload. */
import { isDeepStrictEqual } from "node:util";
import type { z } from "zod";
import type { Path } from "./toml.js";
import { isReloadable } from "./types.js";

type Schema = z.core.$ZodType;
/** The parts of zod's definitions that are looked at. */
interface Def {
  type: string;
  shape?: Record<string, Schema>;
  catchall?: Schema;
  innerType?: Schema;
  in?: Schema;
  out?: Schema;
  element?: Schema;
  valueType?: Schema;
}

/** The schema below defaults, optionals and transformations, as the writer of a file sees it. */
function bare(schema: Schema): Def {
  let def = schema._zod.def as Def;
  for (;;) {
    const wrapped =
      def.type === "pipe" ? (defOf(def.in!).type === "transform" ? def.out : def.in) : def.innerType;
    if (wrapped === undefined) return def;
    def = defOf(wrapped);
  }
}

function defOf(schema: Schema): Def {
  return schema._zod.def as Def;
}

/** A schema and everything it wraps, from the outside in: defaults, optionals, transformations. */
export function wrappings(schema: Schema): Schema[] {
  const levels: Schema[] = [];
  for (let at: Schema | undefined = schema; at !== undefined; ) {
    levels.push(at);
    const def: Def = defOf(at);
    at = def.innerType ?? def.in;
  }
  return levels;
}

/** The keys of a table, or undefined for what is not a table. */
export function shapeOf(schema: Schema): Record<string, Schema> | undefined {
  return bare(schema).shape;
}

/** Every path a schema knows, tables and leaves, in the schema's order. */
export function knownPaths(schema: Schema, base: string[] = []): string[][] {
  const { shape } = bare(schema);
  if (shape === undefined) return [];
  return Object.entries(shape).flatMap(([key, inner]) => [
    [...base, key],
    ...knownPaths(inner, [...base, key]),
  ]);
}

/** Paths of `value` that the schema does not know. Unions are left to zod. */
export function unknownPaths(schema: Schema, value: unknown, base: Path = []): Path[] {
  const { shape, catchall, element, valueType } = bare(schema);
  if (Array.isArray(value)) {
    return element === undefined
      ? []
      : value.flatMap((item, at) => unknownPaths(element, item, [...base, at]));
  }
  if (typeof value !== "object" || value === null || value instanceof Date) return [];
  const entries = Object.entries(value);
  if (shape === undefined) {
    return valueType === undefined
      ? []
      : entries.flatMap(([key, item]) => unknownPaths(valueType, item, [...base, key]));
  }
  return entries.flatMap(([key, item]) => {
    const path = [...base, key];
    if (Object.hasOwn(shape, key)) return unknownPaths(shape[key]!, item, path);
    return catchall === undefined || defOf(catchall).type === "never" ? [path] : [];
  });
}

/** How many of a document's top-level keys a schema knows: tells kinds of configuration apart. */
export function familiarity(schema: Schema, value: Record<string, unknown>): number {
  const { shape } = bare(schema);
  return shape === undefined ? 0 : Object.keys(value).filter((key) => Object.hasOwn(shape, key)).length;
}

/**
 * Compares two parsed configurations leaf by leaf. `changed` names every key that differs, dotted;
 * `restart` those of them that are not marked `reloadable` and so need a restart.
 */
export function diffConfig(
  schema: Schema,
  before: unknown,
  after: unknown,
): { changed: string[]; restart: string[] } {
  const changed: string[] = [];
  const restart: string[] = [];
  const walk = (level: Schema, a: unknown, b: unknown, path: string[], inherited: boolean): void => {
    const reload = inherited || wrappings(level).some(isReloadable);
    const { shape } = bare(level);
    if (shape !== undefined && isTable(a) && isTable(b)) {
      for (const [key, inner] of Object.entries(shape)) walk(inner, a[key], b[key], [...path, key], reload);
      return;
    }
    if (isDeepStrictEqual(a, b)) return;
    changed.push(path.join("."));
    if (!reload) restart.push(path.join("."));
  };
  walk(schema, before, after, [], false);
  return { changed, restart };
}

function isTable(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
