// Compiles test/oracle.c against native SuiteSparse:GraphBLAS and talks to it over pipes: one process, many questions.
import { type ChildProcessByStdio, execFileSync, spawn } from "node:child_process";
import { existsSync, mkdirSync, renameSync } from "node:fs";
import type { Readable, Writable } from "node:stream";
import { fileURLToPath } from "node:url";
import type { Tuples } from "../lib/index.js";
import type { Case } from "./cases.js";

const root = fileURLToPath(new URL("../..", import.meta.url));
const binary = `${root}build/oracle`;
const TYPE_CODES = { UINT32: 7n, UINT64: 9n } as const;

/** Why there is no oracle here, or false: what node:test takes as `skip`. */
export const oracleMissing: string | false = existsSync("/usr/include/GraphBLAS.h")
  ? false
  : "native SuiteSparse:GraphBLAS is not installed (libgraphblas-dev)";

export function typeCodeOf(type: "UINT32" | "UINT64"): bigint {
  return TYPE_CODES[type];
}

/** Builds the oracle; returns its path. It appears whole: tests that run at the same time may be starting it. */
export function compileOracle(): string {
  mkdirSync(`${root}build`, { recursive: true });
  const fresh = `${binary}.${process.pid}`;
  execFileSync("cc", ["-O2", "-Wall", "-Wextra", "-o", fresh, `${root}test/oracle.c`, "-lgraphblas"], {
    stdio: "pipe",
  });
  renameSync(fresh, binary);
  return binary;
}

export class Oracle {
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  readonly #chunks: AsyncIterator<Buffer>;
  #have: Buffer = Buffer.alloc(0);

  constructor() {
    this.#child = spawn(compileOracle(), [], { stdio: ["pipe", "pipe", "inherit"] });
    this.#chunks = this.#child.stdout[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  }

  async #read(bytes: number): Promise<Buffer> {
    const parts = [this.#have];
    let length = this.#have.length;
    while (length < bytes) {
      const { value, done } = await this.#chunks.next();
      if (done) throw new Error("the oracle ended");
      parts.push(value);
      length += value.length;
    }
    const all = parts.length === 1 ? this.#have : Buffer.concat(parts);
    this.#have = all.subarray(bytes);
    return all.subarray(0, bytes);
  }

  /** Sends a command and arrays; resolves to the GrB_Info and the arrays of the answer. */
  async ask(
    command: string,
    arrays: (Uint8Array | BigUint64Array)[],
  ): Promise<{ info: number; arrays: Buffer[] }> {
    const head = Buffer.alloc(8);
    head.writeUInt32LE(command.charCodeAt(0), 0);
    head.writeUInt32LE(arrays.length, 4);
    const parts: Uint8Array[] = [head];
    for (const array of arrays) {
      const size = Buffer.alloc(8);
      size.writeBigUInt64LE(BigInt(array.byteLength));
      parts.push(size, new Uint8Array(array.buffer, array.byteOffset, array.byteLength));
    }
    this.#child.stdin.write(Buffer.concat(parts));
    const answer = await this.#read(8);
    const [info, count] = [answer.readInt32LE(0), answer.readUInt32LE(4)];
    const received: Buffer[] = [];
    for (let k = 0; k < count; k++) {
      const bytes = Number((await this.#read(8)).readBigUInt64LE());
      received.push(Buffer.from(await this.#read(bytes)));
    }
    return { info, arrays: received };
  }

  /** Sends a case's type and dimensions, more parameters, and tuples. */
  async about(command: string, subject: Case, more: bigint[], ...tuples: Case[]): Promise<BigUint64Array[]> {
    const parameters = BigUint64Array.from([TYPE_CODES[subject.type], subject.nrows, subject.ncols, ...more]);
    const answer = await this.ask(command, [parameters, ...tuples.flatMap(({ I, J, X }) => [I, J, X])]);
    return answer.arrays.map(longs);
  }

  /** Ends the process; resolves when it is gone. */
  async end(): Promise<void> {
    const gone = new Promise((resolve) => this.#child.once("exit", resolve));
    this.#child.stdin.end();
    await gone;
  }
}

/** A buffer's content as u64. */
export function longs(buffer: Buffer): BigUint64Array {
  return new BigUint64Array(Uint8Array.from(buffer).buffer);
}

/** Tuples in row-major order with UINT64 values, to compare with. */
export function canonical({ I, J, X }: { I: BigUint64Array; J: BigUint64Array; X: Tuples["X"] }): string[] {
  return Array.from(I, (row, k) => ({ row, column: J[k]!, value: X[k]! }))
    .sort((a, b) => (a.row < b.row ? -1 : a.row > b.row ? 1 : a.column < b.column ? -1 : 1))
    .map(({ row, column, value }) => `${row},${column},${value}`);
}
