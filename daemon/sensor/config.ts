/** sensor.toml: every key, its default, what it means. Durations are ms or ns once parsed, sizes bytes. */
import { hostname } from "node:os";
import { z } from "zod";
import { sensorName } from "../../lib/manifest.js";
import { byteSize, durationMs, durationNs, hostNames, port, reloadable } from "../config/types.js";
import { clearTextFault } from "../http/clear-text.js";
import { LOG_LEVELS } from "../log.js";
import { privileges } from "../privileges/config.js";
import { extensions, host, inline, interfaceName, interfacePattern, shedding } from "./config-modes.js";

const filePath = z.string().min(1).max(4096);
const powerOfTwo = (low: number, high: number) =>
  z
    .number()
    .int()
    .min(low)
    .max(high)
    .refine((n) => Number.isInteger(Math.log2(n)), "must be a power of two");

/** The host's name as far as a sensor may bear it. */
function defaultName(): string {
  const name = hostname()
    .replaceAll(/[^A-Za-z0-9._-]/g, "-")
    .replace(/^[^A-Za-z0-9]+/, "")
    .slice(0, 63);
  return name === "" ? "sensor" : name;
}

const memory = z
  .strictObject({
    frames: powerOfTwo(1024, 1 << 20)
      .default(65_536)
      .describe("frames of UMEM and ring entries per queue; at 2 Mpps 65536 bridge 33 ms"),
    chunk_bytes: z
      .union([z.literal(2048), z.literal(4096)])
      .default(2048)
      .describe("bytes of a frame's buffer"),
    link_budget: powerOfTwo(1 << 17, 1 << 26)
      .default(1 << 20)
      .describe("links an interval may hold per worker before it is sealed early"),
    address_budget: powerOfTwo(1 << 10, 1 << 24)
      .default(1 << 18)
      .describe("distinct IPv6 addresses, likewise"),
    matrix_bytes: byteSize({ min: "64MiB", max: "4GiB" })
      .prefault("1GiB")
      .describe("most memory the matrix worker may take"),
    huge_pages: z
      .enum(["try", "off"])
      .default("try")
      .describe("back the frames with huge pages when there are any"),
  })
  .prefault({})
  .describe("sizes of the capture sandbox; fixed while the sensor runs");

const wake = z
  .strictObject({
    sleep_min: durationMs({ min: "50us", max: "100ms" })
      .prefault("500us")
      .describe("shortest sleep when the rings are empty"),
    sleep_max: durationMs({ min: "50us", max: "100ms" })
      .prefault("5ms")
      .describe("longest sleep on a quiet wire"),
    nice: z
      .number()
      .int()
      .min(-20)
      .max(19)
      .default(-10)
      .describe("scheduling priority of the capture threads, as far as the host allows it"),
    busy_poll: z
      .boolean()
      .default(false)
      .describe("let the driver poll the queue from the worker's wake-ups (SO_PREFER_BUSY_POLL)"),
    busy_poll_budget: z
      .number()
      .int()
      .min(1)
      .max(65_535)
      .default(64)
      .describe("frames a busy poll takes at most"),
  })
  .prefault({})
  .describe("how a capture worker waits for frames");

const anonymize = z
  .strictObject({
    key_file: filePath
      .optional()
      .describe("file of 64 hexadecimal digits, mode 0600: key of CryptoPAN, which preserves prefixes"),
    credential: z
      .string()
      .regex(/^[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}$/, "1 to 128 of A-Z a-z 0-9 . _ -")
      .optional()
      .describe("systemd credential (LoadCredential=) with that key; key_file is not read then"),
    truncate4: z
      .number()
      .int()
      .min(0)
      .max(32)
      .default(32)
      .describe("leading bits that stay of an IPv4 address: 24 leaves its /24"),
    truncate6: z
      .number()
      .int()
      .min(0)
      .max(128)
      .default(128)
      .describe("leading bits that stay of an IPv6 address"),
  })
  .prefault({})
  .describe(
    "anonymised addresses, before anything is written, shown or shipped; off without a key and truncation",
  );

const aggregator = z
  .strictObject({
    url: reloadable(z.url({ protocol: /^https?$/, error: "must be an http:// or https:// URL" }))
      .optional()
      .describe("where to ship; without it nothing is spooled or shipped"),
    token_file: reloadable(filePath).optional().describe("file with the bearer token"),
    ca_file: reloadable(filePath)
      .optional()
      .describe("PEM file of the authority that signed the aggregator's certificate"),
    timeout: reloadable(durationMs({ min: "100ms", max: "10m" }))
      .prefault("30s")
      .describe("time one upload may take"),
    retry_max: reloadable(durationMs({ min: "100ms", max: "1h" }))
      .prefault("30s")
      .describe("longest pause between attempts"),
    archive_bytes_max: byteSize({ min: "4KiB", max: "1GiB" })
      .prefault("64MiB")
      .describe(
        "what the aggregator takes (limits.max_archive_bytes): an interval that is larger goes without what extensions made of it",
      ),
  })
  .superRefine(({ url, token_file }, context) => {
    const fault = url === undefined ? undefined : clearTextFault(url, token_file !== undefined);
    if (fault === undefined) return;
    const { what, mend } = fault;
    context.addIssue({ code: "custom", path: ["url"], message: what, params: { mend } });
  })
  .prefault({})
  .describe("where sealed intervals go");

export const sensorConfigSchema = z
  .strictObject({
    sensor: sensorName.default(defaultName).describe("name of this sensor; default: the host's"),
    interface: interfaceName.optional().describe("network interface to capture from"),
    interfaces: z
      .array(interfacePattern)
      .min(1)
      .max(64)
      .optional()
      .describe("mode host: names and patterns such as eth*, instead of `interface`"),
    mode: z
      .enum(["mirror", "host", "inline", "pcap"])
      .default("mirror")
      .describe(
        "mirror: take every frame; host: watch the host's own; inline: a bump in the wire; pcap: read `file`",
      ),
    file: filePath.optional().describe("capture file of mode pcap; - is stdin"),
    queues: z
      .array(z.number().int().min(0).max(255))
      .min(1)
      .optional()
      .describe("RX queues to capture; default: all of the interface"),
    workers: z
      .number()
      .int()
      .min(1)
      .max(64)
      .optional()
      .describe("capture threads; default: one a queue, as far as there are cores"),
    bind: z
      .enum(["auto", "copy", "zerocopy"])
      .default("auto")
      .describe("a demanded bind mode that cannot be had is an error"),
    attach: z.enum(["auto", "native", "generic"]).default("auto").describe("where the XDP program runs"),
    force: z
      .boolean()
      .default(false)
      .describe("capture from an interface that has addresses; its frames no longer reach this host"),
    multi_buffer: z
      .enum(["auto", "on", "off"])
      .default("auto")
      .describe("receive frames longer than a chunk whole (auto: when the MTU asks for it)"),
    interval: durationNs({ min: "100ms", max: "24h" })
      .prefault("1s")
      .describe("length of an interval, aligned to the wall clock"),
    window_packets: z
      .number()
      .int()
      .min(0)
      .max(1 << 30)
      .default(0)
      .describe("end intervals after so many packets instead (0: by time)"),
    memory,
    wake,
    host,
    inline,
    extension: extensions,
    shedding,
    ipv6: z
      .strictObject({
        hash_key_file: filePath
          .optional()
          .describe("file of 32 hexadecimal digits: key of the IPv6 index hash"),
      })
      .prefault({})
      .describe("how IPv6 addresses become matrix indices"),
    anonymize,
    spool: z
      .strictObject({
        path: filePath
          .default("/var/lib/sparsewire/spool")
          .describe("folder of intervals not yet acknowledged"),
        max_bytes: reloadable(byteSize({ min: "1MiB" }))
          .prefault("1GiB")
          .describe("a full spool drops the oldest interval, counted"),
      })
      .prefault({})
      .describe("what bridges an aggregator that is away"),
    aggregator,
    metrics: z
      .strictObject({
        enabled: z.boolean().default(true).describe("serve /metrics, /-/healthy and /-/ready over TCP"),
        address: z
          .string()
          .min(1)
          .max(253)
          .default("127.0.0.1")
          .describe("beyond loopback only with TLS and token_file"),
        port: port.default(9470).describe("TCP port; 0 takes a free one"),
        tls_cert: filePath.optional().describe("PEM file with the certificate (chain)"),
        tls_key: filePath.optional().describe("PEM file with its private key"),
        token_file: filePath.optional().describe("file with the token that scrapers must show"),
        names: hostNames.describe(
          "names that scrapers may use for this server, besides its address, localhost and those of its certificate",
        ),
        connections_max: z
          .number()
          .int()
          .min(16)
          .max(10_000)
          .default(256)
          .describe(
            "connections at one time, at most a quarter of the descriptors; beyond it idle ones make room",
          ),
      })
      .prefault({})
      .describe("Prometheus metrics"),
    control: z
      .strictObject({
        socket: filePath.default("/run/sparsewire/sensor.sock").describe("Unix socket that the CLI asks"),
      })
      .prefault({})
      .describe("the local control socket"),
    privileges,
    dependability: z
      .strictObject({
        lateness: durationMs({ min: "1s", max: "24h" })
          .prefault("30s")
          .describe("time beyond its own length in which an interval must be delivered to be on time"),
      })
      .prefault({})
      .describe("how the service is measured: see `sparsewire status`"),
    log: z
      .strictObject({
        level: reloadable(z.enum(LOG_LEVELS)).default("info").describe("least serious lines to write"),
      })
      .prefault({})
      .describe("the log on stderr"),
  })
  .superRefine((config, context) => {
    const { mode } = config;
    if ((mode === "mirror" || mode === "inline") && config.interface === undefined) {
      context.addIssue({ code: "custom", path: ["interface"], message: `mode ${mode} needs an interface` });
    }
    if (mode === "host" && config.interface === undefined && config.interfaces === undefined) {
      context.addIssue({
        code: "custom",
        path: ["interfaces"],
        message: "mode host needs interfaces (names or patterns), or interface",
      });
    }
    if (mode === "host" && config.interface !== undefined && config.interfaces !== undefined) {
      context.addIssue({
        code: "custom",
        path: ["interfaces"],
        message: "there is `interface` as well: name all of them here",
      });
    }
    if (mode !== "host" && config.interfaces !== undefined) {
      context.addIssue({ code: "custom", path: ["interfaces"], message: "only mode host takes several" });
    }
    if (mode === "inline" && config.inline.peer === undefined) {
      context.addIssue({ code: "custom", path: ["inline", "peer"], message: "mode inline needs a peer" });
    }
    if (mode === "inline" && config.interface !== undefined && config.inline.peer === config.interface) {
      context.addIssue({
        code: "custom",
        path: ["inline", "peer"],
        message: `${config.interface} cannot be both sides`,
      });
    }
    const { verdict } = config.inline;
    if (verdict !== undefined && !config.extension.some(({ name }) => name === verdict)) {
      context.addIssue({
        code: "custom",
        path: ["inline", "verdict"],
        message: `there is no extension ${verdict}`,
      });
    }
    if (config.mode === "pcap" && config.file === undefined) {
      context.addIssue({ code: "custom", path: ["file"], message: "mode pcap needs a file" });
    }
    if (config.wake.sleep_min > config.wake.sleep_max) {
      context.addIssue({ code: "custom", path: ["wake", "sleep_min"], message: "must not exceed sleep_max" });
    }
  });

/** A parsed configuration: durations in ms (interval: ns), sizes in bytes. */
export type SensorConfig = z.output<typeof sensorConfigSchema>;
