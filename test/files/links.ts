/** Random links whose values reach beyond 32 bits, in the order that exports have. */
import { parseIpv4, parseIpv6 } from "../../lib/address.js";
import type { Row } from "../cli/traffic.js";
import type { Random } from "../pcap/fuzz.js";

export function randomLinks(random: Random, family: 4 | 6, count: number): Row[] {
  const address = (): string => {
    const [high, low] = [random.int(256), random.int(500)];
    if (family === 6) return `2001:db8:${(high + 1).toString(16)}::${(low + 1).toString(16)}`;
    return [high, 0, low >> 8, low & 255].join(".");
  };
  const rows = new Map<string, Row>();
  for (let at = 0; at < count; at++) {
    const [src, dst] = [address(), address()];
    rows.set(`${src} ${dst}`, [src, dst, 1 + random.int(2 ** 20), 1 + random.int(2 ** 30) * 2 ** 14]);
  }
  const number = (text: string): bigint => BigInt(parseIpv4(text) ?? parseIpv6(text)!);
  const compare = (a: string, b: string): number =>
    number(a) < number(b) ? -1 : number(a) > number(b) ? 1 : 0;
  return [...rows.values()].sort((a, b) => compare(a[0], b[0]) || compare(a[1], b[1]));
}
