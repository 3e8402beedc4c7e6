/** Small archives, and requests as sensors and readers make them. */
import { createHash } from "node:crypto";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { encodeArchive } from "../../lib/archive.js";
import { type ManifestHead, manifestSchema } from "../../lib/manifest.js";
import type { TarMember } from "../../lib/tar.js";

export const RUN = "00000000000000aa";
/** 2026-01-31T12:00:00Z, on the minute, the hour but not the day. */
export const NOON = 1_769_860_800_000_000_000n;
export const SECOND = 1_000_000_000n;

/** A manifest head with one second of nothing; override what matters. */
export function head(overrides: Partial<ManifestHead> = {}): ManifestHead {
  const start = overrides.start ?? NOON;
  const whole = manifestSchema.parse({
    format: "sparsewire-interval/1",
    software: "sparsewire test",
    sensor: "edge-1",
    run: RUN,
    sequence: 0,
    interface: "eth9",
    mode: "mirror",
    effective: { attach: "native", bind: "copy", queues: 1 },
    start,
    end: start + SECOND,
    sealed_by: "clock",
    frames: 0,
    packets: 0,
    bytes: 0,
    reasons: {},
    drops: {},
    late: 0,
    sampling: 1,
    anonymization: { scheme: "none", key_id: null },
    byte_order: "big",
    ipv6: null,
    intervals: 1,
    members: [],
    ...overrides,
  });
  const { members: _members, format: _format, ...rest } = whole;
  return rest;
}

/** An archive with opaque members. */
export const archive = (overrides: Partial<ManifestHead> = {}, members: TarMember[] = []): Uint8Array =>
  encodeArchive(head(overrides), members);

export const contentDigest = (bytes: Uint8Array): string =>
  `sha-256=:${createHash("sha256").update(bytes).digest("base64")}:`;

/** Uploads an archive as a sensor does. */
export function put(
  url: string,
  bytes: Uint8Array,
  identity: { sensor?: string; run?: string; sequence?: number } = {},
  headers: Record<string, string> = {},
): Promise<Response> {
  const { sensor = "edge-1", run = RUN, sequence = 0 } = identity;
  return fetch(`${url}/api/v1/intervals/${sensor}/${run}/${sequence}`, {
    method: "PUT",
    body: bytes as Uint8Array<ArrayBuffer>,
    headers: { "content-type": "application/x-tar", "content-digest": contentDigest(bytes), ...headers },
  });
}

// biome-ignore lint/suspicious/noExplicitAny: an answer is looked into by assertions, which fail on a wrong shape
export async function get(url: string, path: string): Promise<{ status: number; body: any }> {
  const answer = await fetch(url + path);
  return { status: answer.status, body: await answer.json() };
}

/** The value of one series of /metrics, such as `refused_total{cause="digest"}`. */
export async function metric(url: string, series: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  const line = text.split("\n").find((one) => one.startsWith(`sparsewire_aggregator_${series} `));
  return Number(line?.split(" ").at(-1) ?? Number.NaN);
}

/** Paths of all files below a folder. */
export const filesBelow = (path: string): string[] =>
  readdirSync(path, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
