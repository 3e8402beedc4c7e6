/**
 * The labels of one interval, as the records that the archive has of them, and a hash table of where each lies: bounded in
 * bytes and in number, and no object for each. What comes first stays.
 */
import { LABEL_HEAD_BYTES, LABEL_KINDS } from "../../lib/extension-dict.js";

const ARENA_BYTES = 1 << 14;
const SLOTS = 1 << 10;
const FREE = -1;

export class Labels {
  readonly #bytesMax: number;
  readonly #countMax: number;
  #arena = new Uint8Array(ARENA_BYTES);
  #view = new DataView(this.#arena.buffer);
  #used = 0;
  /** Offsets in the arena, by open addressing; at most half of them are taken. */
  #slots = new Int32Array(SLOTS).fill(FREE);
  #count = 0;
  /** Labels that there was no room for. */
  lost = 0;

  constructor(bytesMax: number, countMax: number) {
    this.#bytesMax = bytesMax;
    this.#countMax = countMax;
  }

  /** Keeps a label of `index` (two words, the lower first), if it has none and there is room. */
  add(low: number, high: number, kind: (typeof LABEL_KINDS)[number], bytes: Uint8Array): void {
    let slot = this.#find(low, high);
    if (this.#slots[slot] !== FREE) return;
    const size = LABEL_HEAD_BYTES + bytes.length;
    if (this.#count === this.#countMax || this.#used + size > this.#bytesMax) {
      this.lost++;
      return;
    }
    if (2 * this.#count >= this.#slots.length) {
      this.#widen();
      slot = this.#find(low, high);
    }
    if (this.#used + size > this.#arena.length) this.#lengthen();
    this.#slots[slot] = this.#used;
    this.#view.setUint32(this.#used, low, true);
    this.#view.setUint32(this.#used + 4, high, true);
    this.#arena[this.#used + 8] = LABEL_KINDS.indexOf(kind);
    this.#arena[this.#used + 9] = bytes.length;
    this.#arena.set(bytes, this.#used + LABEL_HEAD_BYTES);
    this.#used += size;
    this.#count++;
  }

  /** The dictionary as lib/extension-dict.ts reads it, sorted by index; the next interval begins without labels. */
  seal(): { dict: Uint8Array<ArrayBuffer>; lost: number } {
    const indices = new BigUint64Array(this.#count);
    let n = 0;
    for (const offset of this.#slots) {
      if (offset !== FREE) indices[n++] = this.#view.getBigUint64(offset, true);
    }
    const words = new Uint32Array(indices.sort().buffer);
    const dict = new Uint8Array(this.#used);
    let at = 0;
    for (let i = 0; i < words.length; i += 2) {
      const from = this.#slots[this.#find(words[i]!, words[i + 1]!)]!;
      const size = LABEL_HEAD_BYTES + this.#arena[from + 9]!;
      dict.set(this.#arena.subarray(from, from + size), at);
      at += size;
    }
    const sealed = { dict, lost: this.lost };
    this.#arena = new Uint8Array(ARENA_BYTES);
    this.#view = new DataView(this.#arena.buffer);
    this.#slots = new Int32Array(SLOTS).fill(FREE);
    this.#used = this.#count = this.lost = 0;
    return sealed;
  }

  /** The slot of an index, or the free one where it would be. */
  #find(low: number, high: number): number {
    const mask = this.#slots.length - 1;
    for (let slot = mix(low, high) & mask; ; slot = (slot + 1) & mask) {
      const offset = this.#slots[slot]!;
      if (offset === FREE) return slot;
      if (this.#view.getUint32(offset, true) === low && this.#view.getUint32(offset + 4, true) === high)
        return slot;
    }
  }

  #widen(): void {
    const old = this.#slots;
    this.#slots = new Int32Array(2 * old.length).fill(FREE);
    for (const offset of old) {
      if (offset === FREE) continue;
      const [low, high] = [this.#view.getUint32(offset, true), this.#view.getUint32(offset + 4, true)];
      this.#slots[this.#find(low, high)] = offset;
    }
  }

  #lengthen(): void {
    const longer = new Uint8Array(Math.min(2 * this.#arena.length, this.#bytesMax + ARENA_BYTES));
    longer.set(this.#arena);
    this.#arena = longer;
    this.#view = new DataView(longer.buffer);
  }
}

/** The finaliser of MurmurHash3 for 32 bits (Appleby 2011), over both words and a key of this process. */
function mix(low: number, high: number): number {
  let hash = low ^ Math.imul(high, 0x9e3779b1) ^ KEY;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}

/** Who chooses the indices must not choose where they lie. */
const KEY = crypto.getRandomValues(new Int32Array(1))[0]!;
