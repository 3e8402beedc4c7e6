#!/usr/bin/env node
/** The `sparsewire` command. Nothing else is loaded before it is sure of what it runs on, and a daemon of how. */
const args = process.argv.slice(2);
const isDaemon = args[0] === "sensor" || args[0] === "aggregator";
if (isDaemon) {
  // An addon that does not load is reported where the daemon needs it.
  const start = await import("../privileges/without-uring.js").catch(() => undefined);
  start?.startWithoutUring();
}
// Plain JavaScript, which the set-up shares and an older Node.js can read.
const range = (await import(new URL("../../../native/node-range.mjs", import.meta.url).href)) as {
  judgeNode(version: string): { refusal?: string; mend?: string; warning?: string };
};
const { refusal, mend, warning } = range.judgeNode(process.versions.node);
if (refusal !== undefined) {
  process.stderr.write(`sparsewire: ${refusal}; ${mend}\n`);
  process.exit(5);
}
if (isDaemon && warning !== undefined) process.stderr.write(`sparsewire: warning: ${warning}\n`);
const [{ run }, { VERSION }] = await Promise.all([import("./run.js"), import("../software.js")]);
process.exit(await run(args, VERSION));
