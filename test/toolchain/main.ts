/**
 * What every clang to be had makes of our C, used: `npm run test:compilers`.
 *
 *   node dist/test/toolchain/main.js [--suite NAME]... [--clang VERSION]... [--load-only] [--guest]
 *
 * Each builds the BPF programs and the wasm modules, without a warning; this kernel takes each program from a process with
 * CAP_BPF and CAP_NET_ADMIN alone; the tests of the modules pass. --load-only leaves the modules out; --guest has
 * Linux 6.1, in a virtual machine, take the programs too. Exit code 0: all held; 1: something did not; 5: not to be had here.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { GuestUnavailable, installTools, ROOT_TOOLS } from "../guest/apt.js";
import { compilers } from "./compilers.js";
import type { LoadReport } from "./load-programs.js";
import { loadOnStockKernel } from "./stock.js";
import { Workshop } from "./workshop.js";

/** Tests of what the modules compute, by folder of built files. */
const MODULE_TESTS = ["dist/test/sandbox", "dist/test/extension", "native/graphblas-wasm/dist/test"];
const say = (text: string): void => void process.stderr.write(`compilers: ${text}\n`);

const { values: options } = parseArgs({
  options: {
    suite: { type: "string", multiple: true, default: ["trixie", "sid"] },
    clang: { type: "string", multiple: true },
    "load-only": { type: "boolean", default: false },
    guest: { type: "boolean", default: false },
  },
});

/** Throws an Error with the programs that were refused; else how many were not. */
function verdict({ loaded, refused }: Pick<LoadReport, "loaded" | "refused">): string {
  if (refused.length === 0 && loaded > 0) return `${loaded} programs loaded`;
  throw new Error(refused.map(({ program, why }) => `${program}: ${why}`).join("\n"));
}

/** Builds, loads and tests with one compiler; its objects stay in `objects`. */
function examine(workshop: Workshop, objects: string): string {
  workshop.run(`node native/build.mjs && mkdir -p ${objects} && cp bpf/build/*.o ${objects}`);
  const report = JSON.parse(
    workshop.run("node dist/test/toolchain/load-programs.js bpf/build"),
  ) as LoadReport;
  const words = [verdict(report)];
  if (!options["load-only"]) {
    const files = MODULE_TESTS.map((folder) => `${folder}/*.test.js`).join(" ");
    const output = workshop.run(`node --test --test-reporter=spec $(ls ${files} | grep -v live)`);
    words.push(`${/^ℹ pass (\d+)$/m.exec(output)?.[1]} tests of modules passed`);
  }
  return words.join(", ");
}

async function main(): Promise<number> {
  installTools(say, ROOT_TOOLS);
  const objects = mkdtempSync(join(tmpdir(), "sparsewire-objects-"));
  let failed = 0;
  const attempt = (name: string, work: () => string): void => {
    try {
      process.stdout.write(`ok      ${name}: ${work()}\n`);
    } catch (error) {
      failed++;
      process.stdout.write(`not ok  ${name}: ${(error as Error).message}\n`);
    }
  };
  try {
    const all = await compilers(options.suite, say);
    const chosen = all.filter(({ version }) => options.clang?.includes(String(version)) ?? true);
    for (const compiler of chosen) {
      const workshop = new Workshop(compiler);
      attempt(compiler.name, () => examine(workshop, join(objects, String(compiler.version))));
      workshop.close();
    }
    if (options.guest)
      for (const [version, report] of await loadOnStockKernel(objects, say))
        attempt(`clang ${version}, on Linux ${report.release}`, () => verdict(report));
    return failed === 0 && chosen.length > 0 ? 0 : 1;
  } finally {
    rmSync(objects, { recursive: true, force: true });
  }
}

process.exitCode = await main().catch((error: unknown) => {
  if (!(error instanceof GuestUnavailable)) throw error;
  say(error.message);
  return 5;
});
