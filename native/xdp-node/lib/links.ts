/** All interfaces of this network namespace, and hearing that they change. */
import { guard } from "./errors.js";
import { type NativeLinkEntry, type NativeLinkWatch, native } from "./native.js";

/** An interface as a dump of all of them tells it; `type` is its ARPHRD_ number (linux/if_arp.h). */
export type NetworkInterface = NativeLinkEntry;

/** Every interface there is now, with its counters. Needs no privilege. */
export function networkInterfaces(): NetworkInterface[] {
  return guard("list the interfaces", () => native.links());
}

/** Tells that an interface has come, gone or changed; what, networkInterfaces() says. */
export class InterfaceWatch {
  #native: NativeLinkWatch;

  constructor() {
    this.#native = guard("watch the interfaces", () => new native.LinkWatch());
  }

  /** Whether anything has happened since the last call. Never waits. */
  changed(): boolean {
    return this.#native.changed();
  }

  close(): void {
    this.#native.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
