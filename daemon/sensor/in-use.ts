/**
 * Whether a host lives on an interface's frames. AF_XDP takes them before anything else of the host sees them: before its own
 * stack, and before the bridge, bond, switch or VLAN that the interface is a part of, which then have no network.
 */
import type { InterfaceReport } from "xdp-node";

/** Addresses that are the host's own: a link-local one is on every interface that is up. */
export function ownAddresses({ addresses: { ipv4, ipv6 } }: InterfaceReport): string[] {
  return [...ipv4, ...ipv6.filter((text) => !/^fe80:/i.test(text))];
}

/** Why the host would miss the frames: "it has the address 192.0.2.1"; undefined where nobody is known to. */
export function useOf(report: InterfaceReport): string | undefined {
  const [address] = ownAddresses(report);
  if (address !== undefined) return `it has the address ${address}`;
  if (report.defaultRoute) return "a default route leaves by it";
  const [user] = report.users;
  if (user === undefined) return undefined;
  const { name, kind, isMaster } = user;
  return isMaster ? `it is a part of ${withKind(kind, name)}` : `${withKind(kind, name)} is on top of it`;
}

const withKind = (kind: string, name: string): string => (kind === "" ? name : `the ${kind} ${name}`);
