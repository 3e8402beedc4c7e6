/** The kinds of configuration there are: their schemas, and the example that goes with each. */
import type { z } from "zod";
import type { AggregatorConfig } from "../aggregator/config.js";
import type { SensorConfig } from "../sensor/config.js";

export const KINDS = ["sensor", "aggregator"] as const;
export type Kind = (typeof KINDS)[number];

export interface KindOfConfig {
  schema: z.ZodType;
  /** What the example sets, as TOML: these lines are not commented out. */
  set: Record<string, string>;
  /** Example values, as TOML, of keys without a (fixed) default; they stay commented out. */
  hints: Record<string, string>;
  /** Where a configuration of this kind has a server listen; undefined when it has none. */
  listens(config: unknown): { table: string; address: string; tls_cert?: string | undefined } | undefined;
}

/** Loads the schemas; only when they are asked for, since they bring the daemons' types with them. */
export async function loadKinds(): Promise<Record<Kind, KindOfConfig>> {
  const [sensor, aggregator] = await Promise.all([
    import("../sensor/config.js"),
    import("../aggregator/config.js"),
  ]);
  return {
    sensor: {
      schema: sensor.sensorConfigSchema,
      set: { interface: '"eth1"' },
      listens: (config) => {
        const { metrics } = config as SensorConfig;
        return metrics.enabled ? { table: "metrics", ...metrics } : undefined;
      },
      hints: {
        "aggregator.url": '"http://127.0.0.1:8470"',
        sensor: '"edge-1"',
        interfaces: '["eth*", "wlan0"]',
        file: '"trace.pcap"',
        "inline.peer": '"eth2"',
        "inline.verdict": '"filter"',
        "inline.divert": '"eth3"',
        queues: "[0, 1]",
        workers: "2",
        "ipv6.hash_key_file": '"/etc/sparsewire/ipv6.key"',
        "anonymize.key_file": '"/etc/sparsewire/anonymize.key"',
        "anonymize.credential": '"anonymize-key"',
        "aggregator.token_file": '"/etc/sparsewire/token"',
        "aggregator.ca_file": '"/etc/sparsewire/ca.pem"',
        "metrics.tls_cert": '"/etc/sparsewire/sensor.pem"',
        "metrics.tls_key": '"/etc/sparsewire/sensor.key"',
        "metrics.token_file": '"/etc/sparsewire/metrics.token"',
        "privileges.user": '"sparsewire"',
      },
    },
    aggregator: {
      schema: aggregator.aggregatorConfigSchema,
      listens: (config) => ({ table: "listen", ...(config as AggregatorConfig).listen }),
      set: { "listen.address": '"127.0.0.1"', "listen.port": "8470" },
      hints: {
        token_file: '"/etc/sparsewire/token"',
        read_token_file: '"/etc/sparsewire/read.token"',
        "listen.tls_cert": '"/etc/sparsewire/aggregator.pem"',
        "listen.tls_key": '"/etc/sparsewire/aggregator.key"',
        "privileges.user": '"sparsewire"',
      },
    },
  };
}
