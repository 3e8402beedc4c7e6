/** Default routes, as /proc/net tells them. */

const ROUTE_UP = 0x1;
const ROUTE_REJECT = 0x200;

/** Interfaces with an IPv4 default route, from the text of /proc/net/route. */
export function defaultRoutes4(text: string): string[] {
  return text
    .split("\n")
    .slice(1)
    .map((line) => line.trim().split(/\s+/))
    .filter((column) => column[1] === "00000000" && column[7] === "00000000")
    .filter((column) => usable(column[3]))
    .map((column) => column[0]!);
}

/** Interfaces with an IPv6 default route, from the text of /proc/net/ipv6_route. */
export function defaultRoutes6(text: string): string[] {
  return text
    .split("\n")
    .map((line) => line.trim().split(/\s+/))
    .filter((column) => column.length >= 10 && /^0{32}$/.test(column[0]!) && column[1] === "00")
    .filter((column) => usable(column[8]))
    .map((column) => column[9]!);
}

/** The unreachable route that the kernel keeps as a last resort is no route. */
function usable(flags: string | undefined): boolean {
  const bits = Number.parseInt(flags ?? "0", 16);
  return (bits & ROUTE_UP) !== 0 && (bits & ROUTE_REJECT) === 0;
}
