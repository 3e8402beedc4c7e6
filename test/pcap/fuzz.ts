/**
 * Time-boxed fuzzing for `npm test`: SPARSEWIRE_FUZZ_SECONDS sets its length, SPARSEWIRE_FUZZ_SEED repeats a run.
 * The seed is printed, and a failure names the round.
 */
import type { TestContext } from "node:test";

/** Small, fast, repeatable (mulberry32): no cryptography in sight. */
export class Random {
  constructor(private state: number) {}

  /** 0 to below - 1. */
  int(below: number): number {
    this.state = (this.state + 0x6d2b79f5) | 0;
    let x = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state);
    x = (x + Math.imul(x ^ (x >>> 7), 61 | x)) ^ x;
    return Math.floor((((x ^ (x >>> 14)) >>> 0) / 2 ** 32) * below);
  }
  chance(probability: number): boolean {
    return this.int(1 << 20) < probability * (1 << 20);
  }
  pick<T>(from: readonly T[]): T {
    return from[this.int(from.length)]!;
  }
  bytes(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => this.int(256));
  }
}

const INTERESTING = [0, 1, 0x7f, 0x80, 0xff, 0xffff, 0x7fffffff, 0x80000000, 0xfffffffc, 0xffffffff];

/** A copy with one to a few changes: flipped bits, odd numbers, cuts, repeats, zeros. */
export function mutate(random: Random, original: Uint8Array): Uint8Array {
  let bytes = Buffer.from(original);
  for (let changes = 1 + random.int(4); changes > 0; changes--) {
    const at = random.int(Math.max(bytes.length, 1));
    const kind = random.int(7);
    if (bytes.length < 8 || kind === 0) bytes = Buffer.concat([bytes, random.bytes(random.int(40))]);
    else if (kind === 1) bytes[at]! ^= 1 << random.int(8);
    else if (kind === 2) bytes = bytes.subarray(0, at);
    else if (kind === 3) bytes.writeUInt32LE(random.pick(INTERESTING), Math.min(at, bytes.length - 4));
    else if (kind === 4) bytes.writeUInt32BE(random.pick(INTERESTING), Math.min(at, bytes.length - 4));
    else if (kind === 5)
      bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(random.int(bytes.length))]);
    else bytes.fill(random.int(256), at, Math.min(bytes.length, at + random.int(64)));
    bytes = Buffer.from(bytes);
  }
  return new Uint8Array(bytes);
}

/** Runs `round` again and again for the time box; each round has its own generator, so that it can be repeated alone. */
export async function fuzz(
  t: TestContext,
  round: (random: Random, number: number) => void | Promise<void>,
  seconds = 2,
): Promise<void> {
  const seed = Number(process.env.SPARSEWIRE_FUZZ_SEED ?? Math.floor(Math.random() * 2 ** 31));
  const milliseconds = 1000 * Number(process.env.SPARSEWIRE_FUZZ_SECONDS ?? seconds);
  const end = Date.now() + milliseconds;
  let number = 0;
  for (; Date.now() < end; number++) {
    try {
      const done = round(new Random((seed + Math.imul(number, 0x9e3779b1)) | 0), number);
      if (done !== undefined) await done;
    } catch (cause) {
      throw new Error(`round ${number}, SPARSEWIRE_FUZZ_SEED=${seed}: ${(cause as Error).message}`, {
        cause,
      });
    }
  }
  t.diagnostic(`${number} rounds, SPARSEWIRE_FUZZ_SEED=${seed}`);
}
