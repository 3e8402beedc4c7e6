/** native/toolchain.mjs and native/packages.mjs as tests see them: they are plain JavaScript, which tsc does not know. */
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { repositoryRoot } from "../live/tools/tool.js";

export interface Toolchain {
  /** Absolute paths. */
  clang: string;
  wasmLd: string;
  /** clang's major version. */
  version: number;
  identity: string;
}

export interface ToolchainModule {
  CLANG_MIN: number;
  WASM_FEATURES: readonly string[];
  toolchain(env?: NodeJS.ProcessEnv): Toolchain;
  toolchains(env?: NodeJS.ProcessEnv): Toolchain[];
  findToolchain(env?: NodeJS.ProcessEnv): Toolchain | undefined;
  fuzzerRuntime(clang: string): string | undefined;
}

export interface PackagesModule {
  packagesFor(
    purposes: readonly string[],
    options: { env: NodeJS.ProcessEnv; offers(): number[] },
  ): { needed: string[]; optional: string[] };
  choose(versions: readonly number[]): number;
  offered(names: readonly string[]): Set<string>;
}

const load = (path: string): Promise<unknown> => import(pathToFileURL(join(repositoryRoot(), path)).href);

export const toolchainModule = () => load("native/toolchain.mjs") as Promise<ToolchainModule>;
export const packagesModule = () => load("native/packages.mjs") as Promise<PackagesModule>;
