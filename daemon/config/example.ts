/** A configuration file that documents itself: every key with its meaning and its default, from the schema. */
import type { z } from "zod";
import { defaultText, description } from "./keys.js";
import type { Kind, KindOfConfig } from "./kinds.js";
import { shapeOf, wrappings } from "./schema.js";
import { isReloadable } from "./types.js";

type Schema = z.core.$ZodType;

/** The text of systemd/KIND.toml. */
export function exampleConfig(kind: Kind, about: KindOfConfig): string {
  const head = [
    `# Configuration of sparsewire ${kind}: every key there is, commented out where the default is meant.`,
    `# Check changes with: sparsewire check-config /etc/sparsewire/${kind}.toml`,
    "# Keys marked (reload) take effect on SIGHUP (systemctl reload); the others at the next start.",
  ];
  return `${head.join("\n")}\n\n${tableText(about.schema, "", about)}`;
}

/** Keys first, then the tables below, each under its header. */
function tableText(schema: Schema, name: string, about: KindOfConfig): string {
  const entries = Object.entries(shapeOf(schema) ?? {});
  const path = (key: string) => (name === "" ? key : `${name}.${key}`);
  const keys = entries
    .filter(([, inner]) => shapeOf(inner) === undefined)
    .map(([key, inner]) => keyText(key, path(key), inner, about));
  const tables = entries
    .filter(([, inner]) => shapeOf(inner) !== undefined)
    .map(
      ([key, inner]) => `\n# ${description(inner)}\n[${path(key)}]\n${tableText(inner, path(key), about)}`,
    );
  return [...keys, ...tables].join("");
}

function keyText(key: string, path: string, schema: Schema, { set, hints }: KindOfConfig): string {
  const isLive = wrappings(schema).some(isReloadable);
  const comment = `# ${description(schema)}${isLive ? " (reload)" : ""}\n`;
  const given = set[path];
  if (given !== undefined) return `${comment}${key} = ${given}\n`;
  const value = hints[path] ?? defaultText(schema) ?? "...";
  return `${comment}#${key} = ${value}\n`;
}
