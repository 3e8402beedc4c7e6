/** --ranges FILE: a list of address ranges. */
import { readFileSync } from "node:fs";
import { cidrText } from "../../lib/address.js";
import { EXIT, SparsewireError } from "../../lib/errors.js";
import { type AddressRange, nestedBlocks, parseRanges } from "../../lib/ranges.js";
import { warn } from "./command.js";
import { attempt } from "./sources.js";
import { inFile } from "./sum.js";

const RANGES_FILE_BYTES_MAX = 1 << 20;

/** The ranges of a file; blocks that lie in one of another range are warned of. */
export function readRanges(path: string): AddressRange[] {
  const bytes = attempt(path, () => readFileSync(path));
  if (bytes.length <= RANGES_FILE_BYTES_MAX) {
    const ranges = parsed(path, bytes.toString("utf8"));
    const nested = nestedBlocks(ranges);
    if (nested.length > 0) {
      const [outer, inner] = nested[0]!.map(cidrText);
      const more = nested.length > 1 ? `, and ${nested.length - 1} more like it` : "";
      warn(`${inner} lies in ${outer}: its addresses count for its own range only${more}`);
    }
    return ranges;
  }
  throw new SparsewireError("BAD_RANGES", `${path} is larger than 1 MiB`, {
    exit: EXIT.badInput,
    mend: "split it",
  });
}

function parsed(path: string, text: string): AddressRange[] {
  try {
    return parseRanges(text);
  } catch (error) {
    throw inFile(path, error);
  }
}
