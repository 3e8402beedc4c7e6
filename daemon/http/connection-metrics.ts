/** The metric of what a server closed by itself. */
import { Counter, type Registry } from "prom-client";
import { CLOSE_CAUSES, type CloseCause } from "./connections.js";

/** Adds a counter, by cause, that is read when somebody scrapes. */
export function addClosed(registry: Registry, name: string, closed: (cause: CloseCause) => number): void {
  new Counter({
    name,
    help: "Connections that the server ended, by cause: idle made room, greedy peers', slow readers' ...",
    labelNames: ["cause"],
    registers: [registry],
    collect() {
      this.reset();
      for (const cause of CLOSE_CAUSES) this.inc({ cause }, closed(cause));
    },
  });
}
