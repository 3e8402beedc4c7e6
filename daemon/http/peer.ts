/** Who is one peer: an IPv4 address, or the /64 that one IPv6 host may fill with addresses of its own. */
import { isIPv6 } from "node:net";

const GROUPS = 8;

/** Peers of a Unix socket have no address: they are one, as those behind one NAT are. */
export function peerOf(address: string | undefined): string {
  if (address === undefined) return "local";
  const plain = plainAddress(address);
  if (!isIPv6(plain)) return plain;
  return groupsOf(plain).slice(0, 4).join(":");
}

/** Without zone; an IPv4 address that came in by an IPv6 socket (::ffff:192.0.2.1) as the IPv4 address it is. */
export function plainAddress(address: string): string {
  const text = address.replace(/%.*$/, "").toLowerCase();
  return /^::ffff:(\d+\.\d+\.\d+\.\d+)$/.exec(text)?.[1] ?? text;
}

/** The eight groups of an IPv6 address, each without leading zeros. */
export function groupsOf(address: string): string[] {
  const dotted = /^(.*:)(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(address);
  const hex = (high: number, low: number): string => ((high << 8) | low).toString(16);
  const text =
    dotted === null
      ? address
      : `${dotted[1]}${hex(Number(dotted[2]), Number(dotted[3]))}:${hex(Number(dotted[4]), Number(dotted[5]))}`;
  const [head = "", tail] = text.split("::");
  const before = head === "" ? [] : head.split(":");
  const after = tail === undefined || tail === "" ? [] : tail.split(":");
  const zeros = tail === undefined ? 0 : GROUPS - before.length - after.length;
  const all = [...before, ...Array.from({ length: Math.max(0, zeros) }, () => "0"), ...after];
  return all.map((group) => Number.parseInt(group, 16).toString(16));
}
