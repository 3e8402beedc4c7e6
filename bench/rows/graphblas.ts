import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { type GraphBLAS, loadSync, type Matrix } from "graphblas-wasm";
import { repositoryRoot } from "../../test/live/tools/tool.js";
import type { Row, RowGroup } from "../report.js";

const NATIVE_HEADER = "/usr/include/GraphBLAS.h";
const NATIVE_MISSING = "not installed: apt-get install libgraphblas-dev";
const SIDE = 1n << 32n;

/** Milliseconds of each operation on 2^bits random tuples, single thread. */
interface Timings {
  build_ms: number;
  add_ms: number;
  serialize_ms: number;
  deserialize_ms: number;
}

/** Runs of each side, in turns, so that both meet the same neighbours. */
const TURNS = 3;

const OPERATIONS: readonly [keyof Timings, string][] = [
  ["build_ms", "build from tuples"],
  ["add_ms", "eWiseAdd of two"],
  ["serialize_ms", "serialize, ZSTD 1"],
  ["deserialize_ms", "deserialize"],
];

/** graphblas-wasm next to native SuiteSparse:GraphBLAS, on tuples of the same kind (random IPv4 pairs, a tenth repeated). */
export const graphblasGroup: RowGroup = {
  name: "graphblas",
  about: "build, eWiseAdd, serialize and deserialize next to native SuiteSparse",
  run: async ({ smoke }, say) => {
    const rows: Row[] = [];
    for (const bits of smoke ? [10] : [17, 20]) {
      say(`2^${bits} tuples`);
      let [ours, native] = [timeOurs(bits, smoke), timeNative(bits)];
      for (let turn = smoke ? TURNS : 1; turn < TURNS; turn++) {
        ours = fastest(ours, timeOurs(bits, smoke));
        native = native && fastest(native, timeNative(bits)!);
      }
      for (const [operation, what] of OPERATIONS)
        rows.push(...compare(`${what}, 2^${bits} tuples`, ours[operation], native?.[operation]));
    }
    return rows;
  },
};

function fastest(a: Timings, b: Timings): Timings {
  const result = { ...a };
  for (const [operation] of OPERATIONS) result[operation] = Math.min(a[operation], b[operation]);
  return result;
}

function compare(what: string, ours: number, native: number | undefined): Row[] {
  const row = { group: "graphblas", what, unit: "ms" };
  if (native === undefined) {
    return [
      { ...row, subject: "graphblas-wasm", value: ours },
      { ...row, subject: "SuiteSparse, native", value: null, note: NATIVE_MISSING },
    ];
  }
  return [
    { ...row, subject: "graphblas-wasm", value: ours, note: `${(native / ours).toFixed(2)} times native` },
    { ...row, subject: "SuiteSparse, native", value: native },
  ];
}

function timeNative(bits: number): Timings | undefined {
  if (!existsSync(NATIVE_HEADER)) return undefined;
  const root = repositoryRoot();
  const binary = join(root, "bench/build/oracle");
  const source = join(root, "native/graphblas-wasm/test/oracle.c");
  execFileSync("cc", ["-O2", "-o", binary, source, "-lgraphblas"], { stdio: "pipe" });
  // Else glibc gives freed memory back, and page faults are timed instead of GraphBLAS.
  const env = { ...process.env, MALLOC_MMAP_MAX_: "0", MALLOC_TRIM_THRESHOLD_: "-1" };
  return JSON.parse(execFileSync(binary, ["time", String(bits)], { encoding: "utf8", env })) as Timings;
}

function timeOurs(bits: number, smoke: boolean): Timings {
  const rounds = smoke ? 1 : bits > 18 ? 5 : 15;
  using grb = loadSync();
  const [first, second] = [randomTuples(1 << bits, 1), randomTuples(1 << bits, 2)];
  const build = (tuples: RandomTuples) => grb.build("UINT64", SIDE, SIDE, tuples.I, tuples.J, tuples.X);
  const [a, b] = [build(first), build(second)];
  const blob = a.serialize();
  const timings = {
    build_ms: bestMs(rounds, () => build(first).dispose()),
    add_ms: bestMs(rounds, () => a.eWiseAdd(b, "plus").dispose()),
    serialize_ms: bestMs(rounds, () => a.serialize()),
    deserialize_ms: bestMs(rounds, () => grb.deserialize(blob).dispose()),
  };
  checkRoundTrip(grb, a, blob);
  return timings;
}

/** A benchmark of something that gives wrong answers is worth nothing. */
function checkRoundTrip(grb: GraphBLAS, matrix: Matrix, blob: Uint8Array): void {
  using read = grb.deserialize(blob);
  if (!read.isEqual(matrix)) throw new Error("deserialize(serialize(A)) is not A");
}

interface RandomTuples {
  I: BigUint64Array;
  J: BigUint64Array;
  X: BigUint64Array;
}

/** n random IPv4 pairs, the last tenth of which repeats the first, with values of 1 to 1500. */
function randomTuples(n: number, seed: number): RandomTuples {
  const tuples = { I: new BigUint64Array(n), J: new BigUint64Array(n), X: new BigUint64Array(n) };
  let state = BigInt(seed) * 0x9e3779b97f4a7c15n;
  for (let k = 0; k < n; k++) {
    state = BigInt.asUintN(64, state * 6364136223846793005n + 1442695040888963407n);
    const word = state ^ (state >> 29n);
    tuples.I[k] = word >> 32n;
    tuples.J[k] = BigInt.asUintN(32, word * 0x9e3779b1n);
    tuples.X[k] = (word % 1500n) + 1n;
    if (k < n - Math.floor(n / 10)) continue;
    tuples.I[k] = tuples.I[n - 1 - k]!;
    tuples.J[k] = tuples.J[n - 1 - k]!;
  }
  return tuples;
}

function bestMs(rounds: number, work: () => void): number {
  let shortest = Number.POSITIVE_INFINITY;
  for (let round = 0; round < rounds; round++) {
    const start = performance.now();
    work();
    shortest = Math.min(shortest, performance.now() - start);
  }
  return shortest;
}
