/**
 * The log of observations: an append to a typed array, and nothing else, on the service's thread. Chunks are of a fixed
 * size and go to the worker when they are full or the interval ends; folded ones come back and are used again.
 */
import { type MessagePort, receiveMessageOnPort } from "node:worker_threads";
import {
  CHUNK_BYTES,
  CHUNK4,
  CHUNK6,
  CHUNKS_MAX,
  type Chunk,
  OBSERVATION_BYTES_MAX,
  WORDS6,
} from "./protocol.js";

const NO_CHUNK = new Uint32Array(0);
/** While there is no chunk, every so many observations looks for one: looking takes ten times as long as an append. */
const LOOK_EVERY = 64;
/** Where the bytes of IPv4 observations begin in a chunk, words. */
const BYTES4 = 2 * CHUNK4;

export class ObservationLog {
  /** Observations handed to the worker so far. */
  posted = 0;
  /** Observations that found every chunk still with the worker. */
  shed = 0;
  /** Observations whose address or bytes were none. */
  malformed = 0;
  /** Observations after close(). */
  late = 0;
  readonly #post: (chunk: Chunk) => void;
  #recycled: MessagePort;
  #isClosed = false;
  /** Chunks that exist: the open ones, those with the worker, those on their way back. */
  #chunks = 0;
  /** Looks for a chunk since the last one was found. */
  #misses = 0;
  // A family without an open chunk has a full count: then an append looks for one.
  #words4 = NO_CHUNK;
  #count4 = CHUNK4;
  #large4: number[] = [];
  #words6 = NO_CHUNK;
  #count6 = CHUNK6;
  #large6: number[] = [];

  /** `post` takes a chunk over (and transfers it); chunks that may be used again arrive at `recycled`. */
  constructor(recycled: MessagePort, post: (chunk: Chunk) => void) {
    this.#recycled = recycled;
    this.#post = post;
  }

  /** Observations accepted so far. */
  get accepted(): number {
    const open4 = this.#words4.length === 0 ? 0 : this.#count4;
    const open6 = this.#words6.length === 0 ? 0 : this.#count6;
    return this.posted + open4 + open6;
  }

  /** One observation of IPv4: addresses as numbers below 2^32, bytes a whole number below 2^40. */
  append4(source: number, destination: number, bytes: number): void {
    if (source >>> 0 !== source || destination >>> 0 !== destination) {
      this.malformed++;
      return;
    }
    const isLarge = bytes >>> 0 !== bytes;
    if (isLarge && !isByteCount(bytes)) {
      this.malformed++;
      return;
    }
    if (this.#count4 === CHUNK4 && !this.#open4()) return;
    const at = this.#count4++;
    const words = this.#words4;
    words[2 * at] = destination;
    words[2 * at + 1] = source;
    words[BYTES4 + at] = bytes;
    if (isLarge) this.#large4.push(at, bytes);
    if (at === CHUNK4 - 1) this.#ship4(CHUNK4);
  }

  /** One observation of IPv6: four words an address, as they lie in memory in network order. */
  append6(source: Uint32Array, destination: Uint32Array, bytes: number): void {
    const isLarge = bytes >>> 0 !== bytes;
    if (isLarge && !isByteCount(bytes)) {
      this.malformed++;
      return;
    }
    if (this.#count6 === CHUNK6 && !this.#open6()) return;
    const at = this.#count6++;
    const words = this.#words6;
    words.set(source, at * WORDS6);
    words.set(destination, at * WORDS6 + 4);
    words[at * WORDS6 + 8] = bytes;
    if (isLarge) this.#large6.push(at, bytes);
    if (at === CHUNK6 - 1) this.#ship6(CHUNK6);
  }

  /** Hands over what is in the open chunks. */
  flush(): void {
    if (this.#words4.length > 0) this.#ship4(this.#count4);
    if (this.#words6.length > 0) this.#ship6(this.#count6);
  }

  /** Hands over the last observations; what comes later is counted only. */
  close(): void {
    this.flush();
    this.#isClosed = true;
  }

  /** Another worker takes the place of one that died with its chunks. */
  reconnect(recycled: MessagePort): void {
    this.#recycled = recycled;
    this.#misses = 0;
    this.#chunks = Number(this.#words4.length > 0) + Number(this.#words6.length > 0);
  }

  #ship4(count: number): void {
    this.posted += count;
    const chunk: Chunk = {
      family: 4,
      buffer: this.#words4.buffer as ArrayBuffer,
      count,
      large: this.#large4,
    };
    this.#words4 = NO_CHUNK;
    this.#count4 = CHUNK4;
    this.#large4 = [];
    this.#post(chunk);
  }

  #ship6(count: number): void {
    this.posted += count;
    const chunk: Chunk = {
      family: 6,
      buffer: this.#words6.buffer as ArrayBuffer,
      count,
      large: this.#large6,
    };
    this.#words6 = NO_CHUNK;
    this.#count6 = CHUNK6;
    this.#large6 = [];
    this.#post(chunk);
  }

  #open4(): boolean {
    const buffer = this.#take();
    if (buffer === undefined) return false;
    this.#words4 = new Uint32Array(buffer);
    this.#count4 = 0;
    return true;
  }

  #open6(): boolean {
    const buffer = this.#take();
    if (buffer === undefined) return false;
    this.#words6 = new Uint32Array(buffer);
    this.#count6 = 0;
    return true;
  }

  /** A chunk that came back, a new one, or none: then the observation is counted as shed. */
  #take(): ArrayBuffer | undefined {
    if (this.#isClosed) {
      this.late++;
      return undefined;
    }
    if (this.#misses > 0 && this.#misses++ % LOOK_EVERY !== 0) {
      this.shed++;
      return undefined;
    }
    // Read at once, without the event loop: a service may observe for long before it returns to it.
    const back = receiveMessageOnPort(this.#recycled) as { message: ArrayBuffer } | undefined;
    if (back !== undefined || this.#chunks < CHUNKS_MAX) {
      this.#misses = 0;
      if (back !== undefined) return back.message;
      this.#chunks++;
      return new ArrayBuffer(CHUNK_BYTES);
    }
    this.#misses++;
    this.shed++;
    return undefined;
  }
}

const isByteCount = (bytes: number): boolean =>
  Number.isInteger(bytes) && bytes >= 0 && bytes < OBSERVATION_BYTES_MAX;
