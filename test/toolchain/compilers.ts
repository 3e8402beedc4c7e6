/** Every clang to be had: this machine's, and those of Debian's suites in root file systems that are made for it and kept. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { archiveOf, rootOf } from "../distributions/roots.js";
import { PrivateApt } from "../guest/apt.js";
import { toolchainModule } from "./module.js";
import type { Compiler } from "./workshop.js";

/** What BPF programs include; a native C library's headers are among it. */
const HEADERS = ["libbpf-dev", "libc6-dev"];

/** One of each version from the oldest that is supported on; `suites` are looked through in their order. */
export async function compilers(suites: readonly string[], say: (text: string) => void): Promise<Compiler[]> {
  const { CLANG_MIN, toolchains } = await toolchainModule();
  const found: Compiler[] = toolchains().map(({ clang, wasmLd, version }) => ({
    ...{ version, clang, wasmLd },
    name: `clang ${version}`,
  }));
  for (const suite of suites) {
    const known = found.map(({ version }) => version);
    const versions = versionsIn(suite).filter((each) => each >= CLANG_MIN && !known.includes(each));
    if (versions.length === 0) continue;
    const packages = versions.flatMap((each) => [`clang-${each}`, `lld-${each}`]);
    const root = await rootOf(suite, [...HEADERS, ...packages], say);
    for (const version of versions)
      found.push({
        ...{ version, root, clang: `clang-${version}`, wasmLd: `wasm-ld-${version}` },
        name: `clang ${version} of ${suite}`,
      });
  }
  return found.sort((a, b) => a.version - b.version);
}

/** Major versions of which a suite has clang and lld. */
function versionsIn(suite: string): number[] {
  const folder = mkdtempSync(join(tmpdir(), "sparsewire-lists-"));
  try {
    const names = new PrivateApt(folder, archiveOf(suite)).names("^(clang|lld)-[0-9]+$");
    const versions = names.filter((name) => name.startsWith("clang-")).map((name) => Number(name.slice(6)));
    return versions.filter((version) => names.includes(`lld-${version}`));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
