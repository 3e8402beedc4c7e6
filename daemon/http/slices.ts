/** Long answers in slices: none of them holds up the main thread, and what a reader does not take is not written. */
import { Readable } from "node:stream";
import { Turns } from "./turns.js";

/** Written to a connection at once. */
export const SLICE_BYTES = 64 << 10;

/** Slices that leave in one turn of the event loop, over all connections of the process. */
const turns = new Turns(4);

/** Views of the pieces' bytes, in order, each in its turn. */
export async function* sliced(
  pieces: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  for await (const piece of pieces) {
    for (let at = 0; at < piece.length; at += SLICE_BYTES) {
      await turns.next();
      yield piece.subarray(at, at + SLICE_BYTES);
    }
  }
}

/** The reply's side of Fastify's onSend hook. */
interface Reply {
  hasHeader(name: string): boolean;
  header(name: string, value: number): unknown;
}

/** Fastify's onSend hook: a body that is longer than a slice goes out as a stream of slices, with its length. */
export async function sendInSlices<T>(_request: unknown, reply: Reply, payload: T): Promise<T | Readable> {
  if (typeof payload !== "string" && !(payload instanceof Uint8Array)) return payload;
  if (payload.length <= SLICE_BYTES) return payload;
  const bytes = typeof payload === "string" ? Buffer.from(payload) : payload;
  if (!reply.hasHeader("content-length")) reply.header("content-length", bytes.length);
  return Readable.from(sliced([bytes]), { objectMode: false, highWaterMark: SLICE_BYTES });
}
