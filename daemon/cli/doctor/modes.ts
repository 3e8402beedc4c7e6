/** Which modes a sensor could run in here, which is the best, and the command that starts it. */
import type { Check, ProbeReport } from "xdp-node";
import { type Finding, findingsOf } from "./finding.js";
import { isInUse, needsSeveralChunks, type Subject, xdpOff } from "./interface.js";
import { isForbidden } from "./kernel.js";
import { type LiveMode, lockedShortOf, missingFor, rightsMend } from "./process.js";

const { ok, warn, bad } = findingsOf("modes");

export interface ModeAnswer {
  mode: LiveMode | "pcap";
  possible: boolean;
  /** Why not; or, where it is possible, what it is for. */
  why: string;
  /** What would make it possible; empty where it is. */
  mend: string;
}

/** What is in the way of a mode. */
interface Obstacle {
  why: string;
  mend: string;
}

export interface Advice {
  best: ModeAnswer["mode"];
  why: string;
  command: string;
}

/** Every mode, whether it could run, and why not. */
export function modesOf(probe: ProbeReport, subject?: Subject): ModeAnswer[] {
  const forXdp = (mode: LiveMode): Obstacle[] => [
    ...rightsObstacles(mode, probe),
    ...xdpKernelObstacles(probe),
    ...memlockObstacles(probe, subject),
    ...xdpObstacles(subject),
    ...useObstacles(mode, subject),
  ];
  return [
    answer("mirror", forXdp("mirror"), "takes every frame of the interface: for a SPAN or TAP port"),
    answer(
      "host",
      hostObstacles(probe, subject),
      "counts the host's own traffic, in and out; takes nothing away",
    ),
    answer("inline", forXdp("inline"), "with a second interface, where the frames go on (inline.peer)"),
    { mode: "pcap", possible: true, why: "reads capture files; needs no privilege", mend: "" },
  ];
}

/** The best mode and why; of the host alone where no interface is named. */
export function advise(probe: ProbeReport, modes: readonly ModeAnswer[], subject?: Subject): Advice {
  const advice = choose(modes, subject);
  if (advice.best !== "pcap" || missingFor("mirror", probe).length === 0) return advice;
  const { best } = choose(modesOf(withRights(probe), subject), subject);
  if (best === "pcap") return advice;
  return { ...advice, why: `${advice.why} for this process; with the rights that it lacks: ${best}` };
}

/** The same host, asked by a process that holds everything: what it could not ask is taken to be there. */
function withRights(probe: ProbeReport): ProbeReport {
  const granted = (check: Check): Check => (isForbidden(check) ? { ok: true } : check);
  return {
    ...probe,
    // The unit sets no limit.
    memlockBytes: null,
    capabilities: { net_admin: true, net_raw: true, bpf: true, sys_admin: true, ipc_lock: true },
    xdpProgram: granted(probe.xdpProgram),
    xskMap: granted(probe.xskMap),
    afXdpSocket: granted(probe.afXdpSocket),
    ringBuffer: granted(probe.ringBuffer),
    tcx: granted(probe.tcx),
  };
}

function choose(modes: readonly ModeAnswer[], subject: Subject | undefined): Advice {
  const can = (mode: ModeAnswer["mode"]): boolean =>
    modes.some((each) => each.mode === mode && each.possible);
  const name = subject?.report.name ?? "IF";
  const loopback = subject?.details.loopback ? " --set host.loopback=true" : "";
  const sensor = (mode: string): string => `sparsewire sensor --interface ${name} --mode ${mode}${loopback}`;
  const isUsed = subject !== undefined && isInUse(subject.report);
  if (can("mirror") && !isUsed) {
    const why =
      subject === undefined
        ? "for a mirror port; mode host for an interface that this host uses itself"
        : "it carries no traffic of this host, so every frame can be taken without a copy of its own";
    return { best: "mirror", why, command: sensor("mirror") };
  }
  if (can("host")) {
    const why = isUsed
      ? "this host uses the interface: its traffic is counted where it passes and goes on untouched"
      : "mode mirror cannot run here";
    return { best: "host", why, command: sensor("host") };
  }
  return {
    best: "pcap",
    why: "no live mode can run here",
    command: "sparsewire ingest FILE.pcap, or sparsewire sensor --mode pcap --file FILE",
  };
}

export function modeFindings(modes: readonly ModeAnswer[], { best, why, command }: Advice): Finding[] {
  const each = modes.map(({ mode, possible, why: reason, mend }) =>
    possible ? ok(`mode_${mode}`, reason, true) : warn(`mode_${mode}`, `not here: ${reason}`, mend, false),
  );
  const told = `${best}: ${why}`;
  return [...each, best === "pcap" ? bad("best_mode", told, command, best) : ok("best_mode", told, best)];
}

function answer(mode: LiveMode, obstacles: Obstacle[], what: string): ModeAnswer {
  if (obstacles.length === 0) return { mode, possible: true, why: what, mend: "" };
  const list = (key: keyof Obstacle): string => [...new Set(obstacles.map((each) => each[key]))].join("; ");
  return { mode, possible: false, why: list("why"), mend: list("mend") };
}

function rightsObstacles(mode: LiveMode, probe: ProbeReport): Obstacle[] {
  const missing = missingFor(mode, probe);
  if (missing.length === 0) return [];
  return [{ why: `this process lacks ${missing.join(", ")}`, mend: rightsMend(probe) }];
}

/** Frames are locked memory; the ring buffers of mode host are not. */
function memlockObstacles(probe: ProbeReport, subject: Subject | undefined): Obstacle[] {
  if (lockedShortOf(subject?.report.channels.rxQueues ?? 1, probe) === 0) return [];
  const mend = "ulimit -l unlimited, or LimitMEMLOCK=infinity as in the unit, or a smaller memory.frames";
  return [{ why: "this process may lock too little memory for the frames", mend }];
}

/** Of the kernel only what it says to those who may ask. */
function xdpKernelObstacles(probe: ProbeReport): Obstacle[] {
  const newer = "use Linux 5.9 or newer, with CONFIG_XDP_SOCKETS";
  if (!probe.xdpLink.ok) return [{ why: "the kernel has no XDP links", mend: newer }];
  if (missingFor("mirror", probe).length > 0) return [];
  if (!probe.xdpProgram.ok || !probe.xskMap.ok)
    return [{ why: "the kernel does not load XDP programs", mend: newer }];
  return probe.afXdpSocket.ok ? [] : [{ why: "the kernel has no AF_XDP sockets", mend: newer }];
}

/** What is in the way of XDP on this interface. */
function xdpObstacles(subject: Subject | undefined): Obstacle[] {
  if (subject === undefined) return [];
  const { report, details, hasMultiBuffer } = subject;
  const { name } = report;
  const obstacles: Obstacle[] = [];
  const add = (why: string, mend: string): void => void obstacles.push({ why, mend });
  if (!report.up) add("the link is down", `ip link set dev ${name} up`);
  if (needsSeveralChunks(report.mtu) && !hasMultiBuffer)
    add(`MTU ${report.mtu}`, `ip link set dev ${name} mtu 1500, or use Linux 6.6`);
  if (report.xdp !== undefined)
    add("another XDP program is attached", `${xdpOff(name, report.xdp.mode)}, or stop its owner`);
  if (details.sockets !== null && details.sockets.length > 0)
    add("other AF_XDP sockets have queues of it", "stop the process that holds them");
  return obstacles;
}

/** Frames that the host needs must not be taken, nor sent elsewhere. */
function useObstacles(mode: LiveMode, subject: Subject | undefined): Obstacle[] {
  if (subject === undefined) return [];
  if (mode === "inline" && subject.details.loopback)
    return [{ why: "loopback has no wire", mend: "name another interface" }];
  if (!isInUse(subject.report)) return [];
  const mend =
    mode === "mirror" ? "use mode host, or --force to take its frames all the same" : "use mode host";
  return [{ why: "the host uses the interface", mend }];
}

function hostObstacles(probe: ProbeReport, subject: Subject | undefined): Obstacle[] {
  const obstacles = rightsObstacles("host", probe);
  if (obstacles.length === 0 && !probe.ringBuffer.ok)
    obstacles.push({ why: "the kernel has no BPF ring buffers", mend: "use Linux 5.8 or newer" });
  if (subject?.details.tc.filtersUnseen === "EOPNOTSUPP" && !probe.tcx.ok)
    obstacles.push({ why: "the kernel has no tc filters", mend: "a kernel with CONFIG_NET_CLS_BPF, or 6.6" });
  return obstacles;
}
