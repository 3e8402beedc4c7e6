/**
 * What must hold before two interfaces become one wire: frames of either must be able to leave by the other exactly as
 * they came.
 */
import type { InterfaceReport } from "xdp-node";
import { EXIT, SparsewireError } from "../../lib/errors.js";
import type { SensorConfig } from "./config.js";
import { checkInterface, queuesToTake } from "./guard.js";

export interface InlineCheck {
  sides: [InterfaceReport, InterfaceReport];
  divert?: InterfaceReport;
  /** RX queues that are forwarded, of both sides: queue i of one to queue i of the other. */
  queues: number[];
  /** What an operator should know though it is no reason to refuse. */
  warnings: string[];
}

/** Throws a SparsewireError with the mend for the first thing that is in the way. */
export function checkInline(config: SensorConfig): InlineCheck {
  const names = [config.interface!, config.inline.peer!] as const;
  if (names[0] === names[1]) {
    throw refusal("INLINE_SAME", `${names[0]} cannot be both sides`, "name another interface as inline.peer");
  }
  const [a, b] = names.map((name) => checkInterface({ ...config, interface: name })) as [
    InterfaceReport,
    InterfaceReport,
  ];
  if (a.mtu !== b.mtu) {
    const low = a.mtu < b.mtu ? a : b;
    throw refusal(
      "INLINE_MTU",
      `${a.name} has MTU ${a.mtu} and ${b.name} ${b.mtu}: frames of one would not fit the other`,
      `give both the same: ip link set ${low.name} mtu ${Math.max(a.mtu, b.mtu)}`,
    );
  }
  for (const side of [a, b]) checkOffloads(side, config.force);
  const queues = queuesToTake(config, a);
  const counts = [a, b].map(({ channels }) => channels.rxQueues);
  if (counts[0] !== counts[1]) {
    throw refusal(
      "INLINE_QUEUES",
      `${a.name} has ${counts[0]} RX queues and ${b.name} ${counts[1]}: each needs a partner`,
      `give both the same number: ethtool -L ${counts[0]! > counts[1]! ? a.name : b.name} combined ${Math.min(...counts)}`,
    );
  }
  const divert = config.inline.divert === undefined ? undefined : checkDivert(config, a, queues);
  const warnings = [a, b].filter(({ driver }) => driver === "veth").map(vethWarning);
  return { sides: [a, b], queues, warnings, ...(divert === undefined ? {} : { divert }) };
}

/** Offloads that make of several frames one, or take something out of a frame that could not be put back. */
function checkOffloads({ name, driver, features }: InterfaceReport, force: boolean): void {
  const found = [
    ["lro", features.lro, "merges received frames into ones that are longer than the MTU"],
    ["rx-gro-hw", features.groHw, "merges received frames into ones that are longer than the MTU"],
    [
      "rxvlan",
      driver === "veth" ? false : features.rxVlan,
      "takes VLAN tags out of frames, and they would leave without",
    ],
  ] as const;
  for (const [offload, isOn, effect] of found) {
    if (isOn !== true || force) continue;
    throw refusal(
      "INLINE_OFFLOAD",
      `${offload} is on for ${name}: it ${effect}`,
      `turn it off: ethtool -K ${name} ${offload} off (or set force = true)`,
    );
  }
}

function checkDivert(config: SensorConfig, a: InterfaceReport, queues: number[]): InterfaceReport {
  const name = config.inline.divert!;
  if (name === config.interface || name === config.inline.peer) {
    throw refusal("INLINE_SAME", `${name} is a side of the wire`, "name a third interface as inline.divert");
  }
  const report = checkInterface({ ...config, interface: name });
  if (report.mtu < a.mtu) {
    throw refusal(
      "INLINE_MTU",
      `${name} has MTU ${report.mtu}, less than the ${a.mtu} of ${a.name}`,
      `raise it: ip link set ${name} mtu ${a.mtu}`,
    );
  }
  if (report.channels.rxQueues <= Math.max(...queues)) {
    throw refusal(
      "INLINE_QUEUES",
      `${name} has ${report.channels.rxQueues} queues, fewer than ${a.name}`,
      `add some: ethtool -L ${name} combined ${Math.max(...queues) + 1}`,
    );
  }
  return report;
}

/** Kernel sockets behind a veth leave checksums and VLAN tags to a device that there is not. */
const vethWarning = ({ name }: InterfaceReport): string =>
  `${name} is a veth: frames of the sockets behind it have no checksum, and may be longer than the MTU, unless its other ` +
  "end computes them: ethtool -K OTHER_END tx off tso off gso off txvlan off";

function refusal(code: string, why: string, mend: string): SparsewireError {
  return new SparsewireError(code, why, { exit: EXIT.usage, mend });
}
