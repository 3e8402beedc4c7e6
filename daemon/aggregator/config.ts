/** aggregator.toml: every key, its default, what it means. Sizes are bytes and durations ms or ns once parsed. */
import { z } from "zod";
import { byteSize, durationMs, hostNames, port, reloadable } from "../config/types.js";
import { LOG_LEVELS } from "../log.js";
import { privileges } from "../privileges/config.js";

const filePath = z.string().min(1).max(4096);
const keep = (text: string, what: string) =>
  reloadable(durationMs({ min: "1s" }))
    .prefault(text)
    .describe(what);

const listen = z
  .strictObject({
    address: z
      .string()
      .min(1)
      .max(253)
      .default("127.0.0.1")
      .describe("address to listen on; beyond loopback only with TLS and token_file"),
    port: port.default(8470).describe("TCP port; 0 takes a free one"),
    names: reloadable(hostNames).describe(
      "names that clients may use for this server, besides its address, localhost and those of its certificate",
    ),
    tls_cert: reloadable(filePath.optional()).describe(
      "PEM file with the certificate (chain) to serve HTTPS with",
    ),
    tls_key: reloadable(filePath.optional()).describe("PEM file with its private key"),
  })
  .prefault({})
  .describe("where the HTTP API is served");

const store = z
  .strictObject({
    path: filePath.default("/var/lib/sparsewire/store").describe("folder of the archives, the only truth"),
    max_bytes: reloadable(byteSize({ min: "1MiB" }))
      .prefault("50GiB")
      .describe("bytes of archives kept; beyond it the oldest go: raw, then 1m, 1h, 1d"),
    keep_raw: keep("48h", "age (since written) at which raw archives are deleted, rolled up before that"),
    keep_1m: keep("14d", "age at which 1-minute roll-ups are deleted, summed to hours before that"),
    keep_1h: keep("90d", "age at which 1-hour roll-ups are deleted, summed to days before that"),
    keep_1d: keep("1825d", "age at which 1-day roll-ups are deleted"),
  })
  .prefault({})
  .refine(
    (s) => s.keep_raw <= s.keep_1m && s.keep_1m <= s.keep_1h && s.keep_1h <= s.keep_1d,
    "a coarser level must be kept at least as long as the finer one: keep_raw <= keep_1m <= keep_1h <= keep_1d",
  )
  .describe("where archives are kept, and how long");

const limits = z
  .strictObject({
    max_archive_bytes: reloadable(byteSize({ min: "4KiB", max: "1GiB" }))
      .prefault("64MiB")
      .describe("largest archive that is accepted"),
    archive_links_max: reloadable(
      z
        .number()
        .int()
        .min(1024)
        .max(1 << 26),
    )
      .default(1 << 22)
      .describe("links an archive may hold; each takes up to 100 bytes of memory_bytes while it is checked"),
    max_uploads: reloadable(z.number().int().min(1).max(1024))
      .default(64)
      .describe("uploads received at one time; more wait, and slow ones make room for them"),
    upload_timeout: reloadable(durationMs({ min: "100ms", max: "10m" }))
      .prefault("30s")
      .describe("time an upload may take as a whole"),
    upload_rate_min: reloadable(byteSize({ max: "1GiB" }))
      .prefault("1KiB")
      .describe("bytes per second that an upload must bring while it is waited for"),
    read_rate_min: reloadable(byteSize({ min: "1KiB", max: "1GiB" }))
      .prefault("16KiB")
      .describe("bytes per second that a reader must take of its answer"),
    reads_max: reloadable(z.number().int().min(1).max(1024))
      .default(4)
      .describe("lists and archives given out at one time; more wait"),
    queue_timeout: reloadable(durationMs({ min: "100ms", max: "10m" }))
      .prefault("5s")
      .describe("time an upload, list or query waits for its turn before it is asked to come back"),
    connections_max: z
      .number()
      .int()
      .min(16)
      .max(100_000)
      .default(2048)
      .describe(
        "connections at one time, at most a quarter of the descriptors; beyond it idle ones make room",
      ),
    max_sensors: reloadable(z.number().int().min(1).max(100_000))
      .default(1000)
      .describe("distinct sensor names accepted"),
    memory_bytes: byteSize({ min: "16MiB", max: "4GiB" })
      .prefault("1GiB")
      .describe(
        "memory for matrices of one worker thread (one checks uploads, one rolls up, one answers queries)",
      ),
    max_queries: reloadable(z.number().int().min(1).max(64))
      .default(4)
      .describe("matrix queries at one time; more wait"),
    query_timeout: reloadable(durationMs({ min: "1s", max: "1h" }))
      .prefault("5m")
      .describe("time an answer may take, with its delivery"),
    future: reloadable(durationMs({ min: "1s", max: "3650d" }))
      .prefault("10m")
      .describe(
        "time by which an interval may end later than this host's clock; its sensor keeps it until then",
      ),
    max_query_archives: reloadable(z.number().int().min(1).max(10_000_000))
      .default(20_000)
      .describe("archives one query may open"),
  })
  .prefault({})
  .describe("bounds on what others can ask of this process");

const rollup = z
  .strictObject({
    grace: reloadable(durationMs({ max: "1h" }))
      .prefault("5s")
      .describe("time after the end of a minute, hour or day before it is rolled up"),
  })
  .prefault({})
  .describe("sums over minutes, hours and days");

export const aggregatorConfigSchema = z.strictObject({
  listen,
  token_file: reloadable(filePath.optional()).describe("file with the token that sensors must show"),
  read_token_file: reloadable(filePath.optional()).describe(
    "file with a token that may read but not upload; without it token_file reads too",
  ),
  store,
  limits,
  rollup,
  privileges,
  dependability: z
    .strictObject({
      lateness: reloadable(durationMs({ min: "1s", max: "24h" }))
        .prefault("30s")
        .describe("time beyond its own length in which an interval must arrive to be on time"),
    })
    .prefault({})
    .describe("how the sensors' service is measured: see /api/v1/sensors"),
  log: z
    .strictObject({
      level: reloadable(z.enum(LOG_LEVELS)).default("info").describe("least serious lines to write"),
    })
    .prefault({})
    .describe("the log on stderr"),
});

/** A parsed configuration: durations in ms, sizes in bytes. */
export type AggregatorConfig = z.output<typeof aggregatorConfigSchema>;
