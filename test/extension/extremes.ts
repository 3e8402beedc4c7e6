/**
 * Extensions with one section at its extremes: at our bound, one beyond it, at what an engine would take, and at what only
 * the numbers say. What becomes of each is not told here: whatever it is, nothing else may notice.
 */
import { WASM_BOUNDS as MOST } from "../../lib/wasm-bounds.js";
import type { Random } from "../pcap/fuzz.js";
import {
  type Bytes,
  body,
  EMPTY,
  FUNCREF,
  I32,
  join,
  leb,
  type ModuleParts,
  moduleOfParts,
  OP,
  OTHERS,
  repeated,
  section,
  signed,
  text,
} from "./wasm-writer.js";

const list = (count: number, item: (i: number) => Bytes): Bytes[] =>
  Array.from({ length: count }, (_, i) => item(i));
/** Around a bound: within, at, and beyond it. */
const around = (random: Random, most: number): number =>
  random.pick([most >> 1, most - 8, most, most + 1, 2 * most]);
const MILLIONS = [65_536, 10_000_000, 0xffffffff];

/** A loop whose body works on all locals is what compilers take longest for. */
const LOOP = [OP.loop, EMPTY, OP.get, 0, OP.eqz, OP.set, 0, OP.get, 0, OP.brIf, 0, OP.end];

/** Code of at most `bytes`, of one shape. */
function shaped(random: Random, bytes: number): Uint8Array {
  const shapes: (() => Uint8Array)[] = [
    () => join(repeated(bytes / 3, [OP.block, EMPTY]), repeated(bytes / 3, [OP.end])),
    () => join(repeated(bytes / 3, [OP.loop, EMPTY]), repeated(bytes / 3, [OP.end])),
    () => repeated(bytes / LOOP.length, LOOP),
    () => join(repeated(bytes / 4, [OP.i32, 0]), repeated(bytes / 4, [OP.drop])),
    () =>
      join(
        ...[repeated(bytes / 6, [OP.i32, 0]), repeated(bytes / 9, [OP.block, EMPTY])],
        ...[repeated(bytes / 9, [OP.end]), repeated(bytes / 6, [OP.drop])],
      ),
    () => repeated(bytes / 7, [OP.get, 0, OP.get, 1, OP.add, OP.set, 1]),
    () =>
      join(
        [OP.block, EMPTY, OP.get, 0, OP.brTable],
        leb(Math.floor(bytes / 2)),
        repeated(bytes / 2 + 1, [0]),
        [OP.end],
      ),
    () => repeated(bytes / 2, [OP.call, OTHERS]),
  ];
  return random.pick(shapes)();
}

/** batch() that grows table 0 by `by` entries until it fails, and calls itself no further. */
export const growing = (by: number): Uint8Array =>
  join([OP.loop, EMPTY, OP.refNull, FUNCREF, OP.i32], signed(by), [
    OP.bulk,
    OP.tableGrow,
    0,
    OP.i32,
    0x7f,
    0x47,
    OP.brIf,
    0,
    OP.end,
  ]);

const table = (minimum: number, maximum?: number): Uint8Array =>
  maximum === undefined ? join([FUNCREF, 0], leb(minimum)) : join([FUNCREF, 1], leb(minimum), leb(maximum));

/** A section that says more than it has. */
const claiming = (id: number, count: number): Uint8Array => section(id, leb(count));

/** What can be extreme, by section; `seed` decides how. */
export const EXTREMES: Record<string, (random: Random) => ModuleParts> = {
  types: (random) => ({ types: list(around(random, MOST.types), () => [0x60, 1, I32, 1, I32]) }),
  parameters: (random) => {
    const count = around(random, MOST.parameters);
    return { types: [join([0x60], leb(count), repeated(count, [I32]), [0])] };
  },
  objects: (random) => ({
    types: [
      random.pick([
        [0x5f, 1, I32, 1],
        [0x5e, I32, 1],
        [0x4e, 1, 0x60, 0, 0],
        [0x60, 1, 0x63, 0x70, 0],
      ]),
    ],
  }),
  imports: (random) => ({
    imports: list(around(random, MOST.imports), (i) =>
      random.chance(0.5)
        ? join(text("env"), text("abort"), [0, 3])
        : join(text("env"), text(`t${i}`), [1], table(1)),
    ),
  }),
  functions: (random) => ({ functions: list(around(random, MOST.functions) - OTHERS, () => body(0, [])) }),
  tables: (random) => {
    const [count, size] = [
      random.pick([1, 10, 16, 60]),
      random.pick([1, 600, MOST.tableEntries, ...MILLIONS]),
    ];
    return { tables: list(count, () => (random.chance(0.3) ? table(size) : table(size, size))) };
  },
  growing: (random) => {
    const most = random.pick([undefined, 100, MOST.tableEntries, 10_000_000]);
    return { tables: [table(1, most)], batch: growing(random.pick([1, 64, 1000])) };
  },
  memories: (random) => ({
    memories: list(random.pick([1, 20]), () => join([1], leb(1), leb(random.pick(MILLIONS)))),
  }),
  globals: (random) => ({ globals: list(around(random, MOST.globals), () => [I32, 1, OP.i32, 0, OP.end]) }),
  constants: (random) => ({
    globals: [
      join([I32, 0, OP.i32, 0], repeated(random.pick([7, 100, 100_000]), [OP.i32, 1, OP.add]), [OP.end]),
    ],
  }),
  exports: (random) => ({ exports: list(around(random, MOST.exports), (i) => join(text(`e${i}`), [0, 0])) }),
  names: (random) => ({ exports: [join(text("n".repeat(around(random, MOST.nameBytes))), [0, 0])] }),
  start: (random) => ({
    start: OTHERS,
    functions: [body(0, random.pick([[OP.loop, EMPTY, OP.br, 0, OP.end], [0], [OP.call, OTHERS]]))],
  }),
  elements: (random) => {
    const count = around(random, MOST.elements);
    const entries = join([0, OP.i32, 0, OP.end], leb(count), repeated(count, [0]));
    return { tables: [table(MOST.tableEntries, MOST.tableEntries)], elements: [entries] };
  },
  segments: (random) => ({
    tables: [table(1, 1)],
    elements: list(around(random, MOST.elementSegments), () => [0, OP.i32, 0, OP.end, 1, 0]),
  }),
  body: (random) => ({
    functions: [
      body(0, []),
      body(random.pick([2, 200, MOST.locals]), shaped(random, around(random, MOST.bodyBytes))),
    ],
  }),
  code: (random) => ({
    functions: [
      body(0, []),
      ...list(random.pick([8, 16, 40]), () => body(2, shaped(random, MOST.bodyBytes / 2))),
    ],
  }),
  hot: (random) => ({
    // Called so often that the optimising compiler takes it on, while the extension runs.
    functions: [
      body(0, []),
      body(random.pick([2, 100, MOST.locals]), shaped(random, random.pick([1000, 8000, 30_000]))),
    ],
    batchLocals: 1,
    batch: [
      OP.loop,
      EMPTY,
      OP.call,
      OTHERS + 1,
      OP.get,
      2,
      OP.i32,
      1,
      OP.add,
      OP.set,
      2,
      OP.get,
      2,
      OP.i32,
      50,
      0x48,
      OP.brIf,
      0,
      OP.end,
    ],
  }),
  locals: (random) => ({ functions: [body(around(random, MOST.locals), [])] }),
  stack: (random) => ({
    functions: [body(random.pick([1, MOST.locals]), [OP.call, OTHERS])],
    batch: [OP.call, OTHERS],
  }),
  data: (random) => ({
    data: list(around(random, MOST.dataSegments) - 1, () => [0, OP.i32, 0, OP.end, 1, 0]),
  }),
  outside: (random) => ({
    data: [join([0, OP.i32], signed(random.pick([65_536, 0x7fffffff])), [OP.end, 1, 0])],
  }),
  custom: (random) => ({
    before: {
      99: list(around(random, MOST.customSections), () =>
        section(0, join(text("x"), repeated(100, [0]))),
      ) as Uint8Array[],
    },
  }),
  large: (random) => ({
    before: { 99: [section(0, join(text("x"), new Uint8Array(around(random, MOST.fileBytes))))] },
  }),
  tags: () => ({ before: { 6: [section(13, [1, 0, 3])] } }),
  twice: (random) => ({ before: { 11: [section(random.pick([1, 3, 7, 10]), [0])] } }),
  unknown: (random) => ({ before: { 99: [section(random.pick([14, 99, 127]), [0])] } }),
  claims: (random) => ({ before: { 99: [claiming(random.pick([4, 6, 8, 9]), random.pick(MILLIONS))] } }),
  endless: () => ({ seal: [OP.i32, 1] }),
};

export interface Extreme {
  kind: string;
  bytes: Uint8Array;
}

/** The `index`th of a campaign: every kind comes round. */
export function extremeOf(random: Random, index: number): Extreme {
  const kinds = Object.keys(EXTREMES);
  const kind = kinds[index % kinds.length]!;
  return { kind, bytes: moduleOfParts(EXTREMES[kind]!(random)) };
}

/** Two that ended a sensor, and the command that checks, by 4 and 5 GB of tables: as declared, and grown in batch(). */
export const TABLES: readonly Extreme[] = [
  { kind: "declared", bytes: moduleOfParts({ tables: list(50, () => table(10_000_000)) }) },
  {
    kind: "grown",
    bytes: moduleOfParts({ tables: list(60, () => table(1, 10_000_000)), batch: growing(9_000_000) }),
  },
];
