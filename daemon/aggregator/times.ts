/** Times and ranges of time in queries: RFC 3339, unix seconds, or relative to now. */
import { parseDuration } from "../../lib/duration.js";
import { SparsewireError } from "../../lib/errors.js";
import { START_NS_MAX } from "./periods.js";
import { badRequest, Refusal } from "./refusal.js";

const RFC3339 = /^(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d(?::\d\d)?)(?:\.(\d{1,9}))?(Z|z|[+-]\d\d:\d\d)$/;

/**
 * ns since 1970 UTC of "2026-01-31T12:00:00.5Z", "1769860800.25" (unix seconds), "now", "-5m", or "now-5m".
 * Throws Refusal BAD_TIME (400).
 */
export function parseTime(text: string, now: bigint): bigint {
  const ns = text.length > 64 ? undefined : (relative(text, now) ?? unix(text) ?? rfc3339(text));
  if (ns === undefined || ns < 0n || ns >= START_NS_MAX) {
    throw badRequest(
      `${JSON.stringify(text.slice(0, 64))} is not a time`,
      'write it as "2026-01-31T12:00:00Z", as unix seconds, or as "-5m" or "now"',
      "BAD_TIME",
    );
  }
  return ns;
}

function relative(text: string, now: bigint): bigint | undefined {
  if (text === "now") return now;
  const found = /^(?:now)?-(.+)$/.exec(text)?.[1];
  if (found === undefined) return undefined;
  try {
    const ago = parseDuration(found);
    return ago > now ? 0n : now - ago;
  } catch (error) {
    if (error instanceof SparsewireError) return undefined;
    throw error;
  }
}

function unix(text: string): bigint | undefined {
  const found = /^(\d{1,11})(?:\.(\d{1,9}))?$/.exec(text);
  if (found === null) return undefined;
  return BigInt(found[1]!) * 1_000_000_000n + BigInt((found[2] ?? "").padEnd(9, "0"));
}

function rfc3339(text: string): bigint | undefined {
  const found = RFC3339.exec(text);
  if (found === null) return undefined;
  const [, date, time, fraction = "", zone] = found;
  const ms = Date.parse(`${date}T${time}${zone!.toUpperCase()}`);
  if (Number.isNaN(ms) || !isDay(date!)) return undefined;
  return BigInt(ms) * 1_000_000n + BigInt(fraction.padEnd(9, "0"));
}

/** Date.parse() takes February 30 for March 2. */
const isDay = (date: string): boolean => {
  const ms = Date.parse(date);
  return !Number.isNaN(ms) && new Date(ms).toISOString().startsWith(date);
};

/** The half-open range [from, to) of a query; without `to` until now, without `from` as given. */
export function parseRange(
  query: Record<string, unknown>,
  defaults: { from: string } = { from: "-5m" },
  now = BigInt(Date.now()) * 1_000_000n,
): { from: bigint; to: bigint } {
  const from = parseTime(text(query, "from") ?? defaults.from, now);
  const to = parseTime(text(query, "to") ?? "now", now);
  if (from >= to) {
    throw new Refusal("from is not before to", {
      status: 416,
      cause: "bad_request",
      code: "BAD_RANGE",
      mend: "give from < to; the range is from (inclusive) to to (exclusive)",
    });
  }
  return { from, to };
}

/** A parameter that is given at most once. */
export function text(query: Record<string, unknown>, key: string): string | undefined {
  const value = query[key];
  if (value === undefined || typeof value === "string") return value;
  throw badRequest(`${key} is given more than once`);
}

/** One of a closed set of words. */
export function choice<T extends string>(
  query: Record<string, unknown>,
  key: string,
  choices: readonly T[],
  fallback: T,
): T {
  const value = text(query, key) ?? fallback;
  const found = choices.find((one) => one === value);
  if (found === undefined) throw badRequest(`${key} is not one of ${choices.join(", ")}`);
  return found;
}

/** A whole number from 1 to `max`. */
export function count(query: Record<string, unknown>, key: string, fallback: number, max: number): number {
  const value = text(query, key);
  if (value === undefined) return fallback;
  if (!/^\d{1,9}$/.test(value) || Number(value) < 1 || Number(value) > max) {
    throw badRequest(`${key} is not a number from 1 to ${max}`);
  }
  return Number(value);
}

/** Refuses parameters nobody knows: a misspelt one must not silently mean something else. */
export function onlyKnown(query: Record<string, unknown>, known: readonly string[]): void {
  const unknown = Object.keys(query).find((key) => !known.includes(key));
  if (unknown !== undefined) {
    throw badRequest(
      `there is no parameter ${JSON.stringify(unknown.slice(0, 40))}`,
      `known: ${known.join(", ")}`,
    );
  }
}
