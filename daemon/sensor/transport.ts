/**
 * How archives reach the aggregator. One face, so that other ways (a message broker, a shared folder) can stand beside
 * HTTP; the shipper decides about order, retries and deletion, a transport only carries.
 */
import type { Verdict } from "../../lib/answer.js";

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
  ): Promise<Verdict>;
  close(): void;
}
