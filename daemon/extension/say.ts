/** What extensions of a command (which has no log) say: a line each on stderr. */
import { warn } from "../cli/command.js";

export function extensionLogger(
  _level: "info" | "warn" | "error",
  fields: Record<string, unknown>,
  message: string,
): void {
  warn(fields.event === undefined ? message : `extension ${String(fields.extension)}: ${message}`);
}
