// Mutated blobs in the wasm engine: a typed error or a well-formed matrix, never a trap, a hang or memory beyond the bound.
import assert from "node:assert/strict";
import { it } from "node:test";
import { GrBError, type Info, load, type Matrix } from "../lib/index.js";
import { distinct, fuzzSettings, Random, randomTuples } from "./cases.js";

const { seed, seconds } = fuzzSettings(2);
const ALLOWED: Info[] = [
  "GrB_INVALID_OBJECT",
  "GrB_DOMAIN_MISMATCH",
  "GrB_NOT_IMPLEMENTED",
  "GrB_OUT_OF_MEMORY",
];
const MAXIMUM_BYTES = 32 << 20;

function mutate(random: Random, blob: Uint8Array): Uint8Array {
  let bytes = Uint8Array.from(blob);
  const edits = 1 + random.below(4);
  for (let k = 0; k < edits; k++) {
    const at = random.below(3) === 0 ? random.below(Math.min(208, bytes.length)) : random.below(bytes.length);
    const kind = random.below(5);
    if (kind === 0) bytes = bytes.slice(0, random.below(bytes.length + 1));
    else if (kind === 1) bytes[at] = random.pick([0, 1, 0x7f, 0x80, 0xff]);
    else if (kind === 2)
      bytes.set(bytes.subarray(random.below(bytes.length)).subarray(0, 8), at > bytes.length - 8 ? 0 : at);
    else bytes[at]! ^= 1 << random.below(8);
    if (bytes.length === 0) return bytes;
  }
  if (bytes.length >= 8 && random.below(8) > 0) {
    new DataView(bytes.buffer).setBigUint64(0, BigInt(bytes.length), true); // else the length check ends it all
  }
  return bytes;
}

function wellFormed(A: Matrix): void {
  const { Ap, Ah, Aj, Ax } = A.toHyperCSR();
  assert.equal(Ap[0], 0n);
  assert.equal(Ap.at(-1), BigInt(A.nvals));
  assert.equal(Ax.length, A.nvals);
  for (let k = 0; k < Ah.length; k++) {
    assert.ok(Ap[k]! < Ap[k + 1]! && Ah[k]! < A.nrows && (k === 0 || Ah[k]! > Ah[k - 1]!));
    for (let p = Number(Ap[k]); p < Ap[k + 1]!; p++) {
      assert.ok(Aj[p]! < A.ncols && (BigInt(p) === Ap[k] || Aj[p]! > Aj[p - 1]!));
    }
  }
}

it(`mutated blobs for ${seconds} s, seed ${seed}`, async (t) => {
  const random = new Random(seed);
  const gb = await load({ maximumBytes: MAXIMUM_BYTES });
  const blobs = Array.from({ length: 40 }, (_, k) => {
    const { type, nrows, ncols, I, J, X } = distinct(randomTuples(random, k));
    using A = gb.build(type, nrows, ncols, I, J, X, null);
    return A.serialize(k % 3 === 0 ? { compression: "none" } : { level: 1 + (k % 4) });
  });
  const counts = new Map<string, number>();
  const used = gb.usedBytes();
  const end = performance.now() + seconds * 1000;
  for (let k = 0; performance.now() < end; k++) {
    const blob = mutate(random, random.pick(blobs));
    let outcome = "matrix";
    try {
      using A = gb.deserialize(blob);
      wellFormed(A);
      A.quantities();
    } catch (error) {
      assert.ok(error instanceof GrBError, `seed ${seed} blob ${k}: ${error}`);
      assert.ok(ALLOWED.includes(error.info), `seed ${seed} blob ${k}: ${error.message}`);
      outcome = error.info;
    }
    assert.equal(gb.usedBytes(), used, `seed ${seed} blob ${k}: memory leaked on ${outcome}`);
    counts.set(outcome, (counts.get(outcome) ?? 0) + 1);
  }
  assert.ok(gb.memoryBytes() <= MAXIMUM_BYTES);
  t.diagnostic(`seed ${seed}: ${JSON.stringify(Object.fromEntries(counts))}`);
});
