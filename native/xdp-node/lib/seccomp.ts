/** A seccomp filter for the whole process: what it refuses, why, and installing it. */
import { badArgument, guard } from "./errors.js";
import { type NativeSeccompSettings, native } from "./native.js";

export interface Reasoned {
  name: string;
  number: number;
  /** Why it is on its list. */
  why: string;
}

/** One refused system call. */
export interface SeccompRule extends Reasoned {
  /** "always", or the arguments with which it is refused. */
  when: string;
  /** What the caller gets: EPERM, or ENOSYS where the C library knows another way. */
  errno: number;
}

export interface SocketFamily extends Reasoned {
  types: readonly number[];
  protocols: readonly number[];
}

const [SOCK_STREAM, SOCK_DGRAM, SOCK_RAW] = [1, 2, 3];
const [IPPROTO_TCP, IPPROTO_UDP, NETLINK_ROUTE] = [6, 17, 0];
/** Others (SCTP, DCCP, MPTCP ...) make the kernel load modules, and Landlock's rules about TCP know nothing of them. */
const IP = { types: [SOCK_STREAM, SOCK_DGRAM], protocols: [0, IPPROTO_TCP, IPPROTO_UDP] } as const;

/** Socket families that a filter may leave, with types and protocols. Source: linux/socket.h, net.h, in.h, netlink.h. */
export const SOCKET_FAMILIES: readonly SocketFamily[] = [
  { name: "unix", number: 1, types: [SOCK_STREAM, SOCK_DGRAM], protocols: [0], why: "local services" },
  {
    name: "inet",
    number: 2,
    ...IP,
    why: "shipping, names into addresses, settings of interfaces: TCP and UDP",
  },
  { name: "inet6", number: 10, ...IP, why: "shipping, names into addresses: TCP and UDP" },
  {
    name: "netlink",
    number: 16,
    types: [SOCK_DGRAM, SOCK_RAW],
    protocols: [NETLINK_ROUTE],
    why: "counters, state and addresses of interfaces",
  },
];

/** Commands of bpf() that work on what is open already. Source: linux/bpf.h. */
export const BPF_COMMANDS: readonly Reasoned[] = [
  { name: "map_lookup_elem", number: 1, why: "counters that programs keep" },
  { name: "map_update_elem", number: 2, why: "the socket of a queue that was bound anew; the sampling rate" },
  { name: "map_delete_elem", number: 3, why: "a queue that is given up" },
  { name: "obj_get_info_by_fd", number: 15, why: "whether the interface of an open link is still there" },
  { name: "link_detach", number: 34, why: "taking an open link off its interface" },
];

export interface SeccompOptions {
  /** Names of SOCKET_FAMILIES of which sockets can still be made, of their types and protocols alone. */
  families: readonly string[];
  /** Names of BPF_COMMANDS that stay. Default: none. */
  bpf?: readonly string[];
}

/** Everything that the filter refuses, in the order of its program. */
export function seccompRules(): SeccompRule[] {
  return native.seccompRules();
}

/**
 * Sets no_new_privs and installs the filter, in every thread and for good; threads started later inherit it. What
 * it refuses is in seccompRules(); calls newer than Linux 5.17 fail with ENOSYS, those of another architecture
 * (x32 and i386 on x86-64) with EPERM or ENOSYS. Refused calls appear in the audit log (type 1326) where there is one.
 * Filters add up: a second one can only take away.
 * @throws XdpError XDP_UNSUPPORTED where the kernel has no seccomp filters, XDP_SYSTEM when a thread's own filter is
 *   in the way, XDP_BAD_ARGUMENT for an unknown name
 */
export function installSeccomp(options: SeccompOptions): void {
  guard("install the seccomp filter", () => native.seccompInstall(settingsOf(options)));
}

/** The filter that installSeccomp() would install: instructions of 8 bytes (struct sock_filter). */
export function seccompProgram(options: SeccompOptions): Uint8Array {
  return guard("compile the seccomp filter", () => native.seccompProgram(settingsOf(options)));
}

function settingsOf({ families, bpf = [] }: SeccompOptions): NativeSeccompSettings {
  return {
    families: named(families, SOCKET_FAMILIES, "socket family"),
    commands: named(bpf, BPF_COMMANDS, "bpf command").map(({ number }) => number),
  };
}

function named<T extends Reasoned>(names: readonly string[], known: readonly T[], what: string): T[] {
  return names.map((name) => {
    const entry = known.find((each) => each.name === name);
    if (entry !== undefined) return entry;
    throw badArgument(`no ${what} ${name} can be left`, `choose from ${known.map((k) => k.name).join(", ")}`);
  });
}
