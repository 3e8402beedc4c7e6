/** What is no extension is refused before it runs, with everything that is wrong, in words. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { faultsOf, readExtension } from "../../daemon/extension/files.js";
import { extensionsOf } from "../../daemon/extension/settings.js";
import { tryExtension } from "../../daemon/extension/try.js";
import { SparsewireError } from "../../lib/errors.js";
import { parseDescription } from "../../lib/extension-abi.js";
import { readWasm } from "../../lib/wasm-module.js";
import { CLI } from "../live/rig.js";
import { exampleBytes, Modules, moduleOf, NOT_STARTING } from "./modules.js";

const I32 = 0x7f;
const I64 = 0x7e;
const TYPES: [number[], number[]][] = [
  [[], [I32]],
  [[I32], []],
  [[I32, I32], []],
  [[I64], []],
];
const EXPORTS: [string, number][] = [
  ["describe", 0],
  ["start", 1],
  ["batch", 2],
  ["seal", 0],
];
const MEMORY = [0, 1];
const MIB = 1 << 20;
const modules = new Modules();
after(() => modules.close());

test("a module that fits has no fault", () => {
  assert.deepEqual(faultsOf(moduleOf({ types: TYPES, exports: EXPORTS, memory: MEMORY }), MIB), []);
  assert.deepEqual(
    faultsOf(moduleOf({ types: TYPES, exports: EXPORTS.slice(0, 3), memory: MEMORY }), MIB),
    [],
  );
});

const wrong: [title: string, Uint8Array, RegExp][] = [
  [
    "no batch",
    moduleOf({ types: TYPES, exports: EXPORTS.slice(0, 2), memory: MEMORY }),
    /does not export the function batch/,
  ],
  [
    "a wrong signature",
    moduleOf({ types: TYPES, exports: [...EXPORTS.slice(0, 2), ["batch", 3]], memory: MEMORY }),
    /its export batch is \(i64\) -> \(\), must be \(i32, i32\) -> \(\)/,
  ],
  [
    "an unknown import",
    moduleOf({
      types: TYPES,
      imports: [["wasi_snapshot_preview1", "fd_write", 0]],
      exports: EXPORTS,
      memory: MEMORY,
    }),
    /imports the function wasi_snapshot_preview1.fd_write/,
  ],
  ["no imported memory", moduleOf({ types: TYPES, exports: EXPORTS }), /does not import env.memory/],
  [
    "a memory of its own",
    moduleOf({ types: TYPES, exports: EXPORTS, ownMemory: true }),
    /a memory of its own/,
  ],
  [
    "too much memory",
    moduleOf({ types: TYPES, exports: EXPORTS, memory: [0, 127] }),
    /begins with 7.9375 MiB/,
  ],
  ["a low maximum", moduleOf({ types: TYPES, exports: EXPORTS, memory: [1, 1, 16] }), /limited to 16 pages/],
  ["64-bit memory", moduleOf({ types: TYPES, exports: EXPORTS, memory: [4, 1] }), /64-bit/],
  ["an empty file", new Uint8Array(0), /does not begin like/],
  ["text", new TextEncoder().encode("(module)"), /does not begin like/],
];
for (const [title, bytes, expected] of wrong) {
  test(title, () => {
    const faults = faultsOf(bytes, MIB);
    assert.ok(faults.length > 0);
    assert.match(faults.join("\n"), expected);
  });
}

test("every cut and every damaged byte is refused or read, never more", () => {
  const whole = exampleBytes("tcp-handshake");
  for (let length = 0; length < whole.length; length += 7) {
    assert.ok(faultsOf(whole.slice(0, length), 64 * MIB).length > 0, `cut at ${length}`);
  }
  const seed = Number(process.env.SPARSEWIRE_FUZZ_SEED ?? Date.now() % 2 ** 31);
  let state = seed;
  const random = (below: number): number => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  const until = performance.now() + 1000 * Number(process.env.SPARSEWIRE_FUZZ_SECONDS ?? 1.5);
  let rounds = 0;
  for (; performance.now() < until; rounds++) {
    const damaged = whole.slice();
    for (let i = random(4); i >= 0; i--) damaged[random(damaged.length)] = random(256);
    try {
      readWasm(damaged);
    } catch (error) {
      assert.ok(
        error instanceof SparsewireError && error.code === "BAD_MODULE",
        `seed ${seed}: ${String(error)}`,
      );
    }
    assert.ok(Array.isArray(faultsOf(damaged, 64 * MIB)));
  }
  process.stdout.write(`# seed ${seed}, ${rounds} damaged modules\n`);
});

for (const [title, number] of Object.entries(NOT_STARTING)) {
  test(`${title}: it does not come up, and nothing hangs`, async () => {
    const [settings] = extensionsOf([await modules.hostile(number)]);
    const began = performance.now();
    await assert.rejects(tryExtension(settings!), { code: "BAD_EXTENSION" });
    // Seconds of the processor; by the clock half a minute at most, however busy the machine is.
    assert.ok(performance.now() - began < 40_000);
  });
}

test("descriptions", () => {
  assert.deepEqual(
    parseDescription("sparsewire/1 row=client:address column=name:text value=queries combine=max"),
    {
      row: { name: "client", kind: "address" },
      column: { name: "name", kind: "text" },
      value: "queries",
      combine: "max",
    },
  );
  for (const text of [
    "",
    "sparsewire/2",
    "sparsewire/1 row=x:colour",
    "sparsewire/1 row=a:number/port",
    "sparsewire/1 combine=minus",
  ]) {
    assert.throws(() => parseDescription(text), { code: "BAD_DESCRIPTION" }, text);
  }
});

test("what is no file is refused at once: a pipe or a device might never end", () => {
  const pipe = join(modules.folder, "pipe.wasm");
  assert.equal(spawnSync("mkfifo", [pipe]).status, 0);
  for (const file of [pipe, "/dev/zero", modules.folder]) {
    assert.throws(() => readExtension(file), { code: "BAD_EXTENSION", message: /is no regular file/ });
  }
});

test("the command says what is wrong, and a configuration with it is bad input", () => {
  const file = join(modules.folder, "wasi.wasm");
  writeFileSync(file, wrong[2]![1]);
  const done = spawnSync(process.execPath, [CLI, "extension", "check", file], { encoding: "utf8" });
  assert.equal(done.status, 3);
  assert.match(done.stdout, /wasi.wasm: it imports the function wasi_snapshot_preview1.fd_write/);
  const run = spawnSync(process.execPath, [CLI, "ingest", "-", "-o", modules.folder, "--extension", file], {
    encoding: "utf8",
    input: "",
  });
  assert.equal(run.status, 3, run.stderr);
  assert.match(run.stderr, /extension wasi: .*imports the function/);
});
