/** GET /api/v1/status: the aggregator at a glance. */
import type { Fleet } from "../dependability/fleet.js";
import type { Privileges } from "../privileges/confine.js";
import { VERSION } from "../software.js";
import type { AggregatorConfig } from "./config.js";
import { LEVELS } from "./periods.js";
import type { Queries } from "./queries.js";
import type { Retention } from "./retention.js";
import type { Rollups } from "./rollups.js";
import type { Store } from "./store.js";
import type { Uploads } from "./upload.js";

interface Parts {
  store: Store;
  uploads: Uploads;
  queries: Queries;
  rollups: Rollups;
  retention: Retention;
  fleet: Fleet;
  since: string;
  /** Absent where it runs inside another program. */
  privileges: Privileges | undefined;
  config: AggregatorConfig;
}

export function statusOf(parts: Parts) {
  const { store, uploads, queries, rollups, retention, fleet, since, privileges, config } = parts;
  const { catalog } = store;
  const levels = LEVELS.map((level) => [level, { files: catalog.files[level], bytes: catalog.bytes[level] }]);
  return {
    version: VERSION,
    since,
    sensors: catalog.identities.sensors,
    store: {
      path: store.path,
      bytes: store.bytes,
      max_bytes: config.store.max_bytes,
      levels: Object.fromEntries(levels),
      quarantined: store.quarantined.moved,
      quarantine: { files: store.quarantined.files, bytes: store.quarantined.bytes },
    },
    uploads_in_flight: uploads.inFlight,
    queries_in_flight: queries.inFlight,
    rollup_pending_minutes: rollups.pendingMinutes,
    rollup_problem: rollups.problem,
    retention: retention.status(),
    dependability: fleet.all(),
    privileges: privileges?.status() ?? null,
  };
}
