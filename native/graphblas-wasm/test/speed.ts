// Times operations next to native SuiteSparse, on the same power-law matrix: node dist/test/speed.js [BITS]
import { loadSync } from "../lib/index.js";
import { arraysOf } from "./algebra-cases.js";
import { Random } from "./cases.js";
import { longs, Oracle, oracleMissing } from "./oracle.js";

const IPV4 = 1n << 32n;
const ROUNDS = 7;
/** The degrees' exponent: the busiest of n addresses has about n^(1 / EXPONENT) links. */
const EXPONENT = 2;

/** A random address: the k-th is drawn with a probability that falls as a power of k. */
function powerLaw(random: Random, addresses: BigUint64Array): bigint {
  const uniform = Number(random.u64() >> 11n) / 2 ** 53;
  return addresses[Math.floor(addresses.length * uniform ** EXPONENT)]!;
}

async function main(): Promise<void> {
  if (oracleMissing) throw new Error(oracleMissing);
  const bits = Number(process.argv[2] ?? 17);
  const random = new Random(5);
  const fill = (n: number, make: () => bigint) => BigUint64Array.from({ length: n }, make);
  const addresses = fill(1 << (bits - 1), () => random.u64() & (IPV4 - 1n));
  const I = fill(1 << bits, () => powerLaw(random, addresses));
  const J = fill(1 << bits, () => powerLaw(random, addresses));
  const X = fill(1 << bits, () => 1n + (random.u64() & 3n));
  using gb = loadSync();
  using A = gb.build("UINT64", IPV4, IPV4, I, J, X);
  using T = A.transpose();
  const list = [...new Set(addresses.slice(0, addresses.length / 4))].sort((a, b) => (a < b ? -1 : 1));
  const chosen = BigUint64Array.from(list);
  const tuples = A.extractTuples();
  const oracle = new Oracle();
  const subject = { type: "UINT64" as const, nrows: IPV4, ncols: IPV4, ...tuples };
  const parameters = BigUint64Array.of(0n, 6n, 9n, 1n, 1n, BigInt(ROUNDS));
  const { arrays } = await oracle.ask("T", [parameters, ...arraysOf(subject), chosen]);
  await oracle.end();
  const native = Array.from(longs(arrays[0]!), (ns) => Number(ns) / 1e6);
  const ours: [string, () => { nvals: number; dispose(): void }][] = [
    ["select, valuegt", () => A.select("valuegt", 1n)],
    [`extract, ${chosen.length} rows and columns`, () => A.extract(chosen, chosen)],
    ["transpose", () => A.transpose()],
    ["eWiseMult with itself", () => A.eWiseMult(A)],
    ["mxm plus_pair, A A'", () => A.mxm(T, "plus_pair")],
  ];
  console.log(`${A.nvals} entries; ms: ours, native, ours / native, entries of the result`);
  ours.forEach(([name, work], k) => {
    let [best, nvals] = [Number.POSITIVE_INFINITY, 0];
    for (let round = 0; round < ROUNDS; round++) {
      const start = performance.now();
      const made = work();
      best = Math.min(best, performance.now() - start);
      nvals = made.nvals;
      made.dispose();
    }
    console.log(
      `${name}: ${best.toFixed(2)} ${native[k]!.toFixed(2)} ${(best / native[k]!).toFixed(2)} ${nvals}`,
    );
  });
}

await main();
