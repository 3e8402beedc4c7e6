/** What an interface is: link, driver, queues, rings, MTU, addresses, counters. */
import type { InterfaceDetails, InterfaceReport } from "xdp-node";
import { ownAddresses, useOf } from "../../sensor/in-use.js";
import { type Finding, findingsOf, plural } from "./finding.js";

const { ok, warn, bad } = findingsOf("interface");

/** An interface with all that was asked of it. */
export interface Subject {
  report: InterfaceReport;
  details: InterfaceDetails;
  /** Frames in several buffers reach AF_XDP. */
  hasMultiBuffer: boolean;
  /** Cores that the sensor's threads may run on. */
  cores: number;
}

/** What one chunk of 2 KiB holds after the kernel's 256 bytes of headroom, without the Ethernet header. */
const MTU_ONE_CHUNK = 1518;
/** Whether frames of this MTU come in several buffers of the default size. */
export const needsSeveralChunks = (mtuBytes: number): boolean => mtuBytes > MTU_ONE_CHUNK;
/** From here on a ring of 512 frames is less than a tenth of a millisecond. */
const FAST_MBPS = 10_000;

export function interfaceFindings(subject: Subject): Finding[] {
  return [
    link(subject),
    driver(subject),
    speed(subject),
    queues(subject),
    rss(subject),
    rings(subject),
    coalescing(subject),
    mtu(subject),
    addresses(subject),
    promiscuous(subject),
    counters(subject),
  ];
}

/** "xdp off" takes off a native program only: a generic one hangs on a hook of its own. */
const XDP_KEYWORDS = { native: "xdpdrv", generic: "xdpgeneric", offload: "xdpoffload" } as const;

/** The command that takes the XDP program off, unless a bpf_link holds it. */
export const xdpOff = (name: string, mode: keyof typeof XDP_KEYWORDS): string =>
  `ip link set dev ${name} ${XDP_KEYWORDS[mode]} off`;

export const isInUse = (report: InterfaceReport): boolean => useOf(report) !== undefined;

function link({ report: { name, up, running }, details: { master } }: Subject): Finding {
  const value = { up, carrier: running, master };
  if (!up) return warn("link", `${name} is down`, `ip link set dev ${name} up`, value);
  if (!running)
    return warn(
      "link",
      `${name} is up, without a carrier`,
      "plug the cable, or bring the other end up",
      value,
    );
  return ok("link", `${name} is up${master === null ? "" : `, part of ${master}`}`, value);
}

function driver({ report, details }: Subject): Finding {
  const { kind, driverVersion, firmware } = details;
  const value = {
    driver: report.driver ?? null,
    version: driverVersion,
    firmware,
    bus: report.bus ?? null,
    kind,
  };
  const parts = [
    `driver ${report.driver ?? kind ?? "unknown"}${driverVersion === null ? "" : ` ${driverVersion}`}`,
    firmware === null ? "" : `firmware ${firmware}`,
    report.bus ? `at ${report.bus}` : "",
    kind !== null && kind !== report.driver ? `(${kind})` : "",
  ];
  return ok("driver", parts.filter((part) => part !== "").join(", "), value);
}

function speed({ details: { speedMbps } }: Subject): Finding {
  if (speedMbps === null) return ok("speed", "link speed: the driver does not say", null);
  const text = speedMbps >= 1000 ? `${speedMbps / 1000} Gbit/s` : `${speedMbps} Mbit/s`;
  return ok("speed", `link speed: ${text}`, speedMbps);
}

function queues({ report: { channels }, details: { channelsMax: most }, cores }: Subject): Finding {
  const { rxQueues } = channels;
  const max = most === null ? 0 : most.combined + most.rx;
  const of = max > rxQueues ? ` of at most ${max}` : "";
  const shared = rxQueues > cores ? `, on ${plural(cores, "core")}: capture threads serve several each` : "";
  return ok("queues", `${plural(rxQueues, "RX queue")}${of}; all of them are captured${shared}`, {
    rx: rxQueues,
    max,
    cores,
  });
}

function rss({ report: { name, channels }, details: { rss: table, flowHash } }: Subject): Finding {
  const { rxQueues } = channels;
  const value = { table, flowHash };
  if (rxQueues === 1) return ok("rss", "one queue: nothing to spread", value);
  if (table === null)
    return ok("rss", "how packets are spread over the queues: the driver does not say", value);
  const hashed = Object.entries(flowHash ?? {}).filter(([, fields]) => fields.length > 0);
  const by =
    hashed.length === 0 ? "" : ` by ${hashed.map(([flow, f]) => `${flow} ${f.join("+")}`).join(", ")}`;
  const text = `${table.queues.length} of ${rxQueues} queues get packets${by}`;
  if (table.queues.length < rxQueues) return warn("rss", text, `ethtool -X ${name} equal ${rxQueues}`, value);
  return ok("rss", text, value);
}

function rings({ report: { name }, details: { rings: sizes, speedMbps } }: Subject): Finding {
  if (sizes === null) return ok("rings", "hardware rings: none, or the driver does not say", null);
  const text = `RX ring of ${sizes.rx} descriptors, TX ring of ${sizes.tx}`;
  if (sizes.rx >= sizes.rxMax) return ok("rings", `${text}: the most there are`, sizes);
  const isFast = speedMbps === null || speedMbps >= FAST_MBPS;
  const mend = `ethtool -G ${name} rx ${sizes.rxMax}`;
  if (isFast && sizes.rx < 4096)
    return warn("rings", `${text}, of at most ${sizes.rxMax}: a burst is lost in the NIC`, mend, sizes);
  return ok("rings", `${text}, of at most ${sizes.rxMax}`, sizes);
}

function coalescing({ details: { coalescing: it } }: Subject): Finding {
  if (it === null) return ok("coalescing", "interrupt coalescing: the driver does not say", null);
  const how = it.adaptiveRx ? "adaptive" : `${it.rxUsecs} us, ${plural(it.rxFrames, "frame")}`;
  return ok("coalescing", `interrupt coalescing: ${how}`, it);
}

function mtu({ report: { name, mtu: bytes }, hasMultiBuffer }: Subject): Finding {
  if (!needsSeveralChunks(bytes)) return ok("mtu", `MTU ${bytes}: every frame fits one chunk`, bytes);
  if (hasMultiBuffer)
    return ok("mtu", `MTU ${bytes}: jumbo frames come in several chunks and count as one`, bytes);
  return bad(
    "mtu",
    `MTU ${bytes} needs frames in several chunks: modes mirror and inline cannot attach`,
    `ip link set dev ${name} mtu 1500, or use Linux 6.6`,
    bytes,
  );
}

function addresses({ report, details: { loopback } }: Subject): Finding {
  const own = ownAddresses(report);
  const users = report.users.map(({ name }) => name);
  const value = { addresses: own, default_route: report.defaultRoute, users };
  if (!isInUse(report))
    return ok(
      "addresses",
      "no address, no default route, part of nothing, nothing on top: fit for mode mirror",
      value,
    );
  const few = (list: string[]): string =>
    `${list.slice(0, 3).join(", ")}${list.length > 3 ? " and more" : ""}`;
  const why =
    own.length > 0
      ? `has ${few(own)}`
      : report.defaultRoute
        ? "carries a default route"
        : `${few(users)} ${users.length > 1 ? "live" : "lives"} on its frames`;
  return warn(
    "addresses",
    `${loopback ? "loopback" : why}: mode mirror would take the host's own frames`,
    `count them where they pass: sparsewire sensor --interface ${report.name} --mode host` +
      `${loopback ? " --set host.loopback=true" : "; or use a mirror port"}`,
    value,
  );
}

function promiscuous({ details: { promiscuous: count } }: Subject): Finding {
  if (count > 0) return ok("promiscuous", "promiscuous: on", count);
  return ok("promiscuous", "promiscuous: off; modes mirror and inline turn it on while they run", count);
}

function counters({ report: { name, counters: seen }, details: { rings: sizes } }: Subject): Finding {
  const of = (counter: string): number => seen[counter] ?? 0;
  const missed = of("rx_missed_errors") + of("rx_over_errors") + of("rx_fifo_errors");
  const value = { received: of("rx_packets"), missed, dropped: of("rx_dropped"), errors: of("rx_errors") };
  const text =
    `since it came up ${value.received} packets received, ${missed} missed by the hardware, ` +
    `${value.dropped} dropped`;
  if (missed === 0) return ok("counters", text, value);
  const larger = sizes !== null && sizes.rx < sizes.rxMax;
  return warn(
    "counters",
    text,
    larger ? `ethtool -G ${name} rx ${sizes.rxMax}` : "more queues (ethtool -L), or faster cores",
    value,
  );
}
