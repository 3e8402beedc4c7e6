/** What an intruder would try: each call that the filter refuses, with arguments that do no harm where it succeeds. */
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { type SeccompRule, seccompRules } from "../lib/index.js";

const addon = fileURLToPath(new URL("../../build/Release/test_syscall.node", import.meta.url));
const { attempt } = createRequire(import.meta.url)(addon) as {
  attempt(number: number, args: number[]): number;
};

export { attempt };

const INIT = 1;
const AF_PACKET = 17;
const F_SETOWN = 8;
const PR_SET_DUMPABLE = 4;
const [SOL_XDP, XDP_TX_RING] = [283, 3];
const BPF_PROG_LOAD = 5;
const CLONE_NEWNS_AND_FS = 0x20200;
const TIOCSTI = 0x5412;

/** Arguments where all ones would do: addresses that fault, descriptors and ids that nobody has. */
const ONES = [-1, -1, -1, -1, -1, -1];
const ARGUMENTS: Record<string, number[]> = {
  clone: [CLONE_NEWNS_AND_FS],
  kill: [INIT, 0],
  tgkill: [INIT, INIT, 0],
  tkill: [INIT, 0],
  prlimit64: [INIT, 0, 0, 0],
  ioctl: [-1, TIOCSTI, -1],
  bpf: [BPF_PROG_LOAD, 0, 0],
  socket: [AF_PACKET, 3, 0],
  fcntl: [-1, F_SETOWN, INIT],
  prctl: [PR_SET_DUMPABLE, 1, 0, 0, 0],
  setsockopt: [-1, SOL_XDP, XDP_TX_RING, 0, 0],
};
/** Nothing about these can be tried without doing it. */
const SKIPPED = new Set(["fork", "vfork"]);
/** Likewise, but what is refused does no harm. */
export const HARMFUL_IF_ALLOWED = new Set(["vhangup", "msgget"]);

export const attemptable = (): SeccompRule[] => seccompRules().filter(({ name }) => !SKIPPED.has(name));

/** The errno of one try, 0 when it succeeds. */
export const attemptCall = ({ name, number }: { name: string; number: number }): number =>
  attempt(number, ARGUMENTS[name] ?? ONES);

/** All of them: [name, errno], those alone that were not refused as the table says. */
export function notRefused(): [string, number][] {
  return attemptable()
    .map((rule): [string, number, number] => [rule.name, attemptCall(rule), rule.errno])
    .filter(([, got, wanted]) => got !== wanted)
    .map(([name, got]) => [name, got]);
}
