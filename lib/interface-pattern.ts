/** Interface names and patterns of mode host: `*` stands for any characters, `?` for one. */

/** Whether a text is a name, not a pattern. */
export const isExactName = (pattern: string): boolean => !/[*?]/.test(pattern);

/** The first of the patterns that fits a name; undefined when none does. Exact names come first. */
export function patternOf(name: string, patterns: readonly string[]): string | undefined {
  return (
    patterns.find((pattern) => pattern === name) ??
    patterns.find((pattern) => !isExactName(pattern) && fits(name, pattern))
  );
}

/** Glob matching by two cursors: on a mismatch the last `*` takes one character more. Never exponential. */
function fits(name: string, pattern: string): boolean {
  let at = 0;
  let star = -1;
  let retry = 0;
  let i = 0;
  while (i < name.length) {
    const wanted = pattern[at];
    if (wanted === "*") {
      star = at++;
      retry = i;
    } else if (wanted === "?" || wanted === name[i]) {
      at++;
      i++;
    } else if (star >= 0) {
      at = star + 1;
      i = ++retry;
    } else return false;
  }
  while (pattern[at] === "*") at++;
  return at === pattern.length;
}
