/** Offloads by the kernel's names, and what each does to counts in each mode. */
import { type Finding, findingsOf } from "./finding.js";
import type { Subject } from "./interface.js";

const { ok, warn } = findingsOf("offloads");

interface Offload {
  check: string;
  /** The kernel's name. */
  feature: string;
  /** As `ethtool -K` takes it. */
  key: string;
  /** What it does while it is on. */
  mirror: string;
  host: string;
  inline: string;
  /** Whether frames that XDP should see are other ones while it is on. */
  hurts: boolean;
}

const VLAN_FILTER = "rx-vlan-filter";

const OFFLOADS: Offload[] = [
  {
    check: "lro",
    feature: "rx-lro",
    key: "lro",
    mirror: "XDP is refused, or packets are merged before it",
    host: "merged packets count as their segments where the driver tells their number, else as one",
    inline: "merged packets cannot go out again",
    hurts: true,
  },
  {
    check: "gro_hw",
    feature: "rx-gro-hw",
    key: "rx-gro-hw",
    mirror: "packets may be merged before XDP",
    host: "merged packets count as their segments",
    inline: "merged packets cannot go out again",
    hurts: true,
  },
  {
    check: "gro",
    feature: "rx-gro",
    key: "gro",
    mirror: "nothing: it comes after XDP",
    host: "merged packets count as their segments, with their wire bytes",
    inline: "nothing: it comes after XDP",
    hurts: false,
  },
  {
    check: "tso",
    feature: "tx-tcp-segmentation",
    key: "tso",
    mirror: "nothing: it is about sending",
    host: "what the host sends counts as the packets on the wire",
    inline: "nothing: frames go out as they came in",
    hurts: false,
  },
  {
    check: "rxvlan",
    feature: "rx-vlan-hw-parse",
    key: "rxvlan",
    mirror: "VLAN tags are taken out before XDP: addresses count, each tagged frame 4 bytes short",
    host: "the tag is put back from the packet's metadata",
    inline: "tags would be lost on the way through",
    hurts: true,
  },
  {
    check: "rx_vlan_filter",
    feature: VLAN_FILTER,
    key: "rx-vlan-filter",
    mirror: "frames of VLANs that are not set up here may be dropped by the NIC, uncounted",
    host: "nothing: those frames are not the host's",
    inline: "frames of VLANs that are not set up here may not come through",
    hurts: true,
  },
];

/** One finding per offload, by name; whether it matters depends on what the interface is for. */
export function offloadFindings(subject: Subject, isForMirror: boolean): Finding[] {
  return OFFLOADS.map((offload) => finding(subject, offload, isForMirror));
}

function finding({ report: { name }, details }: Subject, offload: Offload, isForMirror: boolean): Finding {
  const { check, feature, key, mirror, host, inline } = offload;
  const on = details.features[feature] ?? null;
  const fixed = details.fixedFeatures.includes(feature);
  const value = { on, fixed, feature, mirror, host, inline };
  if (on === null) return ok(check, `${key}: the driver does not know it`, value);
  if (!on) return ok(check, `${key}: off`, value);
  if (!offload.hurts || !isForMirror) return ok(check, `${key}: on; host: ${host}`, value);
  if (!fixed) {
    const text = `${key}: on; mirror: ${mirror}; inline: ${inline}`;
    return warn(check, text, `ethtool -K ${name} ${key} off`, value);
  }
  // The sensor holds the interface promiscuous, which most drivers take as: every VLAN.
  if (feature === VLAN_FILTER)
    return ok(check, `${key}: on, fixed; promiscuous, as a sensor holds it, most NICs do not filter`, value);
  const text = `${key}: on, and the driver cannot switch it off; mirror: ${mirror}; inline: ${inline}; host: ${host}`;
  return warn(check, text, `sparsewire sensor --mode host --interface ${name}`, value);
}
