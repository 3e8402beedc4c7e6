/** Compiles native.c against native SuiteSparse:GraphBLAS and runs it. */
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "../cli/command.js";

/** Why there is no native GraphBLAS here, or false: what node:test takes as `skip`. */
export const nativeMissing: string | false = existsSync("/usr/include/GraphBLAS.h")
  ? false
  : "native SuiteSparse:GraphBLAS is not installed (libgraphblas-dev)";

/** Builds the program in a folder; returns a function that runs it. */
export function compileNative(folder: string): (args: string[], input?: string) => string {
  const binary = join(folder, "native");
  const source = join(ROOT, "test/challenge/native.c");
  execFileSync("cc", ["-O2", "-Wall", "-Wextra", "-o", binary, source, "-lgraphblas"], { stdio: "pipe" });
  return (args, input = "") =>
    execFileSync(binary, args, { input, encoding: "utf8", maxBuffer: 1 << 28, stdio: "pipe" });
}
