/**
 * A process that compiles one module, from its standard input, and ends: what the engine takes for it, and an abort of the
 * engine, are this process's alone. First every function by the quick compiler, then by the optimising one, as a sensor's
 * engine will do where they are called often. Exit code 0: it compiles; 3: standard output says why not.
 */
import { readFileSync, writeSync } from "node:fs";
import { setFlagsFromString } from "node:v8";
import { dropCapabilities, limitResources } from "xdp-node";
import { EXIT } from "../../lib/errors.js";

/** An empty custom section: the engine keeps what it compiled, and knows it again by its bytes. */
const OTHER = [0, 2, 1, 0x78];
const COMPILERS = [
  { flags: ["--no-wasm-lazy-compilation", "--liftoff", "--liftoff-only"], more: [] },
  // Inlining follows what was seen of calls: nothing has been seen, and V8 14 ends itself over that. (Flags that an engine
  // does not know are no error.)
  {
    flags: ["--no-liftoff-only", "--no-liftoff", "--no-wasm-inlining", "--no-wasm-inlining-call-indirect"],
    more: OTHER,
  },
];

const [bytes, cpuSeconds] = process.argv.slice(2).map(Number);
const module = readFileSync(0);
dropCapabilities([]);
limitResources({ bytes: bytes!, cpuSeconds: cpuSeconds! });
try {
  for (const { flags, more } of COMPILERS) {
    for (const flag of flags) setFlagsFromString(flag);
    new WebAssembly.Module(Buffer.concat([module, Buffer.from(more)]));
  }
} catch (error) {
  writeSync(1, (error as Error).message);
  process.exitCode = EXIT.badInput;
}
process.exit();
