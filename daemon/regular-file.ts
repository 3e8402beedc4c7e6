/** Files that are read whole: regular ones of an honest size. A pipe or a device might never begin, or never end. */
import { closeSync, constants, fstatSync, openSync, readFileSync } from "node:fs";

/** Why a file is not read. */
export interface Unfit {
  /** Its size in bytes; undefined when it is no regular file. */
  size?: number;
}

/**
 * The bytes of a file. Throws what `unfit` makes of one that is no regular file, or has more than `bytesMax`, and the
 * errors of the file system.
 */
export function readRegular(
  path: string,
  bytesMax: number,
  unfit: (why: Unfit) => Error,
  { followsLinks = true } = {},
): Buffer {
  // Without waiting for somebody who writes to a pipe.
  const flags = constants.O_RDONLY | constants.O_NONBLOCK | (followsLinks ? 0 : constants.O_NOFOLLOW);
  const fd = openSync(path, flags);
  try {
    const stat = fstatSync(fd);
    if (!stat.isFile()) throw unfit({});
    if (stat.size > bytesMax) throw unfit({ size: stat.size });
    return readFileSync(fd);
  } finally {
    closeSync(fd);
  }
}
