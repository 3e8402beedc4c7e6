/** Who a request came from, behind proxies: X-Forwarded-For from the right, as deep as its proxies are trusted. */

/** Deepest chain of proxies that can be trusted. */
export const DEPTH_MAX = 64;

const NAME = "x-forwarded-for";

/**
 * The header in Node's raw list of names and values; repeated ones are joined, in order. The list is there for every
 * request, whereas `headers` is made when somebody asks for it, which takes longer than all the rest.
 */
export function forwardedHeader(rawHeaders: readonly string[]): string | undefined {
  let header: string | undefined;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]!;
    if (name.length !== NAME.length || name.toLowerCase() !== NAME) continue;
    header = header === undefined ? rawHeaders[i + 1]! : `${header},${rawHeaders[i + 1]!}`;
  }
  return header;
}

/**
 * The text of the address that `depth` trusted proxies (at least 1) vouch for: the depth-th entry from the right, or the
 * leftmost when there are fewer. Undefined without a header or entry. What is further left can be forged by anybody.
 */
export function forwardedFor(header: string | undefined, depth: number): string | undefined {
  if (header === undefined) return undefined;
  let end = header.length;
  let start = header.lastIndexOf(",", end - 1) + 1;
  for (let left = depth - 1; left > 0 && start > 0; left--) {
    end = start - 1;
    start = end === 0 ? 0 : header.lastIndexOf(",", end - 1) + 1;
  }
  return withoutPort(header.slice(start, end).trim());
}

/** Some proxies write the port, too: "192.0.2.1:443", "[2001:db8::1]:443". */
function withoutPort(entry: string): string {
  if (entry.startsWith("[")) {
    const close = entry.indexOf("]");
    return close > 0 && /^(:\d{1,5})?$/.test(entry.slice(close + 1)) ? entry.slice(1, close) : entry;
  }
  const colon = entry.indexOf(":");
  const isPort = colon > 0 && entry.includes(".") && /^\d{1,5}$/.test(entry.slice(colon + 1));
  return isPort ? entry.slice(0, colon) : entry;
}
