/** What mode inline did with the frames of one direction. */
import { z } from "zod";

/** Why a frame that was received did not go out by the other interface. */
export const FORWARD_DROPS = [
  "tx_full", // the TX ring had no room
  "link_down", // the other interface was down
  "verdict", // an extension said so, or diverted it where there is nowhere to
  "unforwardable", // a buffer outside the UMEM, or more buffers than a frame can have
  "tx_invalid", // the kernel refused to send it (tx_invalid_descs)
  "device", // the device dropped it (tx_dropped and tx_errors of the interface)
] as const;
export type ForwardDrop = (typeof FORWARD_DROPS)[number];

const count = z.number().int().nonnegative().max(Number.MAX_SAFE_INTEGER);

/** frames = forwarded + diverted + the sum of `dropped`, but for frames that are on their way. */
export const forwardSchema = z.object({
  from: z.string().max(64),
  to: z.string().max(64),
  /** Frames received, counted into the matrices or (under drops as uncounted) not. */
  frames: count,
  /** Frames that left, and their bytes as far as the TX ring (before drops by kernel and device). */
  forwarded: count,
  bytes: count,
  diverted: count,
  dropped: z.record(z.enum(FORWARD_DROPS as unknown as [ForwardDrop, ...ForwardDrop[]]), count),
});
export type Forward = z.output<typeof forwardSchema>;

/**
 * An interval's share: what `now` has beyond what earlier intervals have `told` in all. A device may drop in this interval
 * what the one before has told as forwarded: as far as this one has nothing forwarded to take that from, it waits for one
 * that has, so that every interval's sum is right. Add the share to `told` with forwardSum().
 */
export function forwardShare(now: readonly Forward[], told: readonly Forward[]): Forward[] {
  return now.map((each) => {
    const old = told.find(({ from }) => from === each.from);
    if (old === undefined) return each;
    const less = (a: number, b: number): number => Math.max(0, a - b);
    const dropped = Object.fromEntries(
      FORWARD_DROPS.map((cause) => [cause, less(each.dropped[cause], old.dropped[cause])]),
    ) as Forward["dropped"];
    let early = less(old.forwarded, each.forwarded);
    for (const cause of ["device", "tx_invalid"] as const) {
      const waits = Math.min(early, dropped[cause]);
      dropped[cause] -= waits;
      early -= waits;
    }
    return {
      ...each,
      frames: less(each.frames, old.frames),
      forwarded: less(each.forwarded, old.forwarded),
      bytes: less(each.bytes, old.bytes),
      diverted: less(each.diverted, old.diverted),
      dropped,
    };
  });
}

/** Direction by direction, what two of the same interfaces are together; `a` may be empty. */
export function forwardSum(a: readonly Forward[], b: readonly Forward[]): Forward[] {
  return b.map((each) => {
    const other = a.find(({ from }) => from === each.from);
    if (other === undefined) return each;
    return {
      ...each,
      frames: each.frames + other.frames,
      forwarded: each.forwarded + other.forwarded,
      bytes: each.bytes + other.bytes,
      diverted: each.diverted + other.diverted,
      dropped: Object.fromEntries(
        FORWARD_DROPS.map((cause) => [cause, each.dropped[cause] + other.dropped[cause]]),
      ) as Forward["dropped"],
    };
  });
}
