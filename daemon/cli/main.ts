#!/usr/bin/env node
/** The `sparsewire` command. Nothing else is loaded before a daemon has made sure of how it runs. */
const args = process.argv.slice(2);
if (args[0] === "sensor" || args[0] === "aggregator") {
  // An addon that does not load is reported where the daemon needs it.
  const start = await import("../privileges/without-uring.js").catch(() => undefined);
  start?.startWithoutUring();
}
const [{ run }, { VERSION }] = await Promise.all([import("./run.js"), import("../software.js")]);
process.exit(await run(args, VERSION));
