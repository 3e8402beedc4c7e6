/** What a daemon is left with while it runs, beside no capability at all: each grant with its reason, so that it can be enforced and explained. */
import { existsSync, realpathSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { isCredential } from "../config/credential.js";

export interface Grant {
  /** Absolute path; a folder stands for all below it. */
  path: string;
  why: string;
}

export interface PrivilegePlan {
  /** Names of xdp-node's SOCKET_FAMILIES and bpf commands. */
  families: readonly string[];
  bpf: readonly string[];
  read: Grant[];
  write: Grant[];
  /** Folders in which files can be removed, no more. */
  unlink: Grant[];
  /** Whether TCP ports can be connected to. None can be bound: what is served is open by then. */
  tcpConnect: boolean;
}

const ROOT = fileURLToPath(new URL("../../../", import.meta.url));

/** The program itself: workers, wasm and the addon are read when a thread is started anew. */
export function installation(): Grant[] {
  const why = "the program: threads that are started later read it";
  const above = dirname(resolve(ROOT));
  // Installed as somebody's dependency, its own dependencies lie beside it.
  return [{ path: resolve(ROOT), why }, ...(above.endsWith("/node_modules") ? [{ path: above, why }] : [])];
}

/** What the C library, V8 and libuv look at. */
export function runtime(): Grant[] {
  const memory = "Node's figures of memory and processors";
  return [
    { path: "/proc/self", why: "its own figures and what it holds" },
    { path: "/proc/meminfo", why: memory },
    { path: "/proc/cpuinfo", why: memory },
    { path: "/proc/stat", why: memory },
    { path: "/sys/fs/cgroup", why: "limits of its cgroup" },
    { path: "/sys/devices/system", why: memory },
    { path: "/dev/urandom", why: "random numbers, where getrandom fails" },
    { path: "/dev/null", why: "descriptors kept in reserve" },
    { path: "/etc/localtime", why: "times in the log" },
    { path: "/usr/share/zoneinfo", why: "times in the log" },
  ];
}

const RESOLVER = [
  "/etc/resolv.conf",
  "/etc/hosts",
  "/etc/nsswitch.conf",
  "/etc/host.conf",
  "/etc/gai.conf",
  "/etc/services",
  "/etc/protocols",
  "/etc/ssl",
  "/etc/pki",
  "/etc/ca-certificates",
  "/etc/ld.so.cache",
];

/**
 * Names into addresses, and certificates. Tools replace /etc/resolv.conf by renaming, and a rule on the file does not
 * hold for the next one; so /etc as a whole can be read where its secrets are not this user's to read, and for root
 * only the files that are meant.
 */
export function nameService(isRoot: boolean): Grant[] {
  const why = "names into addresses, certificates of servers";
  const files = isRoot ? RESOLVER : ["/etc"];
  const target = existsSync("/etc/resolv.conf") ? dirname(realpathSync("/etc/resolv.conf")) : "/etc";
  return [
    ...files.map((path) => ({ path, why })),
    ...(target === "/etc" ? [] : [{ path: target, why: "where /etc/resolv.conf leads" }]),
    ...["/usr/lib", "/lib", "/lib64"].map((path) => ({ path, why: "the C library's name services" })),
  ];
}

/** The folders of files that are read again at a reload: who renews a file puts a new one in its place. */
export function reloadable(files: (string | undefined)[], why: string): Grant[] {
  const folders = files
    .filter((file) => file !== undefined && !isCredential(file))
    .map((file) => folderOf(file!));
  return [...new Set(folders)].map((path) => ({ path, why }));
}

/** The folder of a file; the file itself where the folder would be everything. */
export function folderOf(file: string): string {
  const path = resolve(file);
  return dirname(path) === "/" ? path : dirname(path);
}

/** systemd's credentials of this service, if there are any. */
export function credentials({ CREDENTIALS_DIRECTORY: path }: NodeJS.ProcessEnv): Grant[] {
  return path === undefined ? [] : [{ path, why: "keys and tokens that systemd passes on" }];
}
