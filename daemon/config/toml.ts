/** TOML text to a plain value, with the position of every key, and as many syntax faults as can be found. */
import { type AST, ParseError, parseTOML } from "toml-eslint-parser";

export interface Position {
  /** From 1. */
  line: number;
  /** From 1, in UTF-16 units. */
  column: number;
}

export interface SyntaxFault extends Position {
  what: string;
}

export type Path = readonly (string | number)[];

export interface TomlDocument {
  /** Tables as objects without prototype, integers as numbers (beyond 2^53 as bigint), dates as Date. */
  value: Record<string, unknown>;
  faults: SyntaxFault[];
  /** Where the key of this path stands, or the nearest of its parents that stands in the text. */
  position(path: Path): Position;
}

/** A broken line is blanked and the rest read again, at most so often and so long. */
const SYNTAX_FAULTS_MAX = 20;
const RECOVERY_MS_MAX = 500;
/** Tables and arrays inside one another. */
const DEPTH_MAX = 32;

/** Reads TOML 1.0. Never throws: what cannot be read is in `faults`, what could be is in `value`. */
export function readToml(text: string): TomlDocument {
  const { program, faults } = parseRecovering(text);
  const builder = new Builder(faults);
  if (program !== undefined) builder.topLevel(program.body[0]);
  faults.sort((a, b) => a.line - b.line || a.column - b.column);
  return { value: builder.root, faults, position: (path) => builder.position(path) };
}

function parseRecovering(text: string): { program?: AST.TOMLProgram; faults: SyntaxFault[] } {
  const faults: SyntaxFault[] = [];
  const until = performance.now() + RECOVERY_MS_MAX;
  let rest = text;
  for (;;) {
    try {
      return { program: parseTOML(rest, { tomlVersion: "1.0" }), faults };
    } catch (error) {
      if (error instanceof RangeError) {
        faults.push({ line: 1, column: 1, what: "nested too deeply" });
        return { faults };
      }
      if (!(error instanceof ParseError)) throw error;
      const fault = located(error, rest);
      faults.push(fault);
      const blanked = blankLine(rest, fault.line);
      const stuck = blanked === rest || faults.length >= SYNTAX_FAULTS_MAX || performance.now() > until;
      if (stuck) return { faults };
      rest = blanked;
    }
  }
}

const PLAINER: Record<string, string> = {
  "Defining a key multiple times is invalid": "this key is defined twice",
  "Unspecified values are invalid": "a value is missing",
  "Must be a newline": "something follows the value on the same line",
};

/** The parser notices a missing value only at the next token, lines later; people look for it where it is. */
function located(error: ParseError, text: string): SyntaxFault {
  const lines = text.split("\n");
  let line = Math.min(Math.max(error.lineNumber, 1), lines.length);
  let column = error.column + 1;
  let what = PLAINER[error.message] ?? error.message.charAt(0).toLowerCase() + error.message.slice(1);
  const before = lines.slice(0, line - 1).findLastIndex((candidate) => candidate.trim() !== "");
  if (
    /^\s*[\w."'-]+\s*=\s*$/.test(lines[before] ?? "") &&
    (lines[line - 1] ?? "").search(/\S/) + 1 >= column
  ) {
    line = before + 1;
    column = (lines[before] ?? "").indexOf("=") + 1;
    what = 'a value is missing after "="';
  } else if ((lines[line - 1] ?? "").trim() === "" && before >= 0) {
    // What is not closed is noticed at the end of the text, or at an empty line: the fault is where text was last.
    line = before + 1;
    column = lines[before]!.trimEnd().length;
  }
  return { line, column, what };
}

function blankLine(text: string, line: number): string {
  const lines = text.split("\n");
  lines[line - 1] = "";
  return lines.join("\n");
}

class Builder {
  readonly root: Record<string, unknown> = Object.create(null);
  readonly #positions = new Map<string, Position>();
  readonly #faults: SyntaxFault[];

  constructor(faults: SyntaxFault[]) {
    this.#faults = faults;
  }

  position(path: Path): Position {
    for (let length = path.length; length > 0; length--) {
      const found = this.#positions.get(pathKey(path.slice(0, length)));
      if (found !== undefined) return found;
    }
    return { line: 1, column: 1 };
  }

  topLevel(table: AST.TOMLTopLevelTable): void {
    for (const item of table.body) {
      if (item.type === "TOMLKeyValue") {
        this.#keyValue(item, this.root, []);
        continue;
      }
      const path = item.resolvedKey.map(unhyphened);
      const target = this.#descend(this.root, [], path, item);
      if (target === undefined) continue;
      for (const keyValue of item.body) this.#keyValue(keyValue, target, path);
    }
  }

  /** Walks (and makes) the tables of a path below `from`; undefined when it is too deep. */
  #descend(
    from: Record<string, unknown>,
    base: Path,
    path: Path,
    node: AST.TOMLNode,
  ): Record<string, unknown> | undefined {
    if (this.#tooDeep(base.length + path.length, node)) return undefined;
    let table = from;
    path.forEach((segment, at) => {
      const nextIsIndex = typeof path[at + 1] === "number";
      table[segment] ??= nextIsIndex ? [] : Object.create(null);
      table = table[segment] as Record<string, unknown>;
      const key = pathKey([...base, ...path.slice(0, at + 1)]);
      if (!this.#positions.has(key)) this.#positions.set(key, start(node));
    });
    return table;
  }

  #keyValue(node: AST.TOMLKeyValue, table: Record<string, unknown>, base: Path): void {
    const names = node.key.keys.map((key) => unhyphened(key.type === "TOMLBare" ? key.name : key.value));
    const target = this.#descend(table, base, names.slice(0, -1), node);
    const name = names.at(-1);
    if (target === undefined || name === undefined) return;
    const path = [...base, ...names];
    if (Object.hasOwn(target, name))
      this.#faults.push({ ...start(node.key), what: "this key is defined twice" });
    this.#positions.set(pathKey(path), start(node.key));
    target[name] = this.#content(node.value, path);
  }

  #content(node: AST.TOMLContentNode, path: Path): unknown {
    if (this.#tooDeep(path.length, node)) return undefined;
    if (node.type === "TOMLArray") {
      return node.elements.map((element, index) => {
        this.#positions.set(pathKey([...path, index]), start(element));
        return this.#content(element, [...path, index]);
      });
    }
    if (node.type === "TOMLInlineTable") {
      const table: Record<string, unknown> = Object.create(null);
      for (const keyValue of node.body) this.#keyValue(keyValue, table, path);
      return table;
    }
    if (node.kind === "integer") return Number.isSafeInteger(node.value) ? node.value : node.bigint;
    return node.value;
  }

  #tooDeep(depth: number, node: AST.TOMLNode): boolean {
    if (depth <= DEPTH_MAX) return false;
    const { line, column } = start(node);
    if (!this.#faults.some((fault) => fault.line === line)) {
      this.#faults.push({ line, column, what: `nested more than ${DEPTH_MAX} levels deep` });
    }
    return true;
  }
}

/** Keys may be written with hyphens, as flags are: window-packets is window_packets. */
function unhyphened<T extends string | number>(key: T): T | string {
  return typeof key === "string" ? key.replaceAll("-", "_") : key;
}

function start(node: AST.TOMLNode): Position {
  return { line: node.loc.start.line, column: node.loc.start.column + 1 };
}

function pathKey(path: Path): string {
  return path.join("\0");
}
