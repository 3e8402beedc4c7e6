/** Raw intervals and the three roll-up levels: which period a time lies in, and in which folder its file. */

export const ROLLUP_LEVELS = ["1m", "1h", "1d"] as const;
export type RollupLevel = (typeof ROLLUP_LEVELS)[number];
export const LEVELS = ["raw", ...ROLLUP_LEVELS] as const;
export type Level = (typeof LEVELS)[number];

/** Sensor and run in the name of a roll-up, which is everybody's; its sequence is its period. */
export const ROLLUP_SENSOR = "all";
export const ROLLUP_RUN = "0".repeat(16);
/** A sum that does not fit in memory is kept in parts: the run in the name tells which, in hexadecimal. */
export const rollupRun = (part: number): string => part.toString(16).padStart(16, "0");
/** The part of a roll-up in the run of its name, or undefined. */
export const rollupPart = (run: string): number | undefined =>
  /^0{8}[0-9a-f]{8}$/.test(run) ? Number.parseInt(run, 16) : undefined;

const MINUTE_NS = 60_000_000_000n;
/** Minutes in a period of each level. */
export const LEVEL_MINUTES: Record<RollupLevel, number> = { "1m": 1, "1h": 60, "1d": 1440 };
/** Latest start that is accepted, ns (exclusive): the year 2262, where signed 64-bit nanoseconds end. */
export const START_NS_MAX = 2n ** 63n;

/** Number of the period of `level` in which `ns` (since 1970 UTC) lies: minutes, hours or days since 1970. */
export const periodOf = (level: RollupLevel, ns: bigint): number =>
  Number(ns / (MINUTE_NS * BigInt(LEVEL_MINUTES[level])));

/** First ns of a period; that of the next period is its end. */
export const periodStart = (level: RollupLevel, period: number): bigint =>
  BigInt(period) * BigInt(LEVEL_MINUTES[level]) * MINUTE_NS;

/** YYYY/MM/DD of a start, UTC. */
export function dayFolder(ns: bigint): string {
  return new Date(Number(ns / 1_000_000n)).toISOString().slice(0, 10).replaceAll("-", "/");
}

/** YYYY/MM/DD/HH of a start, UTC. */
export function hourFolder(ns: bigint): string {
  const iso = new Date(Number(ns / 1_000_000n)).toISOString();
  return `${iso.slice(0, 10).replaceAll("-", "/")}/${iso.slice(11, 13)}`;
}

/** Folder of an archive below the store. */
export const levelFolder = (level: Level, ns: bigint): string =>
  level === "raw" ? `raw/${hourFolder(ns)}` : `rollup/${level}/${dayFolder(ns)}`;

/** RFC 3339 with nanoseconds, as answers give times. */
export function timeText(ns: bigint): string {
  const seconds = new Date(Number(ns / 1_000_000n)).toISOString().slice(0, 19);
  return `${seconds}.${(ns % 1_000_000_000n).toString().padStart(9, "0")}Z`;
}
