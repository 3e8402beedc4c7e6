/** What this process holds, as the kernel says of each of its threads. */
import { readdirSync, readFileSync } from "node:fs";
import { namesOf } from "./capabilities.js";
import { guard } from "./errors.js";
import { native } from "./native.js";

/** Names without CAP_, lower case; each set is the union over all threads. */
export interface CapabilitySets {
  effective: string[];
  permitted: string[];
  inheritable: string[];
  bounding: string[];
  ambient: string[];
}

export interface HeldPrivileges {
  /** Effective ids. */
  uid: number;
  gid: number;
  /** Threads that were looked at. */
  threads: number;
  capabilities: CapabilitySets;
  /** Whether every thread has no_new_privs. */
  noNewPrivileges: boolean;
  /** The weakest of all threads: its mode and number of filters (a kernel before 5.9 does not count: 0). */
  seccomp: { mode: "none" | "strict" | "filter"; filters: number };
  /** Whether the process could leave a core dump. */
  dumpable: boolean;
}

const SETS = {
  effective: "CapEff",
  permitted: "CapPrm",
  inheritable: "CapInh",
  bounding: "CapBnd",
  ambient: "CapAmb",
} as const;
const MODES = ["none", "strict", "filter"] as const;

/** Reads /proc/self/task. A thread that ends meanwhile is left out. */
export function heldPrivileges(): HeldPrivileges {
  const statuses = readdirSync("/proc/self/task").flatMap((thread) => {
    try {
      return [readFileSync(`/proc/self/task/${thread}/status`, "latin1")];
    } catch {
      return [];
    }
  });
  return { ...summarise(statuses), dumpable: native.isDumpable() };
}

/** Of the text of each thread's status. */
export function summarise(statuses: string[]): Omit<HeldPrivileges, "dumpable"> {
  const field = (status: string, name: string): string =>
    new RegExp(`^${name}:\\s+(\\S+)`, "m").exec(status)?.[1] ?? "0";
  const union = (name: string): string[] => {
    const bits = statuses.reduce((all, status) => all | BigInt(`0x${field(status, name)}`), 0n);
    return namesOf(bits.toString(16));
  };
  const capabilities = Object.fromEntries(
    Object.entries(SETS).map(([set, name]) => [set, union(name)]),
  ) as unknown as CapabilitySets;
  const least = (name: string): number => Math.min(...statuses.map((status) => Number(field(status, name))));
  return {
    uid: process.geteuid!(),
    gid: process.getegid!(),
    threads: statuses.length,
    capabilities,
    noNewPrivileges: least("NoNewPrivs") === 1,
    seccomp: { mode: MODES[least("Seccomp")] ?? "none", filters: least("Seccomp_filters") },
  };
}

/**
 * Whether this process may leave core dumps, and be looked into by others of the same user (ptrace, /proc/PID/mem).
 * With false its /proc/PID belongs to root.
 */
export function setDumpable(on: boolean): void {
  guard("set dumpable", () => native.setDumpable(on));
}
