/**
 * Every frame the sandbox is offered ends under exactly one of these names, so that
 * frames = sum over reasons, always. The first two are counted into the matrices.
 * The order is the ABI's (indices into the counter block): append only.
 */
export const FRAME_REASONS = [
  "ipv4",
  "ipv6",
  "arp",
  "other_ethertype",
  "llc",
  "mpls_other",
  "pppoe_other",
  "truncated",
  "malformed_ip",
  "other_link_type",
] as const;
export type FrameReason = (typeof FRAME_REASONS)[number];

/** What each reason means, for --help, metrics help texts and the documentation. */
export const FRAME_REASON_HELP: Record<FrameReason, string> = {
  ipv4: "outermost header is IPv4; counted",
  ipv6: "outermost header is IPv6; counted",
  arp: "ARP or RARP",
  other_ethertype: "an EtherType (or SLL/NULL protocol) that is neither IP nor one of the tags",
  llc: "802.3 LLC that carries no IP (STP, IS-IS, IPX, XID ...)",
  mpls_other: "an MPLS label stack that does not carry IP",
  pppoe_other: "PPPoE discovery, or a PPP protocol that is not IP",
  truncated: "too few captured bytes to reach both addresses",
  malformed_ip:
    "an IP header whose version contradicts its encapsulation, or whose lengths contradict each other",
  other_link_type: "a link type of a capture file that is not supported",
};

/** The fields of the kernel's XDP_STATISTICS, in its order. */
export const XDP_STATISTICS = [
  "rx_dropped",
  "rx_invalid_descs",
  "tx_invalid_descs",
  "rx_ring_full",
  "rx_fill_ring_empty_descs",
  "tx_ring_empty_descs",
] as const;

/**
 * Why packets that were offered are missing from an interval, by cause. The causes exclude one another, so that
 * frames sent = frames counted + their sum. rx_fill_ring_empty_descs is not among them because the kernel counts
 * the same frame under rx_dropped as well; the interface's own counters are taken less what AF_XDP already
 * reports, because some drivers count a failed redirect in both places.
 */
export const DROP_CAUSES = [
  "rx_dropped", // AF_XDP: no free frame in the fill ring, or a frame longer than a chunk
  "rx_ring_full", // AF_XDP: the RX ring had no room
  "interface_missed", // the NIC had no buffer (rx_missed_errors, rx_over_errors, rx_fifo_errors)
  "interface_dropped", // the driver dropped it before XDP could take it
  "ring_buffer", // host mode: the BPF ring buffer was full
  "shed", // sampled away on purpose
  // Inline mode: forwarded, but the interval had no memory left to count it. AF_XDP: it came by an RX queue that was not
  // there when capture began, and went on without being captured.
  "uncounted",
] as const;
export type DropCause = (typeof DROP_CAUSES)[number];
