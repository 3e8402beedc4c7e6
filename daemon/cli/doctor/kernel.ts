/** What the kernel offers, and what of Sparsewire needs it. */
import type { Check, ProbeReport } from "xdp-node";
import { type Finding, findingsOf } from "./finding.js";

const { ok, warn, bad, unseen } = findingsOf("kernel");

const RIGHTS = "run as root, or by the systemd unit, which grants what is needed";

export function kernelFindings(probe: ProbeReport): Finding[] {
  const { kernel, machine } = probe;
  return [
    !probe.xdpLink.ok
      ? bad("kernel", `Linux ${kernel} (${machine}): capture needs 5.9`, "use Linux 5.9 or newer", kernel)
      : ok("kernel", `Linux ${kernel} (${machine})`, kernel),
    needed("bpf", "bpf() system call: every live mode", probe.bpf, RIGHTS),
    needed(
      "xdp",
      "XDP programs: modes mirror and inline",
      probe.xdpProgram,
      "a kernel with CONFIG_BPF_SYSCALL",
    ),
    needed(
      "xdp_link",
      "XDP through bpf_link: nothing stays attached after a crash",
      probe.xdpLink,
      "use Linux 5.9 or newer",
    ),
    needed("xskmap", "XSKMAP: modes mirror and inline", probe.xskMap, "a kernel with CONFIG_XDP_SOCKETS"),
    needed(
      "af_xdp",
      "AF_XDP sockets: modes mirror and inline",
      probe.afXdpSocket,
      "a kernel with CONFIG_XDP_SOCKETS",
    ),
    useful(
      "need_wakeup",
      "need-wakeup: no system call while frames flow",
      probe.needWakeup,
      "use Linux 5.4 or newer",
    ),
    useful(
      "multi_buffer",
      "multi-buffer XDP: jumbo frames in modes mirror and inline",
      probe.multiBuffer,
      "use Linux 6.6 or newer, or keep the MTU at 1500",
    ),
    useful("busy_poll", "preferred busy polling: wake.busy_poll", probe.busyPoll, "use Linux 5.11 or newer"),
    needed("ring_buffer", "BPF ring buffer: mode host", probe.ringBuffer, "use Linux 5.8 or newer"),
    tcx(probe.tcx),
    probe.btf
      ? ok("btf", "kernel BTF (/sys/kernel/btf/vmlinux): there; bpftool can show what is loaded", true)
      : ok("btf", "kernel BTF: none; Sparsewire's programs do not need it", false),
    jit(probe.jit),
    unprivileged(probe.unprivilegedBpfDisabled),
    landlock(probe.landlock),
    seccomp(probe.seccomp),
  ];
}

/** What is refused for want of rights says nothing of the kernel. */
export const isForbidden = ({ ok: fine, why }: Check): boolean =>
  !fine && /\((EPERM|EACCES)\)$/.test(why ?? "");

function needed(check: string, what: string, answer: Check, mend: string): Finding {
  if (answer.ok) return ok(check, what, true);
  if (isForbidden(answer)) return unseen(check, `${what}: this process may not ask`, RIGHTS);
  return bad(check, `${what}: ${answer.why ?? "not available"}`, mend, false);
}

function useful(check: string, what: string, answer: Check, mend: string): Finding {
  if (answer.ok) return ok(check, what, true);
  if (isForbidden(answer)) return unseen(check, `${what}: this process may not ask`, RIGHTS);
  return warn(check, `${what}: ${answer.why ?? "not available"}`, mend, false);
}

function tcx(answer: Check): Finding {
  const what = "tcx: mode host attaches by links";
  if (answer.ok) return ok("tcx", what, true);
  if (isForbidden(answer)) return unseen("tcx", `${what}: this process may not ask`, RIGHTS);
  return ok(
    "tcx",
    "tcx: not there (Linux 6.6); mode host uses clsact filters, swept at the next start",
    false,
  );
}

function jit(on: boolean | null): Finding {
  if (on === null) return ok("jit", "BPF JIT: the kernel does not say (it is on where it cannot be off)");
  if (on) return ok("jit", "BPF JIT: on", true);
  return warn(
    "jit",
    "BPF JIT: off, programs are interpreted for every frame",
    "sysctl -w net.core.bpf_jit_enable=1",
    false,
  );
}

function unprivileged(disabled: number | null): Finding {
  if (disabled === null) return ok("unprivileged_bpf", "unprivileged BPF: the kernel does not say");
  if (disabled > 0) return ok("unprivileged_bpf", "unprivileged BPF: off", disabled);
  return warn(
    "unprivileged_bpf",
    "unprivileged BPF: every user may load programs; Sparsewire does not need that",
    "sysctl -w kernel.unprivileged_bpf_disabled=2",
    disabled,
  );
}

/** What the versions of Landlock add is said where the rules are made (daemon/privileges). */
function landlock(abi: number): Finding {
  if (abi >= 2) return ok("landlock", `Landlock ABI ${abi}: the sensor locks itself out of other files`, abi);
  return warn(
    "landlock",
    abi === 0
      ? "Landlock: none; file permissions and the unit's ProtectSystem= remain"
      : "Landlock ABI 1 does not let files be renamed: not used",
    "use Linux 5.19 or newer, booted with landlock in the lsm= list",
    abi,
  );
}

function seccomp(there: boolean | null): Finding {
  if (there === null) return ok("seccomp", "seccomp filters: the kernel does not say");
  if (there)
    return ok("seccomp", "seccomp filters: the sensor gives up the system calls it does not need", true);
  return warn("seccomp", "seccomp filters: none", "use a kernel with CONFIG_SECCOMP_FILTER", false);
}
