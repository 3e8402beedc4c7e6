/** How many descriptors connections may take: files, the spool and the store need theirs, whoever knocks. */
import { readFileSync } from "node:fs";

/** The limit of open descriptors (RLIMIT_NOFILE, soft). Infinity where the kernel does not tell. */
export function descriptorLimit(limits = readLimits()): number {
  const soft = /^Max open files +(\d+|unlimited)/m.exec(limits)?.[1];
  return soft === undefined || soft === "unlimited" ? Number.POSITIVE_INFINITY : Number(soft);
}

function readLimits(): string {
  try {
    return readFileSync("/proc/self/limits", "utf8");
  } catch {
    return "";
  }
}

/** Of this process; asked at once, because a confined one may not look into /proc. */
const LIMIT = descriptorLimit();
/** Connections take this share of them at most. */
const SHARE = 4;

/** As many connections as configured, as far as there are descriptors for them; at least 16. */
export const connectionsMax = (configured: number, limit = LIMIT): number =>
  Math.max(16, Math.min(configured, Math.floor(limit / SHARE)));
