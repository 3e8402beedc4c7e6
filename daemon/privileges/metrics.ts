/** What a daemon holds, as metrics: for an alert when it holds more than it should. */
import { Gauge, type Registry } from "prom-client";
import type { Privileges } from "./confine.js";

/** Adds `PREFIXprivileges_info` and `PREFIXcapabilities_held`; both are read from the kernel at scrape time. */
export function addPrivilegeGauges(registry: Registry, prefix: string, privileges: Privileges): void {
  const registers = [registry];
  new Gauge({
    name: `${prefix}privileges_info`,
    help: "What the process holds: the weakest of its threads",
    labelNames: ["root", "no_new_privs", "seccomp", "landlock"],
    registers,
    collect() {
      const held = privileges.status();
      this.reset();
      this.set(
        {
          root: String(held.uid === 0),
          no_new_privs: String(held.no_new_privs),
          seccomp: held.seccomp.mode,
          landlock: String(held.landlock !== null),
        },
        1,
      );
    },
  });
  new Gauge({
    name: `${prefix}capabilities_held`,
    help: "Capabilities in the permitted set of any thread",
    registers,
    collect() {
      this.set(privileges.status().capabilities.permitted.length);
    },
  });
}
