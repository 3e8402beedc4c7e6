/** What is wrong with a configuration, said so that it can be mended: zod's issues in plain words. */
import type { z } from "zod";
import { printable } from "../../lib/printable.js";
import { didYouMean } from "./nearest.js";
import type { Path } from "./toml.js";

/** One fault. `line` and `column` are 0 when the value came from a flag (`flag` names it) and not from the file. */
export interface Fault {
  line: number;
  column: number;
  flag?: string;
  /** The dotted key; empty for faults of syntax. */
  key: string;
  what: string;
  /** One imperative clause, or empty. */
  mend: string;
}

/** "sensor.toml:3:1: interval: ...; mend"; "--interval: ..." for a flag's value; no place without a file (""). */
export function faultLine(file: string, fault: Fault): string {
  const where = fault.flag ?? (file === "" ? "" : `${file}:${fault.line}:${fault.column}`);
  const key = fault.flag === undefined ? fault.key : "";
  const what = [where, key, fault.what].filter((part) => part !== "").join(": ");
  return printable(fault.mend === "" ? what : `${what}; ${fault.mend}`);
}

/** 'listen.port', 'queues[2]'. */
export function dotted(path: Path): string {
  return path.reduce<string>((text, part) => {
    if (typeof part === "number") return `${text}[${part}]`;
    const name = /^[\w-]+$/.test(part) ? part : JSON.stringify(part);
    return text === "" ? name : `${text}.${name}`;
  }, "");
}

/** The fault of a key nobody knows: a near miss, or a key of another table, or the list of those known here. */
export function unknownKey(path: Path, known: string[][]): Omit<Fault, "line" | "column"> {
  const name = String(path.at(-1));
  const table = path.slice(0, -1).filter((part) => typeof part === "string");
  const here = known
    .filter((candidate) => same(candidate.slice(0, -1), table))
    .map((candidate) => candidate.at(-1)!);
  const elsewhere = known.find((candidate) => candidate.at(-1) === name);
  let mend = didYouMean(name, here);
  if (mend === "" && elsewhere !== undefined) mend = `did you mean ${dotted(elsewhere)}?`;
  if (mend === "") mend = `known here: ${here.join(", ") || "nothing"}`;
  return { key: dotted(path), what: "unknown key", mend };
}

/** A zod issue in plain words, with its full path. Unions answer with their most promising branch. */
export function explain(issue: z.core.$ZodIssue): { path: Path; what: string; mend: string } {
  const path = issue.path.filter((part) => typeof part !== "symbol");
  switch (issue.code) {
    case "invalid_type":
      if (issue.input === undefined)
        return { path, what: "required, but missing", mend: addition(path, issue.expected) };
      return {
        path,
        what: own(issue, `expected ${kind(issue.expected)}, found ${found(issue.input)}`),
        mend: ask(issue.expected),
      };
    case "invalid_value": {
      const values = issue.values.map(String);
      const mend = didYouMean(String(issue.input), values) || `use one of ${values.join(", ")}`;
      return { path, what: own(issue, `${found(issue.input)} is not one of ${values.join(", ")}`), mend };
    }
    case "too_small":
    case "too_big": {
      const small = issue.code === "too_small";
      const bound = small ? issue.minimum : issue.maximum;
      const unit = issue.origin === "string" ? " characters" : issue.origin === "array" ? " entries" : "";
      const exact =
        issue.inclusive === false ? (small ? "more than" : "less than") : small ? "at least" : "at most";
      return {
        path,
        what: own(issue, `must be ${exact} ${bound}${unit}`),
        mend: `found ${found(issue.input)}`,
      };
    }
    case "invalid_union":
      return explainUnion(issue, path);
    case "custom": {
      const mend = issue.params?.mend;
      return { path, what: issue.message, mend: typeof mend === "string" ? mend : "" };
    }
    default:
      return { path, what: `${found(issue.input)} is not accepted`, mend: issue.message };
  }
}

function explainUnion(
  issue: z.core.$ZodIssueInvalidUnion,
  path: Path,
): { path: Path; what: string; mend: string } {
  const branches = issue.errors.map((errors) => errors[0]).filter((error) => error !== undefined);
  const deeper =
    branches.find((error) => error.path.length > 0) ?? branches.find((error) => error.code === "custom");
  if (deeper !== undefined) {
    const inner = explain(deeper);
    return { ...inner, path: [...path, ...inner.path] };
  }
  const kinds = branches.map((error) =>
    error.code === "invalid_type"
      ? kind(error.expected)
      : error.code === "invalid_value"
        ? error.values.map((value) => JSON.stringify(value)).join(", ")
        : error.message,
  );
  if (issue.input === undefined) return { path, what: "required, but missing", mend: "add it" };
  return {
    path,
    what: `expected ${[...new Set(kinds)].join(" or ")}, found ${found(issue.input)}`,
    mend: "",
  };
}

/** The schema's own message where it has one; zod's stock phrases are replaced by ours. */
function own(issue: z.core.$ZodIssue, ours: string): string {
  return /^(Invalid|Too (small|big)|Unrecognized)/.test(issue.message) ? ours : issue.message;
}

function same(a: readonly unknown[], b: readonly unknown[]): boolean {
  return a.length === b.length && a.every((part, at) => part === b[at]);
}

const KINDS: Record<string, [kind: string, ask: string]> = {
  string: ["a string", "write it in quotes"],
  number: ["a number", "write a number without quotes"],
  int: ["a whole number", "write a whole number without quotes"],
  boolean: ["true or false", "write true or false without quotes"],
  array: ["an array", "write it in square brackets"],
  object: ["a table", "write it as a [table]"],
  record: ["a table", "write it as a [table]"],
};

function kind(expected: string): string {
  return KINDS[expected]?.[0] ?? expected;
}

function ask(expected: string): string {
  return KINDS[expected]?.[1] ?? `write ${expected}`;
}

/** The line to add for a missing key: 'add path = "..." under [spool]'. */
function addition(path: Path, expected: string): string {
  const table = dotted(path.slice(0, -1));
  const value = expected === "string" ? '"..."' : "...";
  return `add ${String(path.at(-1))} = ${value}${table === "" ? "" : ` under [${table}]`}`;
}

function found(input: unknown): string {
  if (typeof input === "string")
    return JSON.stringify(input.length > 60 ? `${input.slice(0, 60)}...` : input);
  if (Array.isArray(input)) return "an array";
  if (input instanceof Date) return "a date";
  if (typeof input === "object" && input !== null) return "a table";
  return String(input);
}
