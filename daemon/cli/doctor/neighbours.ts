/** Who else is on the interface: XDP programs, tc programs and filters, AF_XDP sockets. */
import type { TcProgram } from "xdp-node";
import { type Finding, findingsOf, plural } from "./finding.js";
import { type Subject, xdpOff } from "./interface.js";

const { ok, warn, bad, unseen } = findingsOf("neighbours");

export function neighbourFindings(subject: Subject): Finding[] {
  return [xdp(subject), tc(subject), sockets(subject)];
}

function xdp({ report: { name, xdp: attached }, details: { xdpProgramName } }: Subject): Finding {
  if (attached === undefined) return ok("xdp_program", "no XDP program is attached", null);
  const called = xdpProgramName === null ? "" : ` (${xdpProgramName})`;
  return bad(
    "xdp_program",
    `XDP program ${attached.programId}${called} is attached in ${attached.mode} mode`,
    `if no sensor runs here: ${xdpOff(name, attached.mode)}, or stop its owner (bpftool net)`,
    { ...attached, name: xdpProgramName },
  );
}

const describe = ({ direction, kind, programId, name }: TcProgram): string =>
  [direction, kind, name ?? "", programId === undefined ? "" : `id ${programId}`]
    .filter((part) => part !== "")
    .join(" ");

function tc({ report: { name }, details: { tc: seen } }: Subject): Finding {
  const { programs, tcxUnseen, filtersUnseen } = seen;
  const isBlind = filtersUnseen !== null || tcxUnseen === "EPERM" || tcxUnseen === "EACCES";
  if (programs.length === 0) {
    if (!isBlind) return ok("tc_programs", "no tc program or filter at ingress or egress", programs);
    const mend = "run as root to see tcx programs, too";
    return unseen("tc_programs", "no tc filter is seen; tcx programs cannot be asked for", mend);
  }
  return warn(
    "tc_programs",
    `${plural(programs.length, "tc program or filter")}: ${programs.map(describe).join("; ")}. ` +
      "They see no frame that mode mirror takes; mode host runs beside them",
    `look: tc filter show dev ${name} ingress (and egress), bpftool net show dev ${name}`,
    programs,
  );
}

function sockets({ details: { sockets: bound } }: Subject): Finding {
  if (bound === null)
    return unseen(
      "xdp_sockets",
      "AF_XDP sockets of others: this kernel does not tell",
      "a kernel with CONFIG_XDP_SOCKETS_DIAG tells; --try finds out for queue 0",
    );
  if (bound.length === 0) return ok("xdp_sockets", "no AF_XDP socket is bound", bound);
  const where = bound
    .map(({ queue, zerocopy }) => `queue ${queue} (${zerocopy ? "zero-copy" : "copy"})`)
    .join(", ");
  return bad(
    "xdp_sockets",
    `${plural(bound.length, "AF_XDP socket")}: ${where}`,
    "stop the process that holds them (ss --xdp -p), or leave those queues out (queues = [...])",
    bound,
  );
}
