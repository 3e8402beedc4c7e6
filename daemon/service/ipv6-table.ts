/** The IPv6 addresses of the open interval, each with its matrix index, hashed once; becomes the interval's dictionary. */
import { randomFillSync } from "node:crypto";
import { DICT_RECORD_BYTES, writeDict } from "../../lib/dict.js";
import { ipv6Indices } from "../../lib/ipv6-hash.js";

const FIRST_CAPACITY = 1 << 10;

export class Ipv6Table {
  readonly #key: readonly [bigint, bigint];
  /** Secret, so that nobody can choose addresses that meet in one slot. */
  readonly #mixers = randomFillSync(new Uint32Array(4)).map((word) => word | 1);
  /** Four words an address, as they lie in memory in network order. */
  #words = new Uint32Array(0);
  /** Index of an address, for the first #hashed ones. */
  #indices = new BigUint64Array(0);
  #hashed = 0;
  /** Open addressing: number of an address, or -1. Twice as many slots as there is room for addresses. */
  #slots = new Int32Array(0);
  #count = 0;

  /** The two words of the hash's key (keyWords). */
  constructor(key: readonly [bigint, bigint]) {
    this.#key = key;
    this.clear();
  }

  get count(): number {
    return this.#count;
  }

  /** The number of the address whose words begin at `at`, a new one when it was not seen since clear(). */
  number(words: Uint32Array, at: number): number {
    const mask = this.#slots.length - 1;
    for (let slot = this.#slotOf(words, at); ; slot = (slot + 1) & mask) {
      const found = this.#slots[slot]!;
      if (found < 0) return this.#add(words, at, slot);
      if (this.#isSame(found, words, at)) return found;
    }
  }

  /** Matrix indices by number, of all addresses so far. */
  indices(): BigUint64Array {
    if (this.#hashed < this.#count) {
      const fresh = new Uint8Array(this.#words.buffer, 16 * this.#hashed, 16 * (this.#count - this.#hashed));
      this.#indices.set(ipv6Indices(this.#key, fresh), this.#hashed);
      this.#hashed = this.#count;
    }
    return this.#indices;
  }

  /** The dictionary of all addresses since clear(), and how many of them share another one's index. */
  dictionary(): { dict: Uint8Array<ArrayBuffer>; collisions: number } {
    const bytes = new Uint8Array(this.#words.buffer);
    const indices = this.indices();
    const entries = Array.from({ length: this.#count }, (_, number) => ({
      index: indices[number]!,
      address: bytes.subarray(16 * number, 16 * number + 16),
    }));
    const dict = writeDict(entries);
    return { dict, collisions: this.#count - dict.length / DICT_RECORD_BYTES };
  }

  clear(): void {
    this.#allocate(FIRST_CAPACITY);
    this.#count = 0;
    this.#hashed = 0;
  }

  #allocate(capacity: number): void {
    this.#words = new Uint32Array(4 * capacity);
    this.#indices = new BigUint64Array(capacity);
    this.#slots = new Int32Array(2 * capacity).fill(-1);
  }

  #slotOf(words: Uint32Array, at: number): number {
    let mixed = 0;
    for (let i = 0; i < 4; i++) {
      mixed = Math.imul(mixed ^ words[at + i]!, this.#mixers[i]!);
      mixed ^= mixed >>> 15;
    }
    return mixed & (this.#slots.length - 1);
  }

  #isSame(number: number, words: Uint32Array, at: number): boolean {
    const mine = this.#words;
    const from = 4 * number;
    return (
      mine[from] === words[at] &&
      mine[from + 1] === words[at + 1] &&
      mine[from + 2] === words[at + 2] &&
      mine[from + 3] === words[at + 3]
    );
  }

  #add(words: Uint32Array, at: number, slot: number): number {
    if (2 * this.#count === this.#slots.length) {
      this.#grow();
      return this.number(words, at);
    }
    const number = this.#count++;
    this.#words.set(words.subarray(at, at + 4), 4 * number);
    this.#slots[slot] = number;
    return number;
  }

  #grow(): void {
    const [words, indices] = [this.#words, this.#indices];
    this.#allocate(2 * indices.length);
    this.#words.set(words);
    this.#indices.set(indices);
    for (let number = 0; number < this.#count; number++) {
      let slot = this.#slotOf(words, 4 * number);
      while (this.#slots[slot]! >= 0) slot = (slot + 1) & (this.#slots.length - 1);
      this.#slots[slot] = number;
    }
  }
}
