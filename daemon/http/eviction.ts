/** Which connection ends to make room for another one. Pure: the rule alone, without sockets. */

/** What a connection has shown so far: nothing, that it asks, that it ships. */
export const RANK = { stranger: 0, reader: 1, writer: 2 } as const;

export interface Held {
  peer: string;
  rank: number;
  /** Requests in flight. */
  busy: number;
  /** When a request last began, ended, or moved bytes; ms of any clock. */
  active: number;
}

/**
 * The connection to end for a newcomer of `peer`. One without a request in flight, if there is one: of the peer that
 * has most, those first that have asked for nothing yet, the longest idle of them. With all of them at work a peer
 * that has more than the newcomer's gives up the one that has moved nothing for longest. Undefined: the newcomer has
 * to go.
 */
export function victimOf<T extends Held>(
  held: Iterable<T>,
  counts: Map<string, number>,
  peer: string,
): T | undefined {
  const share = (each: Held): number => counts.get(each.peer) ?? 0;
  let idle: T | undefined;
  let busy: T | undefined;
  for (const each of held) {
    if (each.busy > 0) {
      if (
        busy === undefined ||
        share(each) > share(busy) ||
        (share(each) === share(busy) && each.active < busy.active)
      )
        busy = each;
    } else if (idle === undefined || comesBefore(each, idle, share)) idle = each;
  }
  if (idle !== undefined) return idle;
  return busy !== undefined && share(busy) > (counts.get(peer) ?? 0) + 1 ? busy : undefined;
}

function comesBefore(a: Held, b: Held, share: (each: Held) => number): boolean {
  if (share(a) !== share(b)) return share(a) > share(b);
  return a.rank === b.rank ? a.active < b.active : a.rank < b.rank;
}
