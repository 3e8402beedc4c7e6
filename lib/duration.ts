/** Durations ("1s", "250ms", "1h30m") and sizes ("512MiB", "10GB"), as configurations and flags write them. */
import { EXIT, SparsewireError } from "./errors.js";

const NS = {
  ns: 1n,
  us: 1_000n,
  µs: 1_000n,
  ms: 1_000_000n,
  s: 1_000_000_000n,
  m: 60_000_000_000n,
  h: 3_600_000_000_000n,
  d: 86_400_000_000_000n,
  w: 604_800_000_000_000n,
} as const;

const BYTES: Record<string, number> = {
  B: 1,
  kB: 1e3,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
};

/** The longest duration that is accepted: a century, so that sums with clock values stay inside 64 bits. */
export const DURATION_NS_MAX = 36_525n * NS.d;
/** Longest text that is looked at; anything longer is refused unread. */
const TEXT_LENGTH_MAX = 64;

/**
 * Nanoseconds of a duration: one or more of a decimal number and a unit of w d h m s ms us ns, in
 * descending units, without spaces ("1h30m", "0.25s", "250ms"). A bare "0" is zero.
 *
 * @throws SparsewireError BAD_DURATION (exit: usage)
 */
export function parseDuration(text: string): bigint {
  const bad = (what: string) =>
    new SparsewireError("BAD_DURATION", `${quote(text)} is not a duration: ${what}`, {
      exit: EXIT.usage,
      mend: 'write a number and a unit of ms, s, m, h, d, as in "1s", "250ms" or "1h30m"',
    });
  if (text === "0") return 0n;
  if (text.length > TEXT_LENGTH_MAX) throw bad("too long");
  if (/^\d+(\.\d+)?$/.test(text)) throw bad("the unit is missing");
  const step = /(\d{1,18})(?:\.(\d{1,9}))?(ns|us|µs|ms|s|m|h|d|w)/y;
  let total = 0n;
  let unitBefore = NS.w + 1n;
  while (step.lastIndex < text.length) {
    const at = step.lastIndex;
    const found = step.exec(text);
    if (found === null) throw bad(`cannot read ${quote(text.slice(at))}`);
    const unit = NS[found[3] as keyof typeof NS];
    if (unit >= unitBefore) throw bad("units must descend");
    unitBefore = unit;
    const fraction = found[2] ?? "";
    total += BigInt(found[1]!) * unit + (BigInt(fraction || "0") * unit) / 10n ** BigInt(fraction.length);
    if (total > DURATION_NS_MAX) throw bad("longer than a century");
  }
  if (text === "") throw bad("it is empty");
  return total;
}

/** The shortest exact text of a duration: 1500000000n is "1s500ms", 0n is "0s". */
export function formatDuration(ns: bigint): string {
  if (ns === 0n) return "0s";
  const sign = ns < 0n ? "-" : "";
  let left = ns < 0n ? -ns : ns;
  let text = "";
  for (const unit of ["d", "h", "m", "s", "ms", "us", "ns"] as const) {
    const whole = left / NS[unit];
    if (whole > 0n) text += `${whole}${unit}`;
    left -= whole * NS[unit];
  }
  return sign + text;
}

/**
 * Bytes of a size: a decimal number and a unit of B kB MB GB TB (powers of 1000) or KiB MiB GiB TiB
 * (powers of 1024), or a bare number of bytes.
 *
 * @throws SparsewireError BAD_SIZE (exit: usage)
 */
export function parseSize(text: string): number {
  const found =
    text.length > TEXT_LENGTH_MAX ? null : /^(\d{1,16}(?:\.\d{1,9})?) ?([kKMGT]i?B|B)?$/.exec(text);
  const unit = found === null ? undefined : BYTES[found[2] ?? "B"];
  const bytes = found === null || unit === undefined ? Number.NaN : Math.round(Number(found[1]) * unit);
  if (!Number.isSafeInteger(bytes)) {
    throw new SparsewireError("BAD_SIZE", `${quote(text)} is not a size`, {
      exit: EXIT.usage,
      mend: 'write a number and a unit of B, kB, MB, GB, KiB, MiB, GiB, as in "512MiB" or "10GB"',
    });
  }
  return bytes;
}

/** A size for people, four significant digits at most: 536870912 is "512 MiB". */
export function formatSize(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${Number.isInteger(value) ? value : value.toFixed(value < 100 ? 1 : 0)} ${units[unit]}`;
}

function quote(text: string): string {
  return JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}...` : text);
}
