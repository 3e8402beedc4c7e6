/** Starts itself anew without io_uring and tells, as JSON, what it was before and what it is: see uring.test.ts. */
import { readFileSync } from "node:fs";
import { Worker } from "node:worker_threads";
import { canMakeUring, openUrings, restartWithoutUring } from "../lib/uring.js";

const MARK = "ANEW_BEFORE";

function facts() {
  const status = readFileSync("/proc/self/status", "latin1");
  const field = (name: string): string => new RegExp(`^${name}:\\s+(\\S+)`, "m").exec(status)?.[1] ?? "";
  return {
    pid: process.pid,
    argv: process.argv.slice(2),
    execArgv: process.execArgv,
    cwd: process.cwd(),
    umask: process.umask(),
    canMake: canMakeUring(),
    permitted: field("CapPrm"),
    effective: field("CapEff"),
    ambient: field("CapAmb"),
    noNewPrivileges: field("NoNewPrivs"),
    filters: Number(field("Seccomp_filters")),
  };
}

const before = process.env[MARK];
if (before === undefined) {
  process.env[MARK] = JSON.stringify(facts());
  restartWithoutUring(process.execPath, ["node", ...process.execArgv, ...process.argv.slice(1)]);
}
// A worker has an event loop of its own, which would have a ring of its own.
const worker = new Worker("setTimeout(() => {}, 60_000)", { eval: true });
await new Promise((resolve) => worker.once("online", resolve));
const descriptor = process.env.ANEW_READ;
const after = {
  ...facts(),
  rings: openUrings().length,
  stdin: readFileSync(0, "utf8"),
  passed: descriptor === undefined ? "" : readFileSync(Number(descriptor), "utf8"),
};
process.stdout.write(JSON.stringify({ before: JSON.parse(before!), after }), () => process.exit(7));
