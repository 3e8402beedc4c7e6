/** Which clang is taken, on a path of make-believe compilers, and which package is installed where there is none. */
import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import fc from "fast-check";
import { runSeed } from "../sandbox/random.js";
import { packagesModule, toolchainModule } from "./module.js";

const { CLANG_MIN, toolchain, toolchains } = await toolchainModule();
const { choose, packagesFor } = await packagesModule();

interface Installed {
  version: number;
  /** Known by its number, else as "clang". */
  isNumbered: boolean;
  /** Where its wasm-ld is: named by clang itself, by number in the path, or nowhere. */
  linker: "own" | "path" | "none";
}

/** A folder with these compilers, as an environment whose path is that folder. */
function machine(
  t: TestContext | undefined,
  compilers: readonly Installed[],
): { PATH: string; close(): void } {
  const folder = mkdtempSync(join(tmpdir(), "sparsewire-toolchain-"));
  const close = (): void => rmSync(folder, { recursive: true, force: true });
  t?.after(close);
  const program = (name: string, script: string): string => {
    const path = join(folder, name);
    writeFileSync(path, `#!/bin/sh\n${script}\n`);
    chmodSync(path, 0o755);
    return path;
  };
  for (const { version, isNumbered, linker } of compilers) {
    const own = linker === "own" ? program(`own-wasm-ld-of-${version}`, "") : "wasm-ld";
    if (linker === "path") program(`wasm-ld-${version}`, "");
    program(
      isNumbered ? `clang-${version}` : "clang",
      `case $1 in
        --version) echo "Debian clang version ${version}.0.6 (1)" ;;
        -print-prog-name=*) echo "${own}" ;;
        *) exit 1 ;;
      esac`,
    );
  }
  return { PATH: folder, close };
}

const compiler = fc.record<Installed>({
  version: fc.integer({ min: CLANG_MIN - 4, max: CLANG_MIN + 90 }),
  isNumbered: fc.boolean(),
  linker: fc.constantFrom("own", "path", "none"),
});
/** At most one by the plain name; each number once. */
const compilers = fc
  .uniqueArray(compiler, { selector: ({ version }) => version, maxLength: 5 })
  .map((all) => all.filter((one, i) => one.isNumbered || all.findIndex((each) => !each.isNumbered) === i));

test("the newest clang that is new enough and has a linker is taken, whatever else is there", () => {
  const property = fc.property(compilers, (all) => {
    const { PATH, close } = machine(undefined, all);
    try {
      const fit = all.filter(({ version, linker }) => version >= CLANG_MIN && linker !== "none");
      const wanted = fit.map(({ version }) => version).sort((a, b) => b - a);
      assert.deepEqual(
        toolchains({ PATH }).map(({ version }) => version),
        wanted,
      );
      if (wanted.length === 0)
        assert.throws(() => toolchain({ PATH }), /no clang from 16 on .* npm run setup/);
      else assert.equal(toolchain({ PATH }).version, wanted[0]);
    } finally {
      close();
    }
  });
  fc.assert(property, { numRuns: 30, seed: runSeed() });
});

test("CLANG and WASM_LD name others, and what does not fit is told with its mend", (t) => {
  const { PATH } = machine(t, [
    { version: 15, isNumbered: true, linker: "own" },
    { version: 16, isNumbered: true, linker: "path" },
    { version: 17, isNumbered: true, linker: "none" },
    { version: 19, isNumbered: true, linker: "own" },
  ]);
  const named = toolchain({ PATH, CLANG: "clang-16" });
  assert.deepEqual([named.clang, named.wasmLd], [join(PATH, "clang-16"), join(PATH, "wasm-ld-16")]);
  assert.equal(toolchain({ PATH, CLANG: join(PATH, "clang-16") }).version, 16);
  const mixed = toolchain({ PATH, CLANG: "clang-17", WASM_LD: "wasm-ld-16" });
  assert.deepEqual([mixed.version, mixed.wasmLd], [17, join(PATH, "wasm-ld-16")]);
  assert.equal(toolchain({ PATH, WASM_LD: "wasm-ld-16" }).version, 19);
  assert.notEqual(toolchain({ PATH }).identity, named.identity);
  const refused = (more: object, what: RegExp) => assert.throws(() => toolchain({ PATH, ...more }), what);
  refused({ CLANG: "clang-15" }, /CLANG=clang-15 is clang 15; name one from 16 on/);
  refused({ CLANG: "clang-17" }, /CLANG=clang-17 has no wasm-ld; install lld-17, or set WASM_LD/);
  refused({ CLANG: "clang-99" }, /CLANG=clang-99 is no clang that runs/);
  refused({ WASM_LD: "wasm-ld-99" }, /WASM_LD=wasm-ld-99 is not there/);
});

test("where there is no clang the distribution's is installed: 16 if it has it, else its newest", (t) => {
  assert.equal(choose([14, 16, 19]), 16, "Debian 12, Ubuntu 24.04");
  assert.equal(choose([17, 18, 19, 22]), 22, "Debian 13");
  assert.equal(choose([14, 15]), 16, "none that fits: the name is for the message");
  const nothing = { env: { PATH: machine(t, []).PATH }, offers: () => [17, 19] };
  const { needed, optional } = packagesFor(["test"], nothing);
  assert.deepEqual(needed.slice(0, 2), ["clang-19", "lld-19"]);
  assert.ok(optional.includes("libclang-rt-19-dev"));
  assert.ok(!needed.includes("libgraphblas-dev"), "a distribution may lack what only tests need");
});

test("a clang that is there needs no package, and is asked for no other's run-time", (t) => {
  const { PATH } = machine(t, [{ version: 17, isNumbered: true, linker: "own" }]);
  const offers = (): number[] => assert.fail("apt is not asked");
  const { needed, optional } = packagesFor(["test"], { env: { PATH }, offers });
  assert.doesNotMatch(needed.join(" "), /clang|lld/);
  assert.deepEqual(
    optional.filter((name) => /clang/.test(name)),
    ["libclang-rt-17-dev"],
  );
});
