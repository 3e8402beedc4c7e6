/** A sum of many matrices in which like is added to like: each link is merged about as often as the sum doubles. */
import type { Matrix } from "graphblas-wasm";

/** Owns what it is given. At most one matrix of each power of two parts is held. */
export class PacketSum implements Disposable {
  readonly #stack: { matrix: Matrix; parts: number }[] = [];

  add(matrix: Matrix): void {
    let [sum, parts] = [matrix, 1];
    while (this.#stack.at(-1)?.parts === parts) {
      sum = addAndFree(this.#stack.pop()!.matrix, sum);
      parts *= 2;
    }
    this.#stack.push({ matrix: sum, parts });
  }

  /** The sum, which is the caller's; undefined when nothing was added. Empties this. */
  take(): Matrix | undefined {
    let sum = this.#stack.pop()?.matrix;
    while (sum !== undefined && this.#stack.length > 0) sum = addAndFree(this.#stack.pop()!.matrix, sum);
    return sum;
  }

  [Symbol.dispose](): void {
    for (const { matrix } of this.#stack.splice(0)) matrix.dispose();
  }
}

/** a + b, wide enough; both are freed, whatever happens. */
export function addAndFree(a: Matrix, b: Matrix): Matrix {
  try {
    return a.eWiseAdd(b, "plus", "widen");
  } finally {
    a.dispose();
    b.dispose();
  }
}
