/** Honest peers beside a crowd: sensors that ship an interval a second, and a reader; what each of them had to wait. */
import { Agent, request } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { contentDigest, NOON, SECOND } from "../aggregator/client.js";
import { random, trafficArchive } from "../aggregator/traffic.js";

export interface Waits {
  /** ms from the first try until it was answered as it should be; a failure is tried again, as a sensor does. */
  uploads: number[];
  reads: number[];
  retries: number;
}

const SENSORS = 8;
/** Draws of an honest interval, of which many are the same link. */
const LINKS = 1000;
const RETRY_MS = 100;
const READ = ["/api/v1/sensors", "/api/v1/status", "/api/v1/intervals?limit=10", "/metrics"];

interface Asked {
  method: "GET" | "PUT";
  path: string;
  body?: Uint8Array;
}

function ask(url: string, agent: Agent, { method, path, body }: Asked): Promise<number> {
  return new Promise((resolve) => {
    const headers =
      body === undefined
        ? {}
        : {
            "content-type": "application/x-tar",
            "content-length": body.length,
            "content-digest": contentDigest(body),
          };
    const sent = request(url + path, { method, agent, headers, timeout: 30_000 }, (answer) => {
      answer.resume();
      answer.once("end", () => resolve(answer.statusCode ?? 0));
      answer.once("error", () => resolve(0));
    });
    sent.once("timeout", () => sent.destroy());
    sent.once("error", () => resolve(0));
    sent.end(body);
  });
}

/** Runs for so many seconds, from sequence `first` on. */
export async function honestPeers(url: string, seconds: number, first: number): Promise<Waits> {
  const waits: Waits = { uploads: [], reads: [], retries: 0 };
  const until = async (agent: Agent, asked: Asked): Promise<number> => {
    const began = performance.now();
    for (;;) {
      const status = await ask(url, agent, asked);
      if (status >= 200 && status < 300) break;
      // 408, 503 and a cut connection pass; nothing else does.
      if (status >= 400 && status !== 408 && status !== 503) throw new Error(`${asked.path}: ${status}`);
      waits.retries++;
      await sleep(RETRY_MS);
    }
    return performance.now() - began;
  };
  const agents: Agent[] = [];
  const everySecond = async (
    offsetMs: number,
    step: (agent: Agent, nth: number) => Promise<void>,
  ): Promise<void> => {
    const agent = new Agent({ keepAlive: true, maxSockets: 2 });
    agents.push(agent);
    const began = performance.now() + offsetMs;
    for (let nth = 0; nth < seconds; nth++) {
      await sleep(Math.max(0, began + nth * 1000 - performance.now()));
      await step(agent, nth);
    }
  };
  await Promise.all([
    ...Array.from({ length: SENSORS }, (_, sensor) =>
      everySecond((sensor * 1000) / SENSORS, async (agent, nth) => {
        const sequence = first + nth;
        const head = { sensor: `honest-${sensor}`, sequence, start: NOON + BigInt(sequence) * SECOND };
        const body = trafficArchive(head, LINKS, random(sequence), new Map());
        const path = `/api/v1/intervals/${head.sensor}/00000000000000aa/${sequence}`;
        waits.uploads.push(await until(agent, { method: "PUT", path, body }));
      }),
    ),
    ...READ.map((path, at) =>
      everySecond(at * 250, async (agent) => {
        waits.reads.push(await until(agent, { method: "GET", path }));
      }),
    ),
  ]);
  for (const agent of agents) agent.destroy();
  return waits;
}

/** The value that a share of all do not exceed. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
}
