/**
 * Whether a request means this server. A page that a browser has open may have a name of its own resolve to our
 * address (DNS rebinding), and would then read and write as if it were ours: the Host header tells the name that it
 * used.
 */
import { X509Certificate } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { isIP, isIPv6 } from "node:net";
import { isLoopback, type TlsFiles } from "./listen.js";
import { groupsOf, plainAddress } from "./peer.js";

export interface Misdirected {
  status: 400 | 403 | 421;
  code: "NO_HOST" | "FOREIGN_ORIGIN" | "MISDIRECTED";
  message: string;
  mend: string;
}

export interface HostRules {
  /** Names and addresses besides loopback's and the one that was connected to; `*.` stands for one label. */
  names: readonly string[];
  /** The key that lists names, for messages. */
  key: string;
}

/** The parts of a request that are looked at. */
type Asked = Pick<IncomingMessage, "headers" | "rawHeaders" | "method" | "url">;

/**
 * What is wrong with where a request is sent to and comes from, undefined when nothing is. `local` is the address
 * that was connected to; undefined for a Unix socket, which no name leads to: there only a foreign page is refused. A
 * probe may do without a Host header, as HTTP/1.0 does.
 */
export function misdirected(
  request: Asked,
  local: string | undefined,
  { names, key }: HostRules,
  isProbe = false,
): Misdirected | undefined {
  const means = (host: string): boolean => local === undefined || isOurs(host, local, names);
  const origin = request.headers.origin;
  if (isForeign(request, origin, local !== undefined, means)) {
    return {
      status: 403,
      code: "FOREIGN_ORIGIN",
      message: `a page of ${origin === undefined ? "another site" : JSON.stringify(origin.slice(0, SHOWN))} asks for this`,
      mend: "ask from a program, or from a page of this server",
    };
  }
  if (local === undefined) return undefined;
  const hosts = request.rawHeaders.filter((name, at) => at % 2 === 0 && name.toLowerCase() === "host");
  const host = request.headers.host;
  if (hosts.length === 0 && isProbe) return undefined;
  if (hosts.length !== 1 || host === undefined || host === "" || request.url?.startsWith("/") !== true) {
    return {
      status: 400,
      code: "NO_HOST",
      message: "a request needs one Host header, and a path",
      mend: "use HTTP/1.1",
    };
  }
  if (means(host)) return undefined;
  return {
    status: 421,
    code: "MISDIRECTED",
    message: `${JSON.stringify(host.slice(0, SHOWN))} is not a name of this server`,
    mend: `use its address, or add the name to ${key}`,
  };
}

/** Characters of a header in a message. */
const SHOWN = 100;

/**
 * A request that a page of another site makes, and that changes something. At a Unix socket no page asks for
 * anything.
 */
function isForeign(
  { method, headers }: Asked,
  origin: string | undefined,
  mayRead: boolean,
  means: (host: string) => boolean,
): boolean {
  if (mayRead && (method === "GET" || method === "HEAD")) return false;
  const site = headers["sec-fetch-site"];
  if (site === "cross-site" || site === "same-site") return true;
  if (origin === undefined) return false;
  const host = /^https?:\/\/([^/?#@]+)$/i.exec(origin)?.[1];
  return host === undefined || !mayRead || !means(host);
}

function isOurs(host: string, local: string, names: readonly string[]): boolean {
  const name = nameOf(host);
  if (name === undefined) return false;
  const known = [local, ...names].map(canonical);
  return isLoopback(name) || known.some((each) => matches(name, each));
}

/** The name of a Host header in one form, without its port; undefined for what is none. */
function nameOf(host: string): string | undefined {
  const bracketed = /^\[([0-9a-f:.]+)\](?::\d{0,5})?$/i.exec(host)?.[1];
  if (bracketed !== undefined) return isIPv6(bracketed) ? canonical(bracketed) : undefined;
  const name = /^([A-Za-z0-9._-]{1,253})(?::\d{0,5})?$/.exec(host)?.[1];
  return name === undefined ? undefined : canonical(name);
}

function canonical(name: string): string {
  const plain = plainAddress(name.replace(/^\[(.*)\]$/, "$1"));
  if (isIPv6(plain)) return groupsOf(plain).join(":");
  return isIP(plain) === 0 ? plain.replace(/\.$/, "") : plain;
}

function matches(name: string, pattern: string): boolean {
  if (!pattern.startsWith("*.")) return name === pattern;
  const dot = name.indexOf(".");
  return dot > 0 && isIP(name) === 0 && name.slice(dot) === pattern.slice(1);
}

/** The names and addresses that a certificate is for: whoever checked it meant one of them. */
export function certificateNames(tls: TlsFiles | undefined): string[] {
  if (tls === undefined) return [];
  const names = new X509Certificate(tls.cert).subjectAltName ?? "";
  return [...names.matchAll(/(?:DNS|IP Address):([^,"\s]+)/g)].map(([, name]) => name!);
}
