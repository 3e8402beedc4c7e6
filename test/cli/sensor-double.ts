/** A control socket that answers like a sensor's, with figures of a test's choice. */
import { createServer } from "node:http";
import { join } from "node:path";
import type { TestContext } from "node:test";
import type { SensorStatus } from "../../daemon/sensor/status.js";
import { COUNTERS } from "../../lib/abi.js";
import { DROP_CAUSES } from "../../lib/reasons.js";
import { temporaryFolder } from "./command.js";

const zeros = <T extends string>(names: readonly T[]): Record<T, number> =>
  Object.fromEntries(names.map((name) => [name, 0])) as Record<T, number>;

export function exampleStatus(changes: Partial<SensorStatus> = {}): SensorStatus {
  return {
    software: "sparsewire test",
    sensor: "edge-1",
    run: "0123456789abcdef",
    interface: "eth1",
    mode: "mirror",
    effective: { attach: "native", bind: "zerocopy", queues: 4 },
    anonymization: { scheme: "none", key_id: null },
    pid: 4711,
    uptime_s: 93_784,
    ready: true,
    counters: {
      ...zeros(COUNTERS),
      frames: 1_000_000,
      frames_ipv4: 999_000,
      frames_arp: 1000,
      packets: 999_000,
    },
    drops: { ...zeros(DROP_CAUSES), rx_ring_full: 250 },
    shedding: null,
    xdp_statistics: [],
    interface_counters: {},
    xdp_seen: null,
    forward: null,
    host: null,
    workers: [{ cpu_ns: 50_000_000, wakeups: 10, queues: 4, frames: 1_000_000 }],
    sandboxes: [],
    matrix: { cpu_ns: 20_000_000, memory_bytes: 2 ** 24, pending: 0 },
    process: { cpu_ns: 90_000_000, resident_bytes: 2 ** 28 },
    intervals: { sealed: 12, lost: {}, lag_s: 0.3 },
    last_interval: null,
    spool: { depth: 2, bytes: 4096, waiting: 0, set_aside: 0, path: "/var/lib/sparsewire/spool" },
    ship: null,
    dependability: null,
    privileges: {
      drop: true,
      sandbox: true,
      uid: 998,
      gid: 998,
      threads: 14,
      capabilities: { effective: [], permitted: [], inheritable: [], bounding: ["net_admin"], ambient: [] },
      no_new_privs: true,
      dumpable: false,
      seccomp: { mode: "filter", filters: 1, socket_families: ["unix", "inet"], bpf: ["map_lookup_elem"] },
      landlock: null,
    },
    metrics_url: "http://127.0.0.1:9470/metrics",
    ...changes,
  };
}

export interface Double {
  socket: string;
  /** What the next questions are answered with. */
  answers: { status: SensorStatus; interval: Uint8Array | undefined };
}

/** Listens until the test ends. */
export async function sensorDouble(t: TestContext, interval: Uint8Array | undefined): Promise<Double> {
  const socket = join(temporaryFolder(t), "sensor.sock");
  const answers: Double["answers"] = { status: exampleStatus(), interval };
  const server = createServer((request, response) => {
    if (request.url === "/status") response.end(JSON.stringify(answers.status));
    else if (request.url === "/metrics") response.end("# HELP sparsewire_frames_total x\n");
    else if (request.url === "/interval" && answers.interval !== undefined) response.end(answers.interval);
    else
      response
        .writeHead(404)
        .end(JSON.stringify({ error: { code: "NO_INTERVAL", message: "no interval yet" } }));
  });
  await new Promise<void>((resolve) => server.listen(socket, resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return { socket, answers };
}
