/** Long answers in slices: none of them holds up the main thread, and what a reader does not take is not written. */
import { Readable } from "node:stream";

/** Written to a connection at once. */
export const SLICE_BYTES = 64 << 10;

/** Views of `bytes`, in order. */
export function* slicesOf(bytes: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += SLICE_BYTES) yield bytes.subarray(at, at + SLICE_BYTES);
}

/** The same of a stream's pieces. */
export async function* sliced(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  for await (const piece of pieces) yield* slicesOf(piece);
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
  return Readable.from(slicesOf(bytes), { objectMode: false });
}
