/**
 * manifest.json as text: nanoseconds are JSON integers beyond 2^53, which JSON.parse would round. Reading keeps them
 * exact, writing has one stable order of keys (that of the schema): same manifest, same bytes.
 */
import type { z } from "zod";
import { EXIT, SparsewireError } from "./errors.js";
import { type Manifest, manifestSchema } from "./manifest.js";

/** Some 100,000 parts of a roll-up; more is nobody's honest manifest. */
export const MANIFEST_BYTES_MAX = 16 << 20;

/** Reads and checks a manifest; throws SparsewireError BAD_MANIFEST. */
export function parseManifest(text: string): Manifest {
  if (text.length > MANIFEST_BYTES_MAX) throw badManifest("it is absurdly long");
  let json: unknown;
  try {
    json = JSON.parse(quoteLongIntegers(text));
  } catch {
    throw badManifest("it is not JSON");
  }
  return checkManifest(json);
}

/** A manifest that keeps its own promises, from a value of unknown origin; throws BAD_MANIFEST. */
export function checkManifest(value: unknown): Manifest {
  const result = manifestSchema.safeParse(value);
  if (!result.success) throw badManifest(firstIssue(result.error));
  const manifest = result.data;
  if (manifest.end < manifest.start) throw badManifest("it ends before it starts");
  const { shed } = manifest;
  if (shed !== undefined && shed.rate_min > shed.rate_max)
    throw badManifest("shed.rate_min is above rate_max");
  // What has stopped at its end adds up no longer.
  if ((manifest.saturated?.length ?? 0) > 0) return manifest;
  const reasons = Object.values(manifest.reasons).reduce((sum, count) => sum + count, 0);
  if (manifest.frames !== reasons) {
    throw badManifest(`frames = ${manifest.frames}, but its reasons add up to ${reasons}`);
  }
  const packets = manifest.reasons.ipv4 + manifest.reasons.ipv6;
  if (manifest.packets !== packets) {
    throw badManifest(`packets = ${manifest.packets}, but ipv4 + ipv6 is ${packets}`);
  }
  if (shed !== undefined && shed.packets !== manifest.drops.shed) {
    throw badManifest(`drops.shed = ${manifest.drops.shed}, but shed.packets = ${shed.packets}`);
  }
  return manifest;
}

/** The text of a manifest, keys in the schema's order, a newline at the end. */
export const manifestJson = (manifest: Manifest): string =>
  `${jsonText(manifestSchema.parse(manifest), "")}\n`;

/**
 * Puts quotes around integers that a double cannot hold, outside of strings only. One pass, whatever the text is;
 * what is not JSON stays so or becomes a string in its place, which the schema judges.
 */
export function quoteLongIntegers(text: string): string {
  const parts: string[] = [];
  let copied = 0;
  for (let at = 0; at < text.length; at++) {
    const c = text.charCodeAt(at);
    if (c === QUOTE) at = endOfString(text, at);
    else if (isNumberPart(c)) {
      const start = at;
      while (at + 1 < text.length && isNumberPart(text.charCodeAt(at + 1))) at++;
      const token = text.slice(start, at + 1);
      if (token.length > 15 && /^-?\d+$/.test(token) && !Number.isSafeInteger(Number(token))) {
        parts.push(text.slice(copied, start), '"', token, '"');
        copied = at + 1;
      }
    }
  }
  parts.push(text.slice(copied));
  return parts.join("");
}

const QUOTE = 34;
const BACKSLASH = 92;
/** Characters that numbers are made of: digits + - . e E. */
const isNumberPart = (c: number): boolean =>
  (c >= 48 && c <= 57) || c === 43 || c === 45 || c === 46 || c === 69 || c === 101;

function endOfString(text: string, start: number): number {
  let at = start + 1;
  while (at < text.length && text.charCodeAt(at) !== QUOTE) at += text.charCodeAt(at) === BACKSLASH ? 2 : 1;
  return at;
}

/** JSON of two-space indent with bigints as integers; arrays of numbers stay on a line. */
function jsonText(value: unknown, indent: string): string {
  if (typeof value === "bigint") return value.toString();
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const deeper = `${indent}  `;
  if (Array.isArray(value)) {
    if (value.length === 0) return "[]";
    if (value.every((item) => typeof item === "number")) return `[${value.join(", ")}]`;
    return `[\n${value.map((item) => deeper + jsonText(item, deeper)).join(",\n")}\n${indent}]`;
  }
  const entries = Object.entries(value).filter(([, item]) => item !== undefined);
  if (entries.length === 0) return "{}";
  const lines = entries.map(([key, item]) => `${deeper}${JSON.stringify(key)}: ${jsonText(item, deeper)}`);
  return `{\n${lines.join(",\n")}\n${indent}}`;
}

function firstIssue(error: z.ZodError): string {
  const issue = error.issues[0];
  const where = issue?.path.map(String).join(".") ?? "";
  return `${where === "" ? "" : `${where}: `}${issue?.message ?? "malformed"}`.slice(0, 200);
}

export const badManifest = (what: string): SparsewireError =>
  new SparsewireError("BAD_MANIFEST", `not a sound manifest: ${what}`, {
    exit: EXIT.badInput,
    mend: "fetch or write the archive again",
  });
