/** Every section of a module is bounded before an engine sees it, and what compiling it takes is another process's. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join as path } from "node:path";
import { after, test } from "node:test";
import { WASM_URL } from "../../daemon/capture/sandbox.js";
import { Admission } from "../../daemon/extension/admission.js";
import { compileFault } from "../../daemon/extension/compile.js";
import { faultsOf } from "../../daemon/extension/files.js";
import { extensionsOf } from "../../daemon/extension/settings.js";
import { WASM_BOUNDS as MOST } from "../../lib/wasm-bounds.js";
import { CLI } from "../live/rig.js";
import { fuzz } from "../pcap/fuzz.js";
import { EXTREMES, growing } from "./extremes.js";
import { exampleBytes, Modules } from "./modules.js";
import {
  body,
  EMPTY,
  FUNCREF,
  I32,
  join,
  leb,
  MEMORY_IMPORT,
  type ModuleParts,
  moduleOfParts,
  OP,
  OTHERS,
  repeated,
  section,
  text,
} from "./wasm-writer.js";

const MEMORY_MAX = 64 << 20;
const modules = new Modules();
after(() => modules.close());
const faults = (parts: ModuleParts): string[] => faultsOf(moduleOfParts(parts), MEMORY_MAX);
const list = <T>(count: number, item: T): T[] => Array.from({ length: count }, () => item);
const table = (...limits: number[]): Uint8Array => join([FUNCREF], ...limits.map(leb));

/** A module with `more` beyond each bound; 0: just within it. The extension that does nothing has some of each itself. */
const AT_THE_BOUND: Record<keyof typeof MOST, (more: number) => ModuleParts> = {
  fileBytes: (more) => {
    const without = moduleOfParts({}).length;
    const room = MOST.fileBytes - without - 1 - 4 + more;
    return { before: { 99: [section(0, join([1, 0x78], new Uint8Array(room - 2)))] } };
  },
  types: (more) => ({ types: list(MOST.types - 4 + more, [0x60, 0, 0]) }),
  parameters: (more) => ({
    types: [join([0x60, 0], leb(MOST.parameters + more), repeated(MOST.parameters + more, [I32]))],
  }),
  imports: (more) => ({ imports: list(MOST.imports - 1 + more, MEMORY_IMPORT) }),
  functions: (more) => ({ functions: list(MOST.functions - OTHERS + more, body(0, [])) }),
  tables: (more) => ({ tables: list(MOST.tables + more, table(1, 0, 1)) }),
  tableEntries: (more) => ({ tables: [table(1, 0, MOST.tableEntries - 1), table(1, 0, 1 + more)] }),
  globals: (more) => ({ globals: list(MOST.globals + more, [I32, 0, OP.i32, 0, OP.end]) }),
  exports: (more) => ({
    exports: Array.from({ length: MOST.exports - 4 + more }, (_, i) => join(text(`e${i}`), [0, 0])),
  }),
  nameBytes: (more) => ({ exports: [join(text("n".repeat(MOST.nameBytes + more)), [0, 0])] }),
  elementSegments: (more) => ({
    tables: [table(1, 1, 1)],
    elements: list(MOST.elementSegments + more, [0, OP.i32, 0, OP.end, 1, 0]),
  }),
  elements: (more) => ({
    tables: [table(1, MOST.tableEntries, MOST.tableEntries)],
    elements: [
      [0, OP.i32, 0, OP.end, 1, 0],
      join([0, OP.i32, 0, OP.end], leb(MOST.elements - 1 + more), repeated(MOST.elements - 1 + more, [0])),
    ],
  }),
  dataSegments: (more) => ({ data: list(MOST.dataSegments - 1 + more, [0, OP.i32, 0, OP.end, 1, 0]) }),
  customSections: (more) => ({ before: { 99: list(MOST.customSections + more, section(0, [1, 0x78])) } }),
  codeBytes: (more) => {
    // Those of the extension that does nothing have 12 bytes.
    const each = MOST.bodyBytes - 2;
    const rest = MOST.codeBytes - 12 - 7 * MOST.bodyBytes;
    return { functions: [...list(7, nops(each)), nops(rest - 2 - 40), nops(40 - 2 + more)] };
  },
  bodyBytes: (more) => ({ functions: [nops(MOST.bodyBytes - 2 + more)] }),
  locals: (more) => ({ functions: [body(MOST.locals + more, [])] }),
};
const nops = (bytes: number): Uint8Array => body(0, repeated(bytes, [1]));

for (const [name, parts] of Object.entries(AT_THE_BOUND)) {
  test(`${name}: what is at the bound is taken, one more is refused`, () => {
    const within = faults(parts(0));
    // So many memories are another fault than the bound.
    assert.ok(
      within.every((fault) => /imports env.memory more than once/.test(fault)),
      within.join("\n"),
    );
    const [fault, ...more] = faults(parts(1));
    assert.match(fault!, /^(it|a function|a name|the file) has \d+ .+: \d+ are the most$/);
    assert.deepEqual(more, []);
  });
}

const growsWithoutEnd: [title: string, parts: ModuleParts, fault: RegExp][] = [
  ["a table without a maximum", { tables: [table(0, 1)], batch: growing(1000) }, /a table without a maximum/],
  [
    "a table of ten million entries, grown",
    { tables: [table(1, 1, 10_000_000)], batch: growing(1000) },
    /10000000 entries/,
  ],
  ["60 tables that grow", { tables: list(60, table(1, 1, 10_000_000)) }, /60 tables: 16 are the most/],
  ["50 tables as declared", { tables: list(50, table(0, 10_000_000)) }, /50 tables: 16 are the most/],
  ["ten million entries as declared", { tables: [table(1, 10_000_000, 10_000_000)] }, /10000000 entries/],
  ["a 64-bit table", { tables: [table(5, 1, 2)] }, /a 64-bit table/],
  ["a table of other things", { tables: [join([0x6f, 1, 1, 1])] }, /other things than functions/],
  [
    "a table with a value",
    { tables: [join([0x40, 0, FUNCREF, 1, 1, 1, OP.refNull, FUNCREF, OP.end])] },
    /other things/,
  ],
  ["structures", { types: [[0x5f, 1, I32, 1]] }, /a type that is not a function's/],
  ["arrays", { types: [[0x5e, I32, 1]] }, /a type that is not a function's/],
  ["groups of types", { types: [[0x4e, 1, 0x60, 0, 0]] }, /a type that is not a function's/],
  ["values that are objects", { types: [[0x60, 1, 0x6e, 0]] }, /values that are objects/],
  ["locals that are objects", { functions: [join([5, 1, 1, 0x6e, 0, OP.end])] }, /values that are objects/],
  ["exceptions", { before: { 6: [section(13, [1, 0, 3])] } }, /tags of exceptions/],
  ["an unknown section", { before: { 99: [section(14, [])] } }, /a section of unknown kind 14/],
  ["two sections of one kind", { before: { 99: [section(7, [0])] } }, /two sections of one kind/],
  [
    "a section with more than its entries",
    { before: { 4: [section(4, [0, 0])] } },
    /longer than what is in it/,
  ],
  [
    "a constant of a thousand steps",
    { globals: [join([I32, 0], repeated(1000, [OP.i32, 1]), [OP.end])] },
    /too long/,
  ],
];
for (const [title, parts, fault] of growsWithoutEnd) {
  test(`${title}: refused, in one line`, () => {
    const found = faults(parts);
    assert.equal(found.length, 1);
    assert.match(found[0]!, fault);
  });
}

test("the examples and the template have nothing beyond a bound", async () => {
  for (const name of ["dns-count", "port-source", "tcp-handshake", "template"])
    assert.deepEqual(faultsOf(exampleBytes(name), MEMORY_MAX), [], name);
  assert.equal(await compileFault(exampleBytes("tcp-handshake")), undefined);
  // A large one, with all that a compiler makes of honest code: what is asked of the engine, it can do.
  assert.equal(await compileFault(readFileSync(WASM_URL)), undefined);
});

test("the command refuses both kinds of tables with exit code 3, in one line", () => {
  for (const [i, parts] of [growsWithoutEnd[2]![1], growsWithoutEnd[3]![1]].entries()) {
    const file = path(modules.folder, `tables${i}.wasm`);
    writeFileSync(file, moduleOfParts(parts));
    const done = spawnSync(process.execPath, [CLI, "extension", "check", file], { encoding: "utf8" });
    assert.deepEqual([done.status, done.stderr], [3, ""]);
    assert.match(done.stdout, /^tables\d\.wasm: it has \d+ tables: 16 are the most\n$/);
  }
});

test("extremes of every section are taken or refused, in words, and nothing else", async (t) => {
  const kinds = Object.values(EXTREMES);
  await fuzz(t, (random) => {
    for (const fault of faultsOf(moduleOfParts(random.pick(kinds)(random)), MEMORY_MAX))
      assert.match(fault, /^\S.*\S$/);
  });
});

test("a function that takes a compiler more memory than there is ends another process, not this one", async () => {
  const loops = repeated(20_000, [OP.loop, EMPTY]);
  const bytes = moduleOfParts({ functions: [body(MOST.locals, join(loops, repeated(20_000, [OP.end])))] });
  assert.deepEqual(faultsOf(bytes, MEMORY_MAX), []);
  assert.match((await compileFault(bytes))!, /^compiling it takes more than (256 MiB|5 s)/);
});

test("what does not compile is told by the engine's own words", async () => {
  const fault = await compileFault(moduleOfParts({ batch: [OP.add] }));
  assert.match(fault!, /^not a sound module: Compiling function #2.* failed: not enough arguments/);
});

test("a process that cannot be started says nothing of the module", async () => {
  const path = process.execPath;
  process.execPath = "/nonexistent/node";
  try {
    await assert.rejects(compileFault(moduleOfParts({})), { code: "CANNOT_COMPILE" });
  } finally {
    process.execPath = path;
  }
});

test("where things go on without it, a module that may not run is kept from running; the one that is needed ends it", () => {
  const file = path(modules.folder, "refused.wasm");
  writeFileSync(file, moduleOfParts(growsWithoutEnd[0]![1]));
  const configs = extensionsOf([file]);
  const [module] = new Admission(configs, () => false).modules;
  assert.match(
    module!.fault!.message,
    /^extension refused: .*refused\.wasm: it has a table without a maximum/,
  );
  assert.equal(module!.wasm.length, 0);
  assert.throws(() => new Admission(configs, () => true), { code: "BAD_EXTENSION" });
});
