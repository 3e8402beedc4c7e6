// A suite of random cases of each operation, in one instance, beside one oracle.
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { type GraphBLAS, load } from "../lib/index.js";
import { fuzzSettings, Random } from "./cases.js";
import { Oracle, oracleMissing } from "./oracle.js";

const CASES = Number(process.env.SPARSEWIRE_GRB_CASES ?? 100);

interface Context {
  gb: GraphBLAS;
  oracle: Oracle;
}

type Check = (random: Random, k: number, what: string, context: Context) => Promise<void>;

/** Each operation has SPARSEWIRE_GRB_CASES cases, each with a generator of its own: a failure names the seed and the case. */
export function algebraSuite(
  title: string,
  define: (cases: (name: string, check: Check) => void) => void,
): void {
  describe(`${title} equals native SuiteSparse, ${CASES} cases each`, { skip: oracleMissing }, () => {
    const { seed } = fuzzSettings(0);
    let context: Context;

    before(async () => {
      context = { gb: await load(), oracle: new Oracle() };
    });
    after(async () => {
      assert.equal(context.gb.liveObjects(), 0);
      assert.equal(context.gb.usedBytes(), 0);
      await context.oracle.end();
    });

    define((name, check) => {
      it(`${name}, seed ${seed}`, async () => {
        for (let k = 0; k < CASES; k++) {
          const random = new Random(seed * 4096 + k);
          await check(random, k, `${name} seed ${seed} case ${k}`, context);
        }
      });
    });
  });
}

export function disposable<T extends { dispose(): void }>(one: T): T & Disposable {
  return Object.assign(one, { [Symbol.dispose]: () => one.dispose() });
}
