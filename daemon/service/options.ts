/** What a TrafficMatrix can be told, with its defaults; a mistake is one typed error from the constructor. */
import { z } from "zod";
import { type AnonymizationOptions, isAnonymizing } from "../../lib/anonymize.js";
import { EXIT, SparsewireError } from "../../lib/errors.js";
import { type Manifest, sensorName } from "../../lib/manifest.js";
import { loadAnonymization } from "../capture/anonymizer-key.js";
import { clearTextFault } from "../http/clear-text.js";
import { sensorConfigSchema } from "../sensor/config.js";
import type { DeliveryOptions } from "./protocol.js";

export interface TrafficMatrixOptions {
  /** Name under which the aggregator knows these intervals; default: the host's name. Give each process its own. */
  sensor?: string;
  /** What the manifest calls the place the observations came from; default "service". */
  service?: string;
  /** Length of an interval, ms, 100 to 86,400,000; default 1000. Intervals are aligned to the wall clock. */
  intervalMs?: number;
  /** Where intervals are shipped to; needs a spool. */
  aggregator?: {
    /** http:// or https:// URL of the aggregator. */
    url: string;
    /** File with the bearer token (at least 16 characters, not readable by everybody). */
    tokenFile?: string;
    /** PEM file of the authority that signed the aggregator's certificate. */
    caFile?: string;
    /** Time one upload may take, ms; default 30,000. */
    timeoutMs?: number;
    /** Longest pause between attempts, ms; default 30,000. */
    retryMsMax?: number;
  };
  /** The folder that keeps intervals until they are acknowledged; one a process, it is locked. */
  spool?: {
    path: string;
    /** A full spool drops its oldest interval, counted; default 1 GiB. */
    bytesMax?: number;
  };
  /**
   * Anonymises every address before an interval leaves the worker: CryptoPAN under a key, truncation, or both. IPv4 and IPv6
   * addresses of 32 and 128 kept bits are whole; of an IPv4-mapped one no more is kept than of an IPv4 address.
   */
  anonymize?: {
    /** File of 64 hexadecimal digits, mode 0600. */
    keyFile?: string;
    /** Leading bits kept of an IPv4 address; default 32. */
    truncate4?: number;
    /** The same of an IPv6 address; default 128. */
    truncate6?: number;
  };
  /** Gets each sealed interval: the archive's bytes, and its manifest. */
  onInterval?: (archive: Uint8Array<ArrayBuffer>, manifest: Manifest) => void;
  /** Gets what went wrong, after it was counted; default: process.emitWarning. What it throws is ignored. */
  onError?: (error: SparsewireError) => void;
  /** Matrix entries held by an open interval at most (2^12 to 2^24); beyond it it is sealed early. Default 2^19. */
  linksMax?: number;
  /** Memory the worker's matrices may take, bytes; default 512 MiB. */
  memoryBytesMax?: number;
  /** File of 32 hexadecimal digits: key of the IPv6 index hash; default: the common one. */
  ipv6HashKeyFile?: string;
}

const text = (most: number) => z.string().min(1).max(most);
const whole = (low: number, high: number) => z.number().int().min(low).max(high);
const callback = z.custom<never>((value) => typeof value === "function", "must be a function");

const schema = z.strictObject({
  sensor: sensorName.optional(),
  service: text(200).default("service"),
  intervalMs: whole(100, 86_400_000).default(1000),
  aggregator: z
    .strictObject({
      url: z.url({ protocol: /^https?$/, error: "must be an http:// or https:// URL" }),
      tokenFile: text(4096).optional(),
      caFile: text(4096).optional(),
      timeoutMs: whole(100, 600_000).default(30_000),
      retryMsMax: whole(100, 3_600_000).default(30_000),
    })
    .optional(),
  spool: z
    .strictObject({
      path: text(4096),
      bytesMax: whole(1 << 20, Number.MAX_SAFE_INTEGER).default(1 << 30),
    })
    .optional(),
  anonymize: z
    .strictObject({
      keyFile: text(4096).optional(),
      truncate4: whole(0, 32).default(32),
      truncate6: whole(0, 128).default(128),
    })
    .optional(),
  onInterval: callback.optional(),
  onError: callback.optional(),
  linksMax: whole(1 << 12, 1 << 24).default(1 << 19),
  memoryBytesMax: whole(64 << 20, 2 ** 32).default(512 << 20),
  ipv6HashKeyFile: text(4096).optional(),
});

export interface Settings {
  sensor: string;
  service: string;
  intervalMs: number;
  linksMax: number;
  memoryBytesMax: number;
  ipv6HashKeyFile: string | undefined;
  delivery: DeliveryOptions | undefined;
  anonymization: AnonymizationOptions | undefined;
}

/** Checks options and fills in defaults; throws BAD_OPTIONS, and what a key file that cannot be used deserves. */
export function settingsOf(options: TrafficMatrixOptions): Settings {
  const parsed = schema.safeParse(options);
  if (!parsed.success) {
    const issue = parsed.error.issues[0]!;
    const where = issue.path.map(String).join(".");
    throw badOptions(`${where === "" ? "" : `${where}: `}${issue.message}`, "correct the options");
  }
  const { aggregator, spool, onInterval, onError: _onError, sensor, anonymize, ...rest } = parsed.data;
  if (aggregator === undefined && onInterval === undefined)
    throw badOptions("intervals would go nowhere", "give aggregator and spool, or onInterval");
  if ((aggregator === undefined) !== (spool === undefined))
    throw badOptions("aggregator and spool go together", "give both, or neither");
  const clear = aggregator && clearTextFault(aggregator.url, aggregator.tokenFile !== undefined);
  if (clear !== undefined) throw badOptions(`aggregator.url: ${clear.what}`, clear.mend);
  return {
    ...rest,
    ipv6HashKeyFile: rest.ipv6HashKeyFile,
    anonymization: anonymize && anonymizationOptions(anonymize),
    sensor: sensor ?? sensorConfigSchema.shape.sensor.parse(undefined),
    delivery: aggregator &&
      spool && {
        ...aggregator,
        tokenFile: aggregator.tokenFile,
        caFile: aggregator.caFile,
        spoolPath: spool.path,
        spoolBytesMax: spool.bytesMax,
      },
  };
}

/** Reads the key. Undefined when nothing is to be anonymised. */
function anonymizationOptions(given: {
  keyFile?: string | undefined;
  truncate4: number;
  truncate6: number;
}): AnonymizationOptions | undefined {
  const { keyFile, truncate4 } = given;
  // Pairs of both families are in the IPv6 matrix: what is cut off an IPv4 address must not stay there.
  const truncate6 = truncate4 < 32 ? Math.min(given.truncate6, 96 + truncate4) : given.truncate6;
  const options = loadAnonymization({ key_file: keyFile, truncate4, truncate6 });
  return isAnonymizing(options) ? options : undefined;
}

const badOptions = (what: string, mend: string): SparsewireError =>
  new SparsewireError("BAD_OPTIONS", `TrafficMatrix: ${what}`, { exit: EXIT.usage, mend });
