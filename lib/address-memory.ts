/**
 * Anonymised addresses of a while ago. Windows of one capture share most of their addresses: those need neither a cipher
 * nor a sort again. Bounded, and whoever knows the table can only make it useless: what it lacks is mapped as ever.
 */
import type { AddressMap } from "./anonymize.js";
import { mapDistinct } from "./map-traffic.js";

const SLOT_BITS = 17;

/** IPv4 only. An address has one slot; the last one mapped there is kept. */
export class AddressMemory {
  readonly #map: AddressMap;
  readonly #clear = new Uint32Array(1 << SLOT_BITS);
  readonly #mapped = new Uint32Array(1 << SLOT_BITS);
  readonly #factor: number;

  /** @param random below 2^31: slots cannot be aimed at by those who do not know it */
  constructor(map: AddressMap, random: number) {
    this.#map = map;
    this.#factor = (random << 1) | 1;
    // A slot that holds address 0 must hold its image; all others are empty as long as they hold 0 too.
    this.#mapped.fill(map.map4(new Uint32Array(1))[0]!);
  }

  /** Maps addresses in place. */
  apply(addresses: Uint32Array): void {
    const [clear, mapped, factor] = [this.#clear, this.#mapped, this.#factor];
    const missing: number[] = [];
    for (let at = 0; at < addresses.length; at++) {
      const address = addresses[at]!;
      const slot = Math.imul(address, factor) >>> (32 - SLOT_BITS);
      if (clear[slot] === address) addresses[at] = mapped[slot]!;
      else missing.push(at);
    }
    if (missing.length === 0) return;
    const before = Uint32Array.from(missing, (at) => addresses[at]!);
    const after = before.slice();
    mapDistinct(after, (distinct) => this.#map.map4(distinct));
    for (let k = 0; k < missing.length; k++) {
      const slot = Math.imul(before[k]!, factor) >>> (32 - SLOT_BITS);
      addresses[missing[k]!] = after[k]!;
      clear[slot] = before[k]!;
      mapped[slot] = after[k]!;
    }
  }
}
