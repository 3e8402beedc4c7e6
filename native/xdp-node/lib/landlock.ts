/** Landlock: the files and TCP ports that this process can still reach. */
import { guard } from "./errors.js";
import { native } from "./native.js";

export interface FileRules {
  /** Files, and folders with all below them, that can be read. */
  read: readonly string[];
  /** Likewise read, written, created, renamed and removed. Nothing can be executed. */
  write: readonly string[];
  /** Folders in which files can be removed, no more: for a socket's own file. */
  unlink?: readonly string[];
  /** Whether TCP ports can still be bound and connected to; Linux 6.7. Default true. */
  tcpBind?: boolean;
  tcpConnect?: boolean;
  /** Whether abstract Unix sockets of other processes can be connected to; Linux 6.12. Default false. */
  abstractSockets?: boolean;
}

export interface FileRestriction {
  /** ABI of the kernel's Landlock that is in force; 0: there is none (or ABI 1, too old), nothing was restricted. */
  abi: number;
  /** Paths that do not exist: what appears there later stays out of reach. */
  missing: string[];
}

/** The version of Landlock that this kernel offers; 0 without. */
export function landlockAbi(): number {
  return native.landlockAbi();
}

/**
 * Sets no_new_privs and restricts every thread of this process, for good; files that are open stay usable. A path's
 * rule is about what lies there now: who replaces a file by renaming needs the rule on its folder. Paths that do
 * not exist are skipped.
 * @throws XdpError XDP_SYSTEM when a thread does not answer within 2 s, or the rules are refused: end the process
 *   then, some of its threads may be free
 */
export function restrictFiles(rules: FileRules): FileRestriction {
  return guard("restrict files", () =>
    native.restrictFiles({
      read: [...rules.read],
      write: [...rules.write],
      unlink: [...(rules.unlink ?? [])],
      tcpBind: rules.tcpBind ?? true,
      tcpConnect: rules.tcpConnect ?? true,
      abstractSockets: rules.abstractSockets ?? false,
    }),
  );
}
