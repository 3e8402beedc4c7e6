/**
 * How archives reach the aggregator. One face, so that other ways (a message broker, a shared folder) can stand beside
 * HTTP; the shipper decides about order, retries and deletion, a transport only carries.
 */
export type Delivery =
  /** The aggregator has it on disk (now, or from an earlier attempt). */
  | { result: "acknowledged"; duplicate: boolean }
  /** Worth another try later: nobody there, busy, its disk full, wrong token ... */
  | { result: "retry"; cause: string; message: string; afterMs?: number }
  /** It will never be taken as it is. */
  | { result: "refused"; cause: string; message: string };

export interface Transport {
  /** Where to, for the log and the status. */
  readonly target: string;
  /** Longest that one send() takes, ms. */
  readonly timeoutMs: number;
  /** Delivers one archive; never rejects for what the other side or the network does. */
  send(
    identity: { sensor: string; run: string; sequence: number },
    archive: Uint8Array,
    signal: AbortSignal,
  ): Promise<Delivery>;
  close(): void;
}
