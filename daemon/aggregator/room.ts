/** How much room the store must make: for store.max_bytes, for the file system, and for uploads that were turned away. */
import type { DeletionCause } from "./losses.js";
import type { Store } from "./store.js";

/** Over `max_bytes` times the first, files go, until the store is below the second. */
const FULL_SHARE = 0.95;
const RELIEVED_SHARE = 0.85;
/** The file system is nearly full when uploads may take less than this of it; then twice that is freed. */
const DISK_BYTES_MAX = 256 << 20;
const DISK_SHARE = 0.03;
/** An upload has room made for it up to this share of the whole. */
const WANTED_SHARE_MAX = 0.5;

export interface Demand {
  /** Bytes without which uploads are turned away, or are about to be; of what is unsummed not more is deleted. */
  must: number;
  /** Bytes to free, so that it lasts for a while. 0: there is room. */
  want: number;
  cause: DeletionCause;
}

export class DiskShare {
  readonly #store: Store;
  /** At the last look. */
  #isDiskShort = false;

  constructor(store: Store) {
    this.#store = store;
  }

  isShort(maxBytes: number): boolean {
    return this.#isDiskShort || this.#ofStore(maxBytes).want > 0;
  }

  async look(maxBytes: number): Promise<Demand> {
    const [ofStore, ofDisk] = [this.#ofStore(maxBytes), await this.#ofDisk()];
    this.#isDiskShort = ofDisk.want > 0;
    if (ofStore.want === 0 && ofDisk.want === 0) this.#store.wanted = 0;
    return ofStore.must >= ofDisk.must && ofStore.want > 0 ? ofStore : ofDisk;
  }

  #ofStore(maxBytes: number): Demand {
    const { bytes, wanted } = this.#store;
    const full = Math.min(maxBytes * FULL_SHARE, maxBytes - Math.min(wanted, maxBytes * WANTED_SHARE_MAX));
    if (bytes <= full) return { must: 0, want: 0, cause: "bytes" };
    const must = bytes - full;
    return { must, want: Math.max(must, bytes - maxBytes * RELIEVED_SHARE), cause: "bytes" };
  }

  async #ofDisk(): Promise<Demand> {
    const { size } = await this.#store.disk();
    const free = await this.#store.freeBytes();
    const low = Math.max(
      Math.min(DISK_BYTES_MAX, size * DISK_SHARE),
      Math.min(this.#store.wanted, size * WANTED_SHARE_MAX),
    );
    if (free >= low) return { must: 0, want: 0, cause: "disk" };
    return { must: low - free, want: 2 * low - free, cause: "disk" };
  }
}
