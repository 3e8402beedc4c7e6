/**
 * The shapes of what daemons answer, as far as commands build on them. More members may be there, of later versions;
 * what is missing or of another type was not said by one of ours.
 */
import { z } from "zod";

const number = z.number();
const text = z.string();
const counts = z.record(text, number);
const optional = <T extends z.ZodType>(shape: T) => shape.nullish();

const window = z.looseObject({
  availability: number.nullable(),
  reliability: number.nullable(),
  dependability: number.nullable(),
  performability: number.nullable(),
});

const extension = z.looseObject({
  name: text,
  status: text,
  reason: optional(text),
  frames: number,
  missed: number,
  rows: number,
  rows_lost: number,
  cpu_ns: number,
});

const forward = z.looseObject({
  from: text,
  to: text,
  frames: number,
  forwarded: number,
  diverted: number,
  dropped: counts,
});

const traffic = z.looseObject({ packets: number, bytes: number });
const host = z.looseObject({
  interfaces: z.array(
    z.looseObject({
      name: text,
      attach: text,
      directions: z.array(text),
      figures: z.record(text, traffic),
    }),
  ),
});

const lastInterval = z.looseObject({
  sequence: number,
  start_ms: number,
  end_ms: number,
  sealed_by: text,
  frames: number,
  packets: number,
  bytes: number,
  drops: counts,
  accuracy: number,
  quantities: z.record(text, z.looseObject({ n_links: number })),
});

const capabilities = z.array(text);
const privileges = z.looseObject({
  uid: number,
  threads: number,
  no_new_privs: z.boolean(),
  capabilities: z.looseObject({
    effective: capabilities,
    permitted: capabilities,
    inheritable: capabilities,
    ambient: capabilities,
  }),
  seccomp: z.looseObject({ mode: text, filters: number }),
  landlock: z.looseObject({ abi: number, write: z.array(text) }).nullable(),
});

/** GET /status of a sensor (daemon/sensor/status.ts). */
export const sensorStatus = z.looseObject({
  software: text,
  sensor: text,
  run: text,
  interface: text,
  mode: text,
  effective: z.looseObject({ attach: text, bind: text, queues: number }).nullable(),
  anonymization: z.looseObject({ scheme: text, key_id: text.nullable() }),
  pid: number,
  uptime_s: number,
  ready: z.boolean(),
  counters: z.looseObject({ frames: number, packets: number, packet_bytes: number }),
  drops: counts,
  shedding: optional(
    z.looseObject({
      enabled: z.boolean(),
      sampling: number,
      changes: number,
      protocols: z.record(text, z.array(number)),
    }),
  ),
  forward: optional(z.array(forward)),
  host: optional(host),
  extensions: z.array(extension).optional(),
  workers: z.array(z.looseObject({ cpu_ns: number })),
  matrix: z.looseObject({ cpu_ns: number, memory_bytes: number }),
  process: z.looseObject({ cpu_ns: number, resident_bytes: number }),
  intervals: z.looseObject({ sealed: number, lost: counts, lag_s: number.nullable() }),
  last_interval: lastInterval.nullable(),
  spool: z.looseObject({ depth: number, bytes: number, path: text, set_aside: number.optional() }).nullable(),
  ship: z.looseObject({ target: text, acknowledged: number, lastError: text.nullish() }).nullable(),
  dependability: z
    .looseObject({ windows: z.looseObject({ "1h": window, "1d": window, "30d": window }) })
    .nullable(),
  privileges,
  metrics_url: text.nullable(),
});

const figures = z.looseObject({ packets: number, bytes: number });
const link = figures.extend({ src: text, dst: text });
const end = figures.extend({ address: text, fan: number });

/** GET /api/v1/top of an aggregator. */
export const aggregatorTop = z.looseObject({
  sampling: number.optional(),
  links: z.array(link),
  sources: z.array(end),
  destinations: z.array(end),
});
/** GET /api/v1/quantities. */
export const aggregatorQuantities = z.looseObject({ quantities: z.record(text, counts) });
/** GET /api/v1/sensors. */
export const aggregatorSensors = z.looseObject({ sensors: z.array(z.looseObject({ name: text })) });
