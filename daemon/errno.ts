/** Names of system errors, those too that libuv has no name for (EDQUOT, ESTALE): there a code is a sentence. */
import { constants } from "node:os";

const NAMES = new Map(Object.entries(constants.errno).map(([name, number]) => [number, name]));

/** The name, such as "EIO"; what else the error has as its code; undefined when it has none. */
export function errnoOf(error: unknown): string | undefined {
  const { code, errno } = (error ?? {}) as NodeJS.ErrnoException;
  if (typeof code === "string" && /^E[A-Z0-9]+$/.test(code)) return code;
  return (typeof errno === "number" ? NAMES.get(-errno) : undefined) ?? code;
}
