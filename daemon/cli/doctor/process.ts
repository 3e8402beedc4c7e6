/** What this process may do: capabilities and limits, and the memory that the host can give. */
import { isAtLeast, type ProbeReport } from "xdp-node";
import { formatSize } from "../../../lib/duration.js";
import { useOf } from "../../sensor/in-use.js";
import { type Finding, findingsOf, plural } from "./finding.js";

const { ok, warn, bad } = findingsOf("process");
const memory = findingsOf("memory");

/** Frames of one queue in a default configuration: 65,536 chunks of 2 KiB. */
const UMEM_BYTES = 65_536 * 2048;

/** Capabilities that each live mode needs to attach; afterwards all are given up. */
export const MODE_CAPABILITIES = {
  mirror: ["net_admin", "net_raw", "bpf"],
  host: ["net_admin", "bpf"],
  inline: ["net_admin", "net_raw", "bpf"],
} as const;
export type LiveMode = keyof typeof MODE_CAPABILITIES;

/** Those of a mode that are missing, as CAP_ names. CAP_SYS_ADMIN stands for CAP_BPF. */
export function missingFor(mode: LiveMode, { capabilities: held }: ProbeReport): string[] {
  return MODE_CAPABILITIES[mode]
    .filter((name) => !held[name] && !(name === "bpf" && held.sys_admin))
    .map((name) => `CAP_${name.toUpperCase()}`);
}

/** How to get the rights: at once, and for good. */
/** The service is one that may run there: mode mirror is refused on an interface that the host lives on. */
export function rightsMend({ interface: it }: ProbeReport): string {
  const mode = it !== undefined && useOf(it) !== undefined ? " --mode host" : "";
  return `run as root, or as a service: sudo sparsewire service install --interface ${it?.name ?? "IF"}${mode} --now`;
}

/** Bytes that the frames of so many queues need and this process may not lock; 0 when it may. */
export function lockedShortOf(queues: number, { memlockBytes, capabilities: held }: ProbeReport): number {
  if (memlockBytes === null || held.ipc_lock) return 0;
  const needed = queues * UMEM_BYTES;
  return needed > memlockBytes ? needed : 0;
}

/** `queues`: RX queues of the interface that is looked at. */
export function processFindings(probe: ProbeReport, queues = 1): Finding[] {
  return [capabilities(probe), memlock(probe, queues)];
}

export function memoryFindings(probe: ProbeReport): Finding[] {
  return [hugePages(probe), transparent(probe), shmem(probe)];
}

function capabilities(probe: ProbeReport): Finding {
  const modes = Object.keys(MODE_CAPABILITIES) as LiveMode[];
  const missing = Object.fromEntries(modes.map((mode) => [mode, missingFor(mode, probe)])) as Record<
    LiveMode,
    string[]
  >;
  const value = { held: probe.capabilities, missing };
  if (modes.every((mode) => missing[mode].length === 0))
    return ok("capabilities", "CAP_NET_ADMIN, CAP_NET_RAW and CAP_BPF are held", value);
  const mend = rightsMend(probe);
  if (missing.host.length === 0)
    return warn(
      "capabilities",
      `missing for modes mirror and inline: ${missing.mirror.join(", ")}`,
      mend,
      value,
    );
  return bad("capabilities", `missing: ${missing.mirror.join(", ")}`, mend, value);
}

function memlock(probe: ProbeReport, queues: number): Finding {
  const { memlockBytes, capabilities: held } = probe;
  if (memlockBytes === null || held.ipc_lock)
    return ok("memlock", "locked memory: not limited", memlockBytes);
  const text = `locked memory: ${formatSize(memlockBytes)}`;
  const needed = lockedShortOf(queues, probe);
  if (needed === 0) return ok("memlock", text, memlockBytes);
  return warn(
    "memlock",
    `${text}; the frames of ${plural(queues, "queue")} take ${formatSize(needed)} with the default memory.frames`,
    "ulimit -l unlimited, or LimitMEMLOCK=infinity",
    memlockBytes,
  );
}

function hugePages({ hugePages: pages }: ProbeReport): Finding {
  const { total, free, bytesEach } = pages;
  if (total === 0)
    return memory.ok("huge_pages", "huge page pool: none reserved; transparent ones do as well", pages);
  return memory.ok(
    "huge_pages",
    `huge page pool: ${free} free of ${plural(total, "page")} of ${formatSize(bytesEach)}`,
    pages,
  );
}

function transparent({ hugePages: { transparent: choice, free } }: ProbeReport): Finding {
  if (choice !== "never")
    return memory.ok("transparent_huge_pages", `transparent huge pages: ${choice}`, choice);
  if (free > 0)
    return memory.ok("transparent_huge_pages", "transparent huge pages: never; the pool is used", choice);
  return memory.warn(
    "transparent_huge_pages",
    "transparent huge pages: never; a frame costs about 15 ns more",
    "echo madvise > /sys/kernel/mm/transparent_hugepage/enabled",
    choice,
  );
}

/** Frames that extensions see lie in shared memory, for which the kernel has a switch of its own. */
function shmem({ kernel, hugePages: { shmem: choice } }: ProbeReport): Finding {
  const text = `transparent huge pages of shared memory: ${choice}`;
  // MADV_COLLAPSE, from Linux 6.1, makes them whatever the switch says, but for "deny".
  if (choice === "never" && isAtLeast(kernel, 6, 1))
    return memory.ok("shmem_huge_pages", `${text}; the sensor makes those that it needs by itself`, choice);
  if (choice === "advise" || choice === "always" || choice === "within_size" || choice === "force")
    return memory.ok("shmem_huge_pages", text, choice);
  if (choice === "unknown") return memory.ok("shmem_huge_pages", text, choice);
  return memory.ok(
    "shmem_huge_pages",
    `${text}: frames that extensions see get none; echo advise > /sys/kernel/mm/transparent_hugepage/shmem_enabled`,
    choice,
  );
}
