/** Lists of address ranges, and which range an address belongs to. */
import { type Block, cidrText, type Family, parseCidr } from "./address.js";
import { EXIT, SparsewireError } from "./errors.js";

/** A named set of CIDR blocks, of either family. */
export interface AddressRange {
  name: string;
  blocks: Block[];
}

/** Ranges in one list; tables of pairs have the square of it in rows. */
export const RANGES_MAX = 1024;

/** The name of the range of all addresses that no range of the list has. */
export const EVERYTHING_ELSE = "everything else";

const NAME_CHARACTERS_MAX = 63;

/**
 * A list of CIDR blocks, one a line, with a name behind it if it is to have one: blocks of one name are one range, a block
 * without a name is a range of its own. Blank lines and what follows `#` do not count.
 *
 * @throws SparsewireError BAD_RANGES (exit: badInput) naming the line
 */
export function parseRanges(list: string): AddressRange[] {
  const ranges = new Map<string, AddressRange>();
  const lines = new Map<string, number>();
  list.split(/\r?\n/).forEach((line, at) => {
    const content = line.split("#", 1)[0]!.trim();
    if (content === "") return;
    const gap = content.search(/\s/);
    const [text, name] = gap < 0 ? [content, ""] : [content.slice(0, gap), content.slice(gap).trim()];
    const where = `line ${at + 1}`;
    const block = parseBlock(text, where);
    const cidr = cidrText(block);
    const before = lines.get(cidr);
    if (before !== undefined) {
      throw badRanges(`${where}: ${cidr} is on line ${before} too`, "remove one of them");
    }
    lines.set(cidr, at + 1);
    const range = ranges.get(checkedName(name, where) || cidr);
    if (range === undefined) ranges.set(name || cidr, { name: name || cidr, blocks: [block] });
    else range.blocks.push(block);
    if (ranges.size > RANGES_MAX)
      throw badRanges(`${where}: more than ${RANGES_MAX} ranges`, "split the list");
  });
  if (ranges.size === 0) throw badRanges("it has no range", "write one CIDR block a line");
  return [...ranges.values()];
}

function parseBlock(text: string, where: string): Block {
  try {
    return parseCidr(text);
  } catch (error) {
    const mend =
      error instanceof SparsewireError && error.mend !== "" ? error.mend : "write it as 10.0.0.0/8";
    throw badRanges(`${where}: ${(error as Error).message}`, mend);
  }
}

function checkedName(name: string, where: string): string {
  if (name.length > NAME_CHARACTERS_MAX) {
    throw badRanges(`${where}: a name of ${name.length} characters`, `use at most ${NAME_CHARACTERS_MAX}`);
  }
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they would break the tables that show the name
  if (/[\x00-\x1f\x7f]/.test(name))
    throw badRanges(`${where}: a control character in a name`, "use plain text");
  if (name === EVERYTHING_ELSE) throw badRanges(`${where}: that name is taken`, "choose another");
  return name;
}

/**
 * Pairs of blocks of different ranges of which the second lies within the first: its addresses belong to the second one's
 * range only.
 */
export function nestedBlocks(ranges: readonly AddressRange[]): [outer: Block, inner: Block][] {
  const nested: [Block, Block][] = [];
  for (const family of [4, 6] as const) {
    const open: { block: Block; range: number }[] = [];
    for (const entry of sortedBlocks(ranges, family)) {
      while (open.length > 0 && open.at(-1)!.block.hi <= entry.block.lo) open.pop();
      const outer = open.at(-1);
      if (outer !== undefined && outer.range !== entry.range) nested.push([outer.block, entry.block]);
      open.push(entry);
    }
  }
  return nested;
}

/** All addresses of a family cut into segments, each of which belongs to one range. */
export interface Segments {
  /** First address of each segment, ascending, the first of them 0. */
  starts: bigint[];
  /** Position in the list of the range a segment belongs to; the list's length: everything else. */
  ranges: Uint16Array;
}

/** Where blocks lie within one another, the longest prefix has the address. */
export function segmentsOf(ranges: readonly AddressRange[], family: Family): Segments {
  const starts: bigint[] = [];
  const owners: number[] = [];
  const begin = (start: bigint, owner: number): void => {
    if (starts.at(-1) === start) {
      starts.pop();
      owners.pop();
    }
    if (owners.at(-1) === owner) return;
    starts.push(start);
    owners.push(owner);
  };
  const open: { hi: bigint; range: number }[] = [];
  const close = (until: bigint): void => {
    while (open.length > 0 && open.at(-1)!.hi <= until) {
      const { hi } = open.pop()!;
      begin(hi, open.at(-1)?.range ?? ranges.length);
    }
  };
  begin(0n, ranges.length);
  for (const { block, range } of sortedBlocks(ranges, family)) {
    close(block.lo);
    begin(block.lo, range);
    open.push({ hi: block.hi, range });
  }
  close(1n << 128n);
  return { starts, ranges: Uint16Array.from(owners) };
}

/** By first address, of equal ones the larger block first: what lies within a block follows it. */
function sortedBlocks(ranges: readonly AddressRange[], family: Family): { block: Block; range: number }[] {
  return ranges
    .flatMap(({ blocks }, range) => blocks.map((block) => ({ block, range })))
    .filter(({ block }) => block.family === family)
    .sort((a, b) =>
      a.block.lo === b.block.lo ? a.block.prefix - b.block.prefix : a.block.lo < b.block.lo ? -1 : 1,
    );
}

function badRanges(what: string, mend: string): SparsewireError {
  return new SparsewireError("BAD_RANGES", `bad list of ranges: ${what}`, { exit: EXIT.badInput, mend });
}
