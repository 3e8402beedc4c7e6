/**
 * Every failure of this package is an XdpError with a stable code. The table below, operation by errno, is
 * the one place that gives a failure its code, its sentence and its mend.
 */
import { constants } from "node:os";
import { getSystemErrorName } from "node:util";

export type XdpErrorCode =
  | "XDP_BAD_ARGUMENT"
  | "XDP_BAD_OBJECT"
  | "XDP_BUSY_POLL_REFUSED"
  | "XDP_CLOSED"
  | "XDP_INTERFACE_DOWN"
  | "XDP_INTERFACE_GONE"
  | "XDP_MAP_FULL"
  | "XDP_MEMLOCK"
  | "XDP_MTU_TOO_LARGE"
  | "XDP_NATIVE_UNSUPPORTED"
  | "XDP_NO_INTERFACE"
  | "XDP_NO_MEMORY"
  | "XDP_NO_QUEUE"
  | "XDP_NOT_PERMITTED"
  | "XDP_PROGRAM_PRESENT"
  | "XDP_PROGRAM_REJECTED"
  | "XDP_QUEUE_BUSY"
  | "XDP_SYSTEM"
  | "XDP_UNSUPPORTED"
  | "XDP_ZEROCOPY_UNSUPPORTED";

/** A failure: message is one line, "what: why"; mend is what to do about it. */
export class XdpError extends Error {
  override readonly name = "XdpError";
  constructor(
    readonly code: XdpErrorCode,
    message: string,
    /** What to do about it, one sentence. */
    readonly mend: string,
    /** Positive errno, 0 where no system call was made. */
    readonly errno: number = 0,
    /** "EBUSY", or "" with errno 0. */
    readonly errnoName: string = "",
    /** The system call that failed, or "check". */
    readonly syscall: string = "check",
    /** What libbpf and the verifier said, in full; "" where they were not asked. */
    readonly log: string = "",
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** An argument that was refused before any system call. */
export function badArgument(why: string, mend = "correct the call"): XdpError {
  return new XdpError("XDP_BAD_ARGUMENT", why, mend, constants.errno.EINVAL, "EINVAL");
}

/** What the addon throws: src/error.cc. */
interface NativeFailure extends Error {
  operation: string;
  syscall: string;
  errno: number;
  detail: string;
}

interface Row {
  code: XdpErrorCode;
  why: string;
  mend: string;
}

const PERMISSION: Row = {
  code: "XDP_NOT_PERMITTED",
  why: "not permitted",
  mend: "run as root or grant CAP_NET_ADMIN, CAP_NET_RAW and CAP_BPF",
};
const MEMORY: Row = {
  code: "XDP_NO_MEMORY",
  why: "the kernel has no memory for it",
  mend: "ask for a smaller UMEM or smaller rings",
};
const GONE: Row = {
  code: "XDP_INTERFACE_GONE",
  why: "the interface is gone",
  mend: "open a new socket when there is one of that name again",
};
const NO_INTERFACE: Row = {
  code: "XDP_NO_INTERFACE",
  why: "there is no such interface",
  mend: "ip link shows the interfaces of this network namespace",
};
const CLOSED: Row = { code: "XDP_CLOSED", why: "it is closed", mend: "open a new one" };
const PRESENT: Row = {
  code: "XDP_PROGRAM_PRESENT",
  why: "another XDP program is attached",
  mend: "ip link set dev IF xdp off (xdpgeneric off where it is a generic one), or stop the program that holds the link (bpftool net)",
};
const NO_XDP_SOCKETS: Row = {
  code: "XDP_UNSUPPORTED",
  why: "this kernel has no AF_XDP sockets",
  mend: "use a kernel of 5.9 or newer with CONFIG_XDP_SOCKETS",
};
const NO_SECCOMP: Row = {
  code: "XDP_UNSUPPORTED",
  why: "this kernel has no seccomp filters",
  mend: "use a kernel with CONFIG_SECCOMP_FILTER",
};
const REJECTED: Row = {
  code: "XDP_PROGRAM_REJECTED",
  why: "the kernel rejected the program",
  mend: "use a newer kernel; the error's log names the instruction",
};

/** errno name, or "*" for any other, by operation. An operation is one thing a caller asked for. */
const TABLE: Record<string, Record<string, Row>> = {
  argument: { "*": { code: "XDP_BAD_ARGUMENT", why: "bad argument", mend: "correct the call" } },
  closed: { "*": CLOSED },
  socket: { EAFNOSUPPORT: NO_XDP_SOCKETS, ESOCKTNOSUPPORT: NO_XDP_SOCKETS, EINVAL: NO_XDP_SOCKETS },
  umem: {
    ENOBUFS: {
      code: "XDP_MEMLOCK",
      why: "the frames are more than this process may lock",
      mend: "raise the limit (ulimit -l, LimitMEMLOCK=infinity), or grant CAP_IPC_LOCK",
    },
    EINVAL: {
      code: "XDP_BAD_ARGUMENT",
      why: "the kernel refuses this UMEM",
      mend: "see Umem for its limits",
    },
    EFAULT: {
      code: "XDP_BAD_ARGUMENT",
      why: "the memory is not mapped",
      mend: "use a memory that is fully accessible, such as a WebAssembly.Memory",
    },
  },
  rings: {
    EINVAL: { code: "XDP_BAD_ARGUMENT", why: "the kernel refuses these rings", mend: "use powers of two" },
    EOPNOTSUPP: NO_XDP_SOCKETS,
  },
  "busy-poll": {
    "*": {
      code: "XDP_BUSY_POLL_REFUSED",
      why: "the kernel refuses busy polling",
      mend: "leave busyPoll out, or use a kernel of 5.11 or newer and grant CAP_NET_ADMIN",
    },
  },
  bind: {
    EBUSY: {
      code: "XDP_QUEUE_BUSY",
      why: "another AF_XDP socket has this queue",
      mend: "stop the process that holds it (ss --xdp -p), or use another queue",
    },
    EOPNOTSUPP: {
      code: "XDP_ZEROCOPY_UNSUPPORTED",
      why: "the driver does not offer zero-copy",
      mend: 'bind with "copy", or with "auto" to take what there is',
    },
    EINVAL: {
      code: "XDP_BAD_ARGUMENT",
      why: "the kernel refuses this binding",
      mend: "check queue and flags",
    },
    ENODEV: NO_INTERFACE,
    ENXIO: NO_INTERFACE,
    ENETDOWN: {
      code: "XDP_INTERFACE_DOWN",
      why: "the interface is down",
      mend: "ip link set dev IF up",
    },
  },
  wake: { ENXIO: GONE, ENODEV: GONE, EBADF: CLOSED, ENOTSOCK: CLOSED },
  // The kernel leaves ENETDOWN on a socket that it has unbound.
  gone: { "*": GONE },
  "open-object": {
    ENOENT: { code: "XDP_BAD_OBJECT", why: "there is no such file", mend: "build the BPF object first" },
    "*": {
      code: "XDP_BAD_OBJECT",
      why: "this is no BPF object",
      mend: "build it with clang -O2 -g -target bpf",
    },
  },
  // The verifier says EACCES of a program that reaches where it may not.
  "load-program": { EACCES: REJECTED, "*": REJECTED },
  attach: {
    EBUSY: PRESENT,
    EEXIST: PRESENT,
    ERANGE: {
      code: "XDP_MTU_TOO_LARGE",
      why: "frames of this MTU need several buffers and the program takes one",
      mend: "load it with frags: true and set multiBuffer on the sockets, or lower the MTU",
    },
    EOPNOTSUPP: {
      code: "XDP_NATIVE_UNSUPPORTED",
      why: "the driver does not run XDP programs of this kind",
      mend: 'attach with mode "generic" or "auto"',
    },
    EINVAL: {
      code: "XDP_UNSUPPORTED",
      why: "the kernel or the driver refuses the program on this interface",
      mend: "lower the MTU, turn off LRO (ethtool -K IF lro off), or free TX queues for XDP (ethtool -L)",
    },
    ENODEV: NO_INTERFACE,
  },
  "tc-attach": {
    EINVAL: {
      code: "XDP_UNSUPPORTED",
      why: "the kernel has no tcx, or another filter is in the way",
      mend: "attach with auto or clsact, or use Linux 6.6 or newer; tc filter show dev IF ingress",
    },
    ENODEV: NO_INTERFACE,
    ENXIO: NO_INTERFACE,
  },
  "ring-buffer": {
    EINVAL: {
      code: "XDP_UNSUPPORTED",
      why: "the kernel refuses this ring buffer",
      mend: "use Linux 5.8 or newer, and a size that is a power of two",
    },
  },
  map: {
    E2BIG: { code: "XDP_MAP_FULL", why: "there is no room for this key", mend: "load with larger maps" },
    EBADF: CLOSED,
  },
  query: { ENODEV: NO_INTERFACE },
  realtime: {
    EPERM: {
      code: "XDP_NOT_PERMITTED",
      why: "not permitted",
      mend: "grant CAP_SYS_NICE, or raise the limit (ulimit -r 1, LimitRTPRIO=1; RestrictRealtime=no)",
    },
  },
  seccomp: { EINVAL: NO_SECCOMP, ENOSYS: NO_SECCOMP },
};

/** What holds for any operation that has no row of its own for the errno. */
const ANY: Record<string, Row> = {
  EPERM: PERMISSION,
  EACCES: PERMISSION,
  ENOMEM: MEMORY,
  ENOBUFS: MEMORY,
  EMFILE: {
    code: "XDP_NO_MEMORY",
    why: "too many open files",
    mend: "raise the limit on open files (ulimit -n, LimitNOFILE=)",
  },
};

function isNativeFailure(error: unknown): error is NativeFailure {
  return error instanceof Error && "operation" in error && "errno" in error;
}

/** "EBUSY" for 16. Errnos that libuv does not know keep their number. */
export function errnoName(errno: number): string {
  if (errno === 0) return "";
  try {
    const name = getSystemErrorName(-errno);
    // libuv's own name for what errno.h calls EOPNOTSUPP.
    return name === "ENOTSUP" ? "EOPNOTSUPP" : name;
  } catch {
    return `E${errno}`;
  }
}

/**
 * The row for a failed operation. Always answers: an unknown pair gets XDP_SYSTEM with the errno's own name.
 */
export function explain(operation: string, name: string): Row {
  const rows = TABLE[operation];
  return (
    rows?.[name] ??
    ANY[name] ??
    rows?.["*"] ?? {
      code: "XDP_SYSTEM",
      why: `the kernel answered ${name}`,
      mend: "see the kernel log (dmesg)",
    }
  );
}

/**
 * Turns what the addon threw into an XdpError; anything else is passed on as it is.
 * @param what the operation in words with its objects: "bind queue 0 of eth1"
 */
export function translate(error: unknown, what: string): unknown {
  if (!isNativeFailure(error)) return error;
  const { operation, errno, syscall } = error;
  const name = errnoName(errno);
  const row = explain(operation, name);
  const detail = error.detail.trim();
  const said = operation === "argument" ? "" : `${causeOf(row, name)}${summaryOf(detail)}`;
  const why = operation === "argument" ? detail : row.why;
  const log = detail.includes("\n") ? detail : "";
  const message = `cannot ${what}: ${why}${said}`;
  return new XdpError(row.code, message, row.mend, errno, name, syscall, log, { cause: error });
}

function causeOf(row: Row, name: string): string {
  return row.code === "XDP_CLOSED" ? "" : ` (${name})`;
}

/** The line of a log that says what was wrong: of the verifier's, the last before its statistics. */
function summaryOf(detail: string): string {
  const lines = detail.split("\n");
  const statistics = lines.findIndex((line) => /^processed \d+ insns/.test(line));
  const line = statistics > 0 ? lines[statistics - 1] : lines[0];
  return line ? `: ${line.trim()}` : "";
}

/** Runs a call into the addon and translates its failure. */
export function guard<T>(what: string, call: () => T): T {
  try {
    return call();
  } catch (error) {
    throw translate(error, what);
  }
}
