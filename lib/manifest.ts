/** manifest.json: what one sealed interval says of itself. The first member of every archive. */
import { z } from "zod";
import { SEAL_CAUSES } from "./abi.js";
import { COMBINES } from "./extension-abi.js";
import { KIND_CHARS_MAX, parseKeyKind } from "./extension-keys.js";
import { forwardSchema } from "./forward.js";
import { DROP_CAUSES, FRAME_REASONS } from "./reasons.js";

export const ARCHIVE_FORMAT = "sparsewire-interval/1";

const count = z.number().int().nonnegative().max(Number.MAX_SAFE_INTEGER);
/** ns since 1970 UTC. A JSON integer on disk (larger than 2^53: see manifest-json.ts), a bigint here. */
const nanoseconds = z
  .union([
    z.bigint(),
    z
      .string()
      .regex(/^\d{1,20}$/)
      .transform(BigInt),
    count.transform(BigInt),
  ])
  .refine((ns) => ns >= 0n && ns < 1n << 64n, "not a time in ns that fits 64 bits");
/** Names that become file names and URL segments. */
export const sensorName = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/, "1 to 63 of A-Z a-z 0-9 . _ -");
export const runId = z.string().regex(/^[0-9a-f]{16}$/, "16 hexadecimal digits");

/** Names of extensions: part of members' names. */
export const extensionName = z.string().regex(/^[a-z0-9][a-z0-9-]{0,31}$/, "1 to 32 of a-z 0-9 -");
const extensionVersion = z.string().regex(/^[a-z0-9][a-z0-9-]{0,31}(@[0-9a-f]{8})?$/, "a name, or NAME@HASH");
/** Names of counters that a sum lists as saturated. */
export const SATURATED_MAX = 64;
const extensionKey = z.object({
  name: z.string().regex(/^[a-z0-9][a-z0-9_-]{0,31}$/),
  kind: z
    .string()
    .max(KIND_CHARS_MAX)
    .refine((kind) => typeof parseKeyKind(kind) !== "string", "no kind of key"),
});

const named = <T extends readonly string[]>(names: T) =>
  z.partialRecord(z.enum(names as unknown as [string, ...string[]]), count).transform((given) => {
    return Object.fromEntries(names.map((name) => [name, given[name] ?? 0])) as Record<T[number], number>;
  });

const amount = z.tuple([count, count]);
const amounts = (name: RegExp, most: number) =>
  z
    .record(z.string().regex(name), amount)
    .refine((all) => Object.keys(all).length <= most, `more than ${most} entries`);
/** Entries that `shed.protocols` has at most. */
export const SHED_PROTOCOLS_MAX = 16;
const prefix8 = /^(\d|[1-9]\d|1\d\d|2[0-4]\d|25[0-5])\.0\.0\.0\/8$/;
const sampleRate = z.number().positive().lt(1);

/**
 * Frames that were sampled away, summed up exactly where they were dropped: [packets, bytes] each. Absent where every
 * frame was to be counted. What estimates and their bounds are made of: lib/sampling.ts.
 */
const shed = z.object({
  packets: count,
  bytes: count,
  /** ipv4_tcp, ipv6_udp ... and other, which adds up to packets and bytes. */
  protocols: amounts(/^[a-z0-9_]{1,20}$/, SHED_PROTOCOLS_MAX),
  /** By the first byte of the IPv4 source and destination, as they are anonymised. */
  sources4: amounts(prefix8, 256),
  destinations4: amounts(prefix8, 256),
  /** Lowest and highest rate of the sampled intervals in here. */
  rate_min: sampleRate,
  rate_max: sampleRate,
  /** Most packets that one draw kept. */
  cluster: z.number().int().min(1).max(65_536),
  /** Bytes of the longest frame. */
  frame_max: count,
  /** Packets that the other drops stand for, each at the rate of then. */
  unseen: count,
});

export const manifestSchema = z.object({
  format: z.literal(ARCHIVE_FORMAT),
  software: z.string().max(100),
  sensor: sensorName,
  /** Random per start of a sensor; with sequence the identity of an interval. */
  run: runId,
  sequence: count,
  /** Interface or file the frames came from. */
  interface: z.string().max(4096),
  mode: z.enum(["mirror", "host", "inline", "pcap", "service", "rollup", "sum"]),
  /**
   * What the kernel really gave: how the programs are attached (XDP native or generic; tcx or clsact in mode host), and
   * how frames come (AF_XDP copy or zerocopy; ringbuf: headers through a BPF ring buffer); null for files and sums.
   */
  effective: z
    .object({
      attach: z.enum(["native", "generic", "tcx", "clsact"]),
      bind: z.enum(["copy", "zerocopy", "ringbuf"]),
      queues: count,
    })
    .nullable(),
  start: nanoseconds,
  end: nanoseconds,
  sealed_by: z.enum(SEAL_CAUSES as unknown as ["none", ...typeof SEAL_CAUSES]),
  /** Frames the sandbox was offered = sum over reasons. */
  frames: count,
  packets: count,
  bytes: count,
  reasons: named(FRAME_REASONS),
  /** Packets offered to the interface that this interval does not contain, by cause. */
  drops: named(DROP_CAUSES),
  /** Mode inline: what became of the frames of each direction, as far as it was known at the seal. */
  forward: z.array(forwardSchema).max(2).optional(),
  late: count,
  /** 1 = every packet; 0.25 = one in four. */
  sampling: z.number().positive().max(1),
  shed: shed.optional(),
  anonymization: z.object({ scheme: z.string().max(64), key_id: z.string().max(128).nullable() }),
  /** big: 10.0.0.1 is index 0x0A000001. little: the raw s_addr of the Graph Challenge. */
  byte_order: z.enum(["big", "little"]),
  ipv6: z
    .object({ hash: z.string().max(64), key_id: z.string().max(128), addresses: count, collisions: count })
    .nullable(),
  /** Intervals summed in here (1 for a sealed interval); of sums and roll-ups, which ones. */
  intervals: count,
  parts: z
    .array(z.object({ sensor: sensorName, run: runId, ranges: z.array(z.tuple([count, count])) }))
    .optional(),
  /** Intervals of this run so far that reached neither spool nor aggregator, by cause. */
  lost: z.record(z.string().max(64), count).optional(),
  /**
   * The sensor's runs before this one, as far as no interval has told of them yet: the last interval each spooled (null:
   * none), and whether it ended by itself. A crash loses what was open then.
   */
  previous: z
    .array(z.object({ run: runId, sequence: count.nullable(), ended: z.enum(["stop", "crash"]) }))
    .optional(),
  /**
   * Of sums: counters that would be beyond 2^53 - 1 (by their names, dotted) and matrices with values beyond 2^63
   * (links4.bytes). They stand where they stopped.
   */
  saturated: z.array(z.string().max(100)).max(SATURATED_MAX).optional(),
  /**
   * What each extension saw and said: frames + missed = descriptors of the interval. Its matrix is ext.NAME.grb. In sums of
   * several versions of one extension the name is NAME@HASH: lib/extension-versions.ts.
   */
  extensions: z
    .record(
      extensionVersion,
      z.object({
        /** late: its part was not there in time, and is lost. */
        status: z.enum(["running", "suspended", "late"]),
        reason: z.string().max(500).optional(),
        frames: count,
        missed: count,
        rows: count,
        rows_lost: count,
        labels_lost: count.optional(),
        /** Intervals whose archive had no room for its part: it was left out, and its frames are `missed`. */
        shed: count.optional(),
        events: count,
        /** Of sums: in how many intervals it was. */
        intervals: count.optional(),
        row: extensionKey,
        column: extensionKey,
        value: z.string().max(32),
        combine: z.enum(COMBINES),
      }),
    )
    .optional(),
  /** Records of extensions that found no room in this sum: SUM_EXTENSIONS_MAX. */
  extensions_omitted: count.optional(),
  members: z.array(
    z.object({ name: z.string().max(100), size: count, sha256: z.string().regex(/^[0-9a-f]{64}$/) }),
  ),
});

export type Manifest = z.output<typeof manifestSchema>;
/** A manifest before its members are known. */
export type ManifestHead = Omit<Manifest, "members" | "format">;
