/** Whether a module compiles, and at what cost: found out in a process apart, before anything of it is in this one. */
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { EXIT, SparsewireError } from "../../lib/errors.js";
import { WASM_URL } from "../capture/sandbox.js";

const PROCESS = fileURLToPath(new URL("./compile-process.js", import.meta.url));
/** Memory and time of the processor that compiling a module may take, by each of the engine's compilers. */
export const COMPILE_BYTES_MAX = 256 << 20;
export const COMPILE_CPU_SECONDS_MAX = 5;
/** By the clock: on a busy host time of the processor is long in coming. */
const COMPILE_MS_MAX = 120_000;
const ANSWER_CHARS_MAX = 1000;
/** All that the process needs of the environment; NODE_OPTIONS would change how it compiles. */
const ENVIRONMENT = ["PATH", "LD_LIBRARY_PATH"];

/**
 * Why a module cannot be compiled, or only at a cost that a sensor does not bear; undefined: it can. Throws
 * CANNOT_COMPILE when the process cannot be started, or fails by itself: that says nothing of the module.
 */
export async function compileFault(bytes: Uint8Array): Promise<string | undefined> {
  const { code, signal, said, failure } = await run(bytes);
  if (code === EXIT.ok) return undefined;
  if (code === EXIT.badInput)
    return said.replace(/^WebAssembly\.Module\(\): /, "not a sound module: ").replaceAll(/\s+/g, " ");
  if (signal === "SIGXCPU")
    return `compiling it takes more than ${COMPILE_CPU_SECONDS_MAX} s of the processor`;
  // V8 ends itself by a trap or an abort when it gets no memory.
  if (signal !== null && !FROM_OUTSIDE.includes(signal)) {
    // An engine that fails at our own module as well is newer than what was tried here.
    if ((await run(readFileSync(WASM_URL))).code === EXIT.ok)
      return `compiling it takes more than ${COMPILE_BYTES_MAX >> 20} MiB, or the engine fails at it (${signal})`;
    throw cannotCompile(`this Node.js, ${process.version}, does not compile as it is asked to`);
  }
  throw cannotCompile(signal ?? failure);
}

const FROM_OUTSIDE: readonly string[] = ["SIGTERM", "SIGKILL", "SIGINT", "SIGHUP"];
const cannotCompile = (why: string): SparsewireError =>
  new SparsewireError("CANNOT_COMPILE", `modules cannot be compiled in a process apart: ${why}`, {
    exit: EXIT.failure,
    mend: "see that this user may start processes, that there is memory, and that this Node.js is one of those we name",
  });

interface Outcome {
  code: number | null;
  signal: NodeJS.Signals | null;
  said: string;
  /** Of the process itself: it could not be started, or what it wrote last. */
  failure: string;
}

function run(bytes: Uint8Array): Promise<Outcome> {
  return new Promise((resolve) => {
    const args = [PROCESS, String(COMPILE_BYTES_MAX), String(COMPILE_CPU_SECONDS_MAX)];
    const env = Object.fromEntries(ENVIRONMENT.map((name) => [name, process.env[name]]));
    const child = spawn(process.execPath, args, { env });
    const timer = setTimeout(() => child.kill("SIGKILL"), COMPILE_MS_MAX);
    const done = (outcome: Partial<Outcome>): void => {
      clearTimeout(timer);
      resolve({ code: null, signal: null, said, failure, ...outcome });
    };
    let [said, failure] = ["", ""];
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      said = (said + text).slice(0, ANSWER_CHARS_MAX);
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      failure = (failure + text).slice(0, ANSWER_CHARS_MAX);
    });
    // It may end before it has read everything.
    child.stdin.on("error", () => undefined).end(bytes);
    child.on("error", ({ message }) => done({ failure: message }));
    child.on("close", (code, signal) => done({ code, signal }));
  });
}
