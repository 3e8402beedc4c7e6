/** The kinds of values that configurations are made of, as zod types with errors that say the mend. */
import { z } from "zod";
import { formatDuration, parseDuration, parseSize } from "../../lib/duration.js";
import { SparsewireError } from "../../lib/errors.js";

interface DurationLimits {
  /** Shortest and longest that is accepted, as texts ("10ms", "24h"). */
  min?: string;
  max?: string;
}

/** A duration text; nanoseconds (bigint) once parsed. Give defaults with `.prefault("1s")`. */
export function durationNs(limits: DurationLimits = {}) {
  const min = limits.min === undefined ? undefined : parseDuration(limits.min);
  const max = limits.max === undefined ? undefined : parseDuration(limits.max);
  return z.string().transform((text, context) => {
    const ns = attempt(text, parseDuration, context);
    if (ns === undefined) return z.NEVER;
    if (min !== undefined && ns < min) return refuse(context, `must be at least ${formatDuration(min)}`);
    if (max !== undefined && ns > max) return refuse(context, `must be at most ${formatDuration(max)}`);
    return ns;
  });
}

/** A duration text; milliseconds (a number, fractions of a millisecond kept) once parsed. */
export function durationMs(limits: DurationLimits = {}) {
  return durationNs(limits).transform((ns) => Number(ns) / 1e6);
}

/** A size text or a bare number of bytes; bytes (a number) once parsed. Defaults: `.prefault("512MiB")`. */
export function byteSize(limits: { min?: string; max?: string } = {}) {
  const min = limits.min === undefined ? 0 : parseSize(limits.min);
  const max = limits.max === undefined ? Number.MAX_SAFE_INTEGER : parseSize(limits.max);
  return z.union([z.string(), z.number().int().nonnegative()]).transform((given, context) => {
    const bytes = typeof given === "number" ? given : attempt(given, parseSize, context);
    if (bytes === undefined) return z.NEVER;
    if (bytes < min) return refuse(context, `must be at least ${limits.min}`);
    if (bytes > max) return refuse(context, `must be at most ${limits.max}`);
    return bytes;
  });
}

/** Names and addresses of a server: "collector.example.org", "*.example.org", "192.0.2.1". */
export const hostNames = z
  .array(
    z
      .string()
      .max(253)
      .regex(/^(\*\.)?[A-Za-z0-9._:-]+$/, "must be a host's name or address, without port"),
  )
  .max(64)
  .default([]);

/** A TCP port; 0 asks the kernel for a free one. */
export const port = z.number().int().min(0).max(65535);

/**
 * Marks a key that takes effect on SIGHUP. Everything that is not marked needs a restart, so that a
 * forgotten mark promises too little and never too much.
 */
export function reloadable<T extends z.ZodType>(schema: T): T {
  return schema.meta({ ...schema.meta(), reloadable: true }) as T;
}

/** Whether a schema, or what it wraps, was marked. */
export function isReloadable(schema: z.core.$ZodType): boolean {
  return z.globalRegistry.get(schema)?.reloadable === true;
}

function attempt<T>(text: string, parse: (text: string) => T, context: z.core.$RefinementCtx): T | undefined {
  try {
    return parse(text);
  } catch (error) {
    if (!(error instanceof SparsewireError)) throw error;
    refuse(context, error.message, error.mend);
    return undefined;
  }
}

function refuse(context: z.core.$RefinementCtx, message: string, mend?: string): never {
  context.addIssue({ code: "custom", message, ...(mend === undefined ? {} : { params: { mend } }) });
  return z.NEVER;
}
