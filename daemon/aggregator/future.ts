/** Intervals about a time that has not come: somebody's clock is wrong. */
import { timeText } from "./periods.js";
import { Refusal } from "./refusal.js";

/** Longest that a sensor is told to wait before it asks again. */
const RETRY_SECONDS_MAX = 60;

/**
 * Throws Refusal INTERVAL_IN_FUTURE when an interval ends (ns since 1970) more than `futureMs` after `nowMs` (ms since 1970).
 * To be sent again: from here it cannot be told whose clock is wrong. The sensor keeps the interval and delivers others; its
 * time comes, or a clock is set right. Nothing is lost by an aggregator that has started without the time.
 */
export function checkNotInFuture(end: bigint, futureMs: number, nowMs: number): void {
  const aheadMs = Number(end / 1_000_000n) - nowMs;
  if (aheadMs <= futureMs) return;
  const now = timeText(BigInt(Math.floor(nowMs)) * 1_000_000n);
  throw new Refusal(`the interval ends at ${timeText(end)}, here it is ${now}`, {
    status: 409,
    cause: "future",
    code: "INTERVAL_IN_FUTURE",
    mend: "set the clock of the sensor or of the aggregator; it is taken once it is at most limits.future ahead",
    retryAfter: Math.max(1, Math.min(RETRY_SECONDS_MAX, Math.ceil((aheadMs - futureMs) / 1000))),
  });
}
