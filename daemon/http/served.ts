/**
 * An answer in pieces, from a place that goes back when its reader has it all, has gone, or is too slow for those who
 * wait.
 */
import { addAbortSignal, Readable } from "node:stream";
import { sliced } from "./slices.js";
import type { Place } from "./slots.js";

/** Takes the place over: it is left when the stream closes. */
export function served(place: Place, pieces: AsyncIterable<Uint8Array>): Readable {
  const stream = Readable.from(paced(place, sliced(pieces)), { objectMode: false });
  stream.once("close", () => place.leave());
  return addAbortSignal(place.ended, stream);
}

/** While nobody takes a piece, it is the reader that is waited for. */
async function* paced(place: Place, pieces: AsyncGenerator<Uint8Array>): AsyncGenerator<Uint8Array> {
  for await (const piece of pieces) {
    place.waits();
    yield piece;
    place.works(piece.length);
  }
}
