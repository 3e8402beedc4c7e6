/** Network quantities between address ranges: every source range x destination range of a list of CIDR blocks. */
import type { GraphBLAS, Matrix } from "graphblas-wasm";
import {
  type Block,
  type ByteOrder,
  cidrText,
  type Family,
  indexToAddress4,
  ipv6Value,
  parseCidr,
} from "./address.js";
import { EXIT, SparsewireError } from "./errors.js";
import { addressBook } from "./links.js";
import { type Quantities, quantitiesOfMatrix, type Traffic } from "./traffic.js";

/** Ranges in one list; the answer has the square of it in rows. */
export const RANGES_MAX = 1024;

export interface RangeQuantities {
  src_range: string;
  dst_range: string;
  /** Of the packets. */
  packets: Quantities;
  n_bytes: number;
}

/**
 * A list of CIDR blocks, one a line; blank lines and what follows `#` do not count. Blocks may overlap.
 *
 * @throws SparsewireError BAD_RANGES (exit: badInput) naming the line
 */
export function parseRanges(text: string): Block[] {
  const blocks: Block[] = [];
  text.split(/\r?\n/).forEach((line, at) => {
    const content = line.replace(/#.*/, "").trim();
    if (content === "") return;
    try {
      blocks.push(parseCidr(content));
    } catch (error) {
      const mend =
        error instanceof SparsewireError && error.mend !== "" ? error.mend : "write it as 10.0.0.0/8";
      throw badRanges(`line ${at + 1}: ${(error as Error).message}`, mend);
    }
    if (blocks.length > RANGES_MAX)
      throw badRanges(`line ${at + 1}: more than ${RANGES_MAX} ranges`, "split the list");
  });
  if (blocks.length === 0) throw badRanges("it has no range", "write one CIDR block a line");
  return blocks;
}

/** The quantities of every pair of ranges of one family, sources in the list's order, then destinations. */
export function* rangeQuantities(
  grb: GraphBLAS,
  traffic: Traffic,
  blocks: readonly Block[],
  options: { family: Family; byteOrder?: ByteOrder },
): Generator<RangeQuantities> {
  const own = blocks.filter((block) => block.family === options.family);
  const ordered = inAddressOrder(grb, traffic, options.family, options.byteOrder ?? "big");
  try {
    for (const source of own) {
      const [low, high] = ordered?.span(source) ?? [0n, 0n];
      using packets = ordered?.packets.extractRange(low, high, 0n, ordered.packets.ncols);
      using bytes = ordered?.bytes.extractRange(low, high, 0n, ordered.bytes.ncols);
      for (const target of own) {
        const [left, right] = ordered?.span(target) ?? [0n, 0n];
        using packetsHere = packets?.extractRange(low, high, left, right);
        using bytesHere = bytes?.extractRange(low, high, left, right);
        yield {
          src_range: cidrText(source),
          dst_range: cidrText(target),
          packets: packetsHere === undefined ? NOTHING : quantitiesOfMatrix(packetsHere),
          n_bytes: bytesHere === undefined ? 0 : Number(bytesHere.reduce("plus")),
        };
      }
    }
  } finally {
    ordered?.dispose();
  }
}

const NOTHING: Quantities = {
  n_packets: 0,
  n_links: 0,
  n_sources: 0,
  n_destinations: 0,
  max_packets: 0,
  max_source_packets: 0,
  max_fan_out: 0,
  max_destination_packets: 0,
  max_fan_in: 0,
};

interface Ordered {
  packets: Matrix;
  bytes: Matrix;
  /** Half-open range of indices that a block covers. */
  span(block: Block): [bigint, bigint];
  dispose(): void;
}

/**
 * The planes with indices in address order, so that a block is a contiguous range: as they are for big-endian IPv4,
 * rebuilt otherwise (IPv6 indices become ranks in the sorted dictionary).
 */
function inAddressOrder(
  grb: GraphBLAS,
  traffic: Traffic,
  family: Family,
  byteOrder: ByteOrder,
): Ordered | undefined {
  const planes = family === 4 ? traffic.v4 : traffic.v6;
  if (planes === undefined) return undefined;
  const span4 = (block: Block): [bigint, bigint] => [block.lo, block.hi];
  if (family === 4 && byteOrder === "big") return { ...planes, span: span4, dispose() {} };
  const book = family === 6 ? addressBook(traffic.v6!.dict) : undefined;
  const map = (index: bigint): bigint => BigInt(book?.ordinal(index) ?? indexToAddress4(index, byteOrder));
  const size = book === undefined ? planes.packets.nrows : BigInt(Math.max(1, book.count));
  const rebuild = (matrix: Matrix): Matrix => {
    const { I, J, X } = matrix.extractTuples();
    return grb.build(matrix.type, size, size, I.map(map), J.map(map), X, "plus");
  };
  const packets = rebuild(planes.packets);
  const bytes = rebuild(planes.bytes);
  const rank = (address: bigint): bigint => {
    let [low, high] = [0, book!.count];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (ipv6Value(book!.bytes(middle)) < address) low = middle + 1;
      else high = middle;
    }
    return BigInt(low);
  };
  return {
    packets,
    bytes,
    span: book === undefined ? span4 : (block) => [rank(block.lo), rank(block.hi)],
    dispose() {
      packets.dispose();
      bytes.dispose();
    },
  };
}

function badRanges(what: string, mend: string): SparsewireError {
  return new SparsewireError("BAD_RANGES", `bad list of ranges: ${what}`, { exit: EXIT.badInput, mend });
}
