/** What an extension may add to the resident memory of its process, part by part: each is a bound that is kept elsewhere. */
import { IO_AREA } from "../../lib/extension-abi.js";
import type { ExtensionSettings } from "./protocol.js";

const MIB = 1 << 20;

/** Of its thread. Matrices and labels lie outside of the heap; without limits a heap may be half of the host's memory. */
export const WORKER_LIMITS = { maxOldGenerationSizeMb: 128, maxYoungGenerationSizeMb: 32, stackSizeMb: 4 };

/** Folding and sealing a matrix takes up to so much for each of its entries. */
const MATRIX_BYTES_A_ROW = 128;
const MATRIX_BYTES_LEAST = 64 * MIB;
const MATRIX_BYTES_MOST = 1024 * MIB;

/** Memory for the matrices of an extension, bytes. */
export const matrixBytesMax = (rowsMax: number): number =>
  Math.min(MATRIX_BYTES_LEAST + MATRIX_BYTES_A_ROW * rowsMax, MATRIX_BYTES_MOST);

/** Gathered labels while their room is doubled, and their dictionary. */
const LABEL_COPIES = 4;
/** The engine's code for at most WASM_BOUNDS.codeBytes, and what compiling holds meanwhile. */
const CODE_BYTES = 64 * MIB;

/**
 * The most, in bytes; pages of frames that it has written over come on top until they are found: every 5 s, and beyond
 * memory_max that suspends it.
 */
export function footprintMax({ memoryMax, rowsMax, labelsBytesMax }: ExtensionSettings): number {
  const { maxOldGenerationSizeMb, maxYoungGenerationSizeMb, stackSizeMb } = WORKER_LIMITS;
  const thread = (maxOldGenerationSizeMb + maxYoungGenerationSizeMb + stackSizeMb) * MIB;
  return (
    memoryMax + IO_AREA.bytes + matrixBytesMax(rowsMax) + LABEL_COPIES * labelsBytesMax + CODE_BYTES + thread
  );
}
