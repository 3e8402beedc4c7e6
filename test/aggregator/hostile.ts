/**
 * Hostile archives with right digests: sound ones of our own encoder, of which a field, a member or an entry has been taken
 * to an extreme. Each mutation says whether the aggregator must refuse what it makes.
 */
import { createHash } from "node:crypto";
import { ipv6Bytes } from "../../lib/address.js";
import { decodeArchive, MEMBERS, writeDict } from "../../lib/archive.js";
import { EXTENSION_DIMENSION } from "../../lib/extension-matrix.js";
import { IPV6_HASH_KEY_DEFAULT, IPV6_HASH_KEY_ID_DEFAULT, ipv6Index } from "../../lib/ipv6-index.js";
import type { ManifestHead } from "../../lib/manifest.js";
import { type TarMember, writeTar } from "../../lib/tar.js";
import {
  DIMENSION4,
  DIMENSION6,
  encodeTraffic,
  estimateTraffic,
  makeTraffic,
  type Planes6,
} from "../../lib/traffic.js";
import { head } from "./client.js";
import { MANIFEST_MUTATIONS } from "./hostile-manifests.js";
import { MEMBER_MUTATIONS } from "./hostile-members.js";
import { grb } from "./traffic.js";

// biome-ignore lint/suspicious/noExplicitAny: mutations write what no type allows
export type Loose = any;

/** An archive in pieces that can be changed. */
export interface Draft {
  manifest: Loose;
  members: TarMember[];
  /** Instead of the manifest's own text. */
  text?: string;
}

export interface Dice {
  /** An integer from 0 to below n. */
  below(n: number): number;
  pick<T>(items: readonly T[]): T;
}

export interface Mutation {
  name: string;
  /** It must be refused whenever `make` says that it could be made. */
  refused: boolean;
  /** False where the draft has nothing that could be changed so. */
  make(draft: Draft, dice: Dice): boolean;
}

export const diceOf = (next: () => number): Dice => {
  const below = (n: number): number => Math.floor(next() * n);
  return { below, pick: (items) => items[below(items.length)]! };
};

export const MUTATIONS: readonly Mutation[] = [...MANIFEST_MUTATIONS, ...MEMBER_MUTATIONS];

export interface Hostile {
  /** Names of the mutations that were made. */
  names: string[];
  mustRefuse: boolean;
  bytes: Uint8Array;
}

/** Sound archives that are made once and spoilt in ever new ways. */
const POOL = 100;
const pool: Draft[] = [];

function pooledDraft(identity: Partial<ManifestHead>, dice: Dice): Draft {
  if (pool.length < POOL) pool.push(draftOf(soundArchive({}, dice)));
  const { manifest, members } = dice.pick(pool);
  const copies = members.map(({ name, data }) => ({ name, data: data.slice() }));
  return { manifest: { ...structuredClone(manifest), ...identity }, members: copies };
}

/** A sound archive with one or two mutations. `identity` has its end as well. */
export function hostileArchive(identity: Partial<ManifestHead>, next: () => number): Hostile {
  const dice = diceOf(next);
  const draft = pooledDraft(identity, dice);
  const made: Mutation[] = [];
  for (let wanted = dice.below(4) === 0 ? 2 : 1; made.length < wanted; ) {
    const mutation = dice.pick(MUTATIONS);
    if (mutation.make(draft, dice)) made.push(mutation);
  }
  const names = made.map(({ name }) => name);
  // Two mutations may undo each other.
  return { names, mustRefuse: made.length === 1 && made[0]!.refused, bytes: bytesOf(draft) };
}

/** Pieces of an archive; the members' bytes are copies. */
export function draftOf(bytes: Uint8Array): Draft {
  const { manifest, members } = decodeArchive(bytes);
  return { manifest, members: members.map(({ name, data }) => ({ name, data: data.slice() })) };
}

/** The pieces as an archive whose digests and sizes are right, unless a mutation has replaced the list. */
export function bytesOf({ manifest, members, text }: Draft): Uint8Array {
  const listed = members.map(({ name, data }) => ({
    name,
    size: data.length,
    sha256: createHash("sha256").update(data).digest("hex"),
  }));
  const whole = { ...manifest, members: manifest.lies ?? listed };
  const json = JSON.stringify(whole, (_, value) => (typeof value === "bigint" ? value.toString() : value));
  const data = new TextEncoder().encode(text ?? json);
  return writeTar([{ name: "manifest.json", data }, ...members], { mtime: 0 });
}

/** What an honest sensor sends: few or some links, with IPv6, extensions and shedding, or without. */
export function soundArchive(identity: Partial<ManifestHead>, dice: Dice): Uint8Array {
  const count = dice.pick([0, 1, 3, 40]);
  const six = dice.pick([0, 0, 2, 9]);
  const sampling = dice.pick([1, 1, 1, 0.25]);
  const totals = { packets4: 0, packets6: 0, bytes: 0 };
  const column = (value: () => number | bigint, n: number) =>
    BigUint64Array.from({ length: n }, () => BigInt(value()));
  const values = (n: number, key: "packets4" | "packets6") => {
    const packets = column(() => 1 + dice.below(9), n);
    const bytes = packets.map((one) => one * BigInt(40 + dice.below(1400)));
    for (const one of packets) totals[key] += Number(one);
    for (const one of bytes) totals.bytes += Number(one);
    return { packets, bytes };
  };
  const four = values(count, "packets4");
  const links4 = [0, 1].map(() => column(() => 0xcb000000 + dice.below(100), count)) as Loose;
  const build = (dimension: bigint, [I, J]: [BigUint64Array, BigUint64Array], X: BigUint64Array) =>
    grb().build("UINT64", dimension, dimension, I, J, X, "plus");
  const v4 =
    count === 0
      ? undefined
      : { packets: build(DIMENSION4, links4, four.packets), bytes: build(DIMENSION4, links4, four.bytes) };
  const book = sixBook(6);
  let v6: Planes6 | undefined;
  if (six > 0) {
    const links6 = [0, 1].map(() => column(() => dice.pick(book).index, six)) as Loose;
    const { packets, bytes } = values(six, "packets6");
    const planes = { packets: build(DIMENSION6, links6, packets), bytes: build(DIMENSION6, links6, bytes) };
    v6 = { ...planes, dict: writeDict(book), keyId: IPV6_HASH_KEY_ID_DEFAULT };
  }
  const traffic = makeTraffic(v4, v6, extensionOf(dice));
  if (sampling < 1) estimateTraffic(traffic, sampling);
  const { archive } = encodeTraffic(
    grb(),
    traffic,
    headOf(identity, { totals, six, sampling, book, traffic }),
  );
  traffic.dispose();
  return archive;
}

function extensionOf(dice: Dice): Loose {
  if (dice.below(3) > 0) return undefined;
  const [I, J] = [BigUint64Array.of(1n, 2n), BigUint64Array.of(80n, 443n)];
  const matrix = grb().build("UINT64", EXTENSION_DIMENSION, EXTENSION_DIMENSION, I, J, 3);
  return new Map([["ports", { keys: EXTENSION_KEYS, matrix, dict: new Map() }]]);
}

const EXTENSION_KEYS = {
  row: { name: "source", kind: "ipv4" },
  column: { name: "port", kind: "port" },
  value: "frames",
  combine: "plus" as const,
};

function headOf(
  identity: Partial<ManifestHead>,
  { totals, six, sampling, book, traffic }: Loose,
): ManifestHead {
  const { packets4, packets6, bytes } = totals;
  const packets = packets4 + packets6;
  const shed = {
    packets: 30,
    bytes: 3000,
    protocols: { ipv4_tcp: [20, 2000], other: [10, 1000] },
    sources4: { "203.0.0.0/8": [20, 2000] },
    destinations4: { "203.0.0.0/8": [20, 2000] },
    rate_min: sampling,
    rate_max: sampling,
    cluster: 1,
    frame_max: 1518,
    unseen: 0,
  };
  const says = {
    hash: "siphash-2-4/60",
    key_id: IPV6_HASH_KEY_ID_DEFAULT,
    addresses: book.length,
    collisions: 0,
  };
  const record = { status: "running", frames: packets, missed: 0, rows: 2, rows_lost: 0, events: 0 };
  return head({
    frames: packets,
    packets,
    bytes,
    reasons: { ipv4: packets4, ipv6: packets6 } as never,
    sampling,
    ...(sampling < 1 ? { shed: shed as never, drops: { shed: 30 } as never } : {}),
    ipv6: six > 0 ? says : null,
    ...(traffic.extensions === undefined
      ? {}
      : { extensions: { ports: { ...record, ...EXTENSION_KEYS } } as never }),
    ...identity,
  });
}

/** Addresses with their indices, in order of the indices. */
export function sixBook(count: number): { index: bigint; address: Uint8Array }[] {
  return Array.from({ length: count }, (_, at) => {
    const address = ipv6Bytes((0x20010db8n << 96n) | BigInt(at));
    return { index: ipv6Index(IPV6_HASH_KEY_DEFAULT, address), address };
  }).sort((a, b) => (a.index < b.index ? -1 : 1));
}

export const PLANE_MEMBERS = [
  MEMBERS.packets4,
  MEMBERS.bytes4,
  MEMBERS.packets6,
  MEMBERS.bytes6,
  MEMBERS.estimatePackets4,
  MEMBERS.estimateBytes4,
] as const;
