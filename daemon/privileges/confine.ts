/** Carries a plan out, in an order in which each step leaves the next one possible, and tells what is held. */
import { accessSync, constants, openSync, readFileSync } from "node:fs";
import {
  dropCapabilities,
  type HeldPrivileges,
  heldPrivileges,
  installSeccomp,
  openNotifySocket,
  openUrings,
  restrictFiles,
  setDumpable,
} from "xdp-node";
import { EXIT, SparsewireError } from "../../lib/errors.js";
import type { PrivilegesConfig } from "./config.js";
import type { Grant, PrivilegePlan } from "./plan.js";

/** JSON of status: what was asked for, and what the kernel says is held. */
export interface PrivilegesStatus {
  /** As configured. */
  drop: boolean;
  sandbox: boolean;
  uid: number;
  gid: number;
  /** Threads that the following holds for: the union of their capabilities, the weakest of their filters. */
  threads: number;
  capabilities: HeldPrivileges["capabilities"];
  no_new_privs: boolean;
  dumpable: boolean;
  seccomp: HeldPrivileges["seccomp"] & { socket_families: readonly string[]; bpf: readonly string[] };
  /** null: the kernel has none, or it was not asked for. */
  landlock: LandlockStatus | null;
}

export interface LandlockStatus {
  abi: number;
  read: string[];
  write: string[];
  unlink: string[];
  /** Named by the rules but not there when they were made: out of reach. */
  missing: string[];
  tcp_bind: boolean;
  tcp_connect: boolean;
}

/** First ABI that knows TCP. */
const ABI_TCP = 4;

export class Privileges {
  readonly #config: PrivilegesConfig;
  readonly #plan: PrivilegePlan;
  #landlock: LandlockStatus | null = null;
  /** Open descriptors of what is in /proc: with nobody using them the kernel makes new inodes, which no rule knows. */
  readonly #pinned: number[] = [];

  constructor(config: PrivilegesConfig, plan: PrivilegePlan) {
    this.#config = config;
    this.#plan = plan;
  }

  /**
   * Confines this process, all of its threads, for good. Call it once everything is open.
   *
   * @throws SparsewireError NO_USER, NOT_ROOT (privileges.user), URING_OPEN, CONFINED_WRITE (a folder could not be written any more)
   * @throws XdpError when the kernel refuses: end the process, for it may be confined in part
   */
  confine(): void {
    const { drop, sandbox, user } = this.#config;
    if (sandbox) requireNoUring();
    if (user !== undefined) become(user);
    // Landlock before the capabilities go: opening its paths may need them.
    if (sandbox) this.#restrictFiles();
    if (drop) dropCapabilities([]);
    // Core dumps would hold packets and keys.
    if (drop || sandbox) setDumpable(false);
    // The service manager is told by a socket that could not be made any more.
    if (sandbox && process.env.NOTIFY_SOCKET !== undefined) openNotifySocket();
    if (sandbox) installSeccomp({ families: this.#plan.families, bpf: this.#plan.bpf });
    if (drop || sandbox || user !== undefined) requireWritable(this.#plan.write);
  }

  status(): PrivilegesStatus {
    const held = heldPrivileges();
    return {
      drop: this.#config.drop,
      sandbox: this.#config.sandbox,
      uid: held.uid,
      gid: held.gid,
      threads: held.threads,
      capabilities: held.capabilities,
      no_new_privs: held.noNewPrivileges,
      dumpable: held.dumpable,
      seccomp: { ...held.seccomp, socket_families: this.#plan.families, bpf: this.#plan.bpf },
      landlock: this.#landlock,
    };
  }

  /** What to add to the error of a reload: a file that this process can no longer read. Empty where that is not it. */
  hint(error: unknown): string {
    const codes = [error, (error as { cause?: unknown } | null)?.cause].map(
      (each) => (each as NodeJS.ErrnoException | null)?.code,
    );
    if (this.#landlock === null || !codes.includes("EACCES")) return "";
    return " (a running daemon reads only the folders that it was started with: sparsewire privileges; a restart reads others)";
  }

  #restrictFiles(): void {
    const { read, write, unlink, tcpConnect } = this.#plan;
    const paths = (grants: Grant[]): string[] => [...new Set(grants.map(({ path }) => path))];
    const rules = { read: paths(read), write: paths(write), unlink: paths(unlink) };
    // An abstract socket of the service manager is the one that has to stay within reach.
    const abstractSockets = process.env.NOTIFY_SOCKET?.startsWith("@") === true;
    this.#pinned.push(...pin(rules.read.filter((path) => path.startsWith("/proc/"))));
    const { abi, missing } = restrictFiles({ ...rules, tcpBind: false, tcpConnect, abstractSockets });
    if (abi === 0) return;
    const absent = new Set(missing);
    const there = (list: string[]): string[] => list.filter((path) => !absent.has(path));
    this.#landlock = {
      abi,
      read: there(rules.read),
      write: there(rules.write),
      unlink: there(rules.unlink),
      missing,
      tcp_bind: abi < ABI_TCP,
      tcp_connect: abi < ABI_TCP || tcpConnect,
    };
  }
}

/** Descriptors of those that are there. */
function pin(paths: string[]): number[] {
  return paths.flatMap((path) => {
    try {
      return [openSync(path, "r")];
    } catch {
      return [];
    }
  });
}

/** What a line of the log says once it is done. */
export function confinedText({ uid, capabilities, seccomp, landlock }: PrivilegesStatus): string {
  const names = capabilities.permitted;
  return [
    uid === 0 ? "root" : `uid ${uid}`,
    names.length === 0 ? "no capabilities" : names.map((name) => `cap_${name}`).join(" "),
    seccomp.mode === "none" ? "no seccomp filter" : "seccomp filter",
    landlock === null ? "no Landlock" : `Landlock ABI ${landlock.abi}`,
  ].join(", ");
}

/** From root to a user of /etc/passwd with its groups, in every thread (the C library sees to that). */
function become(user: string): void {
  if (process.getuid!() !== 0) {
    throw new SparsewireError("NOT_ROOT", `privileges.user = "${user}": only root can become another user`, {
      exit: EXIT.notPermitted,
      mend: "leave privileges.user out: the daemon already runs as an ordinary user",
    });
  }
  const line = readFileSync("/etc/passwd", "latin1")
    .split("\n")
    .find((each) => each.startsWith(`${user}:`));
  const [uid, gid] = (line ?? "").split(":").slice(2, 4).map(Number);
  if (uid === undefined || gid === undefined || !Number.isInteger(uid) || !Number.isInteger(gid)) {
    throw new SparsewireError("NO_USER", `privileges.user: there is no user ${user} in /etc/passwd`, {
      exit: EXIT.usage,
      mend: `useradd --system ${user}, or name another one`,
    });
  }
  initgroups(user, gid);
  process.setgid!(gid);
  process.setuid!(uid);
}

/** Missing from Node's types. */
const { initgroups } = process as unknown as { initgroups(user: string, group: number): void };

/** By a ring a confined process could do what its filter refuses, and libuv aborts when it can no longer use its own. */
function requireNoUring(): void {
  if (openUrings().length === 0) return;
  throw new SparsewireError(
    "URING_OPEN",
    "this process has an io_uring and could not be started without one",
    {
      exit: EXIT.unsupported,
      mend: "start it where io_uring_setup is refused (SystemCallFilter= of a unit), or set privileges.sandbox = false",
    },
  );
}

/** Root without capabilities is a user like any other: folders that are somebody else's turn read-only. */
function requireWritable(grants: Grant[]): void {
  for (const { path } of grants) {
    try {
      accessSync(path, constants.R_OK | constants.W_OK | constants.X_OK);
    } catch (cause) {
      const { code } = cause as NodeJS.ErrnoException;
      if (code === "ENOENT") continue;
      throw new SparsewireError(
        "CONFINED_WRITE",
        `${path} cannot be written once privileges are given up (${code})`,
        {
          exit: EXIT.notPermitted,
          mend: "make the folder this user's own (chown), or set privileges.user to its owner",
          cause,
        },
      );
    }
  }
}
