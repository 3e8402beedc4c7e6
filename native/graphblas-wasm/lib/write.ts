// How an operation's result is written: type, mask, accumulator, replace, as in C<M, replace> accum= T.
import type { Container } from "./container.js";
import type { Engine, Pointer } from "./engine.js";
import { type AnyType, BINARY_OPS, type BinaryOp, NO_OP, opCode, selectCode } from "./types.js";

/**
 * Matrices are immutable: what the C API writes into its output, `into`, comes as a new object of that one's type. W is the
 * type of the result.
 */
export interface WriteOptions<W extends AnyType = AnyType> {
  /** Only where the mask has an entry that is not 0 may the result differ from `into`. */
  mask?: Container<AnyType>;
  /** The mask's entries count whatever their values. */
  structural?: boolean;
  /** Where the mask does not hold instead. */
  complement?: boolean;
  /** What is written into; without it an empty one. */
  into?: Container<W>;
  /** Combines what is there with what is written. */
  accum?: BinaryOp;
  /** Entries of `into` outside of the mask go. */
  replace?: boolean;
}

/** The same, and the type that the operator works in: by default the larger of the operands'. */
export interface TypedOptions<W extends AnyType = AnyType> extends WriteOptions<W> {
  type?: W;
}

const [COMPLEMENT, STRUCTURAL, REPLACE] = [1, 2, 4];

/** An empty object of the dimensions and the type of another. */
function emptied(engine: Engine, at: Pointer): Pointer {
  engine.call("gb_select", at, selectCode("rowle"), -1n);
  return engine.resultNumber(0);
}

/**
 * The last step of every operation: the engine's result T, which it frees unless that is the result, written as the options
 * say. GrB_DIMENSION_MISMATCH. @internal
 */
export function written(subject: Container<AnyType>, T: Pointer, options: WriteOptions): Pointer {
  const { mask, into, accum } = options;
  const engine = subject.engine;
  if (!mask && !into && !options.complement) return T;
  let empty = 0;
  try {
    const C = into ? subject.sameEngine(into) : (empty = emptied(engine, T));
    const M = mask ? subject.sameEngine(mask) : 0;
    const flags =
      (options.complement ? COMPLEMENT! : 0) |
      (options.structural ? STRUCTURAL! : 0) |
      (options.replace ? REPLACE! : 0);
    engine.call("gb_write", C, T, M, flags, accum === undefined ? NO_OP : opCode(accum, BINARY_OPS));
    return engine.resultNumber(0);
  } finally {
    engine.value("gb_matrix_free", T);
    engine.value("gb_matrix_free", empty);
  }
}
