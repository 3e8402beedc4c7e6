/**
 * Hostile archives with right digests into an aggregator, beside honest sensors and a reader: the honest sums must stay
 * exact, memory within its limits, every answer one with a name.
 *
 *     node dist/test/aggregator/hostile-campaign.js [--archives 100000] [--seed N]
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { Agent, request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { contentDigest, get, NOON, SECOND } from "./client.js";
import { hostileArchive } from "./hostile.js";
import { type Links, linksOfCsv, random, trafficArchive } from "./traffic.js";

export interface CampaignResult {
  archives: number;
  /** Answers to the hostile ones, by status and code. */
  answers: Record<string, number>;
  honest: number;
  reads: Record<string, number>;
  /** Largest resident memory, and what limits.memory_bytes allows for. */
  rssMiB: number;
  rssMiBMax: number;
  /** Longest that the main thread was busy without a pause, ms of CPU. */
  busiestMs: number;
  honestMs: { p99: number; max: number };
  quarantined: number;
  files: Record<string, number>;
  seconds: number;
}

const SCRIPT = fileURLToPath(new URL("./server-process.js", import.meta.url));
const HONEST = 8;
const HOSTILE_LANES = 16;
/** Seconds of traffic over which all intervals are spread. */
const SPAN_SECONDS = 7200;
const MEMORY_MIB = 256;
/** Node.js, its code and heaps, and an upload in each of the threads' hands. */
const BASE_MIB = 300;
const RSS_MIB_MAX = 3 * MEMORY_MIB + BASE_MIB;
/** The main thread has others to serve; its start is in here, too. */
const BUSY_MS_MAX = 250;
const PAUSE_MS = 40;

/** Throws when a sum is wrong, an answer is 500, a hostile archive passes that must not, or memory is beyond its limit. */
export async function campaign(archives: number, seed: number): Promise<CampaignResult> {
  const folder = mkdtempSync(join(tmpdir(), "sparsewire-hostile-"));
  const settings = {
    listen: { port: 0 },
    store: { path: join(folder, "store") },
    limits: { memory_bytes: `${MEMORY_MIB}MiB`, max_uploads: 64 },
    rollup: { grace: "0" },
  };
  const child = spawn(process.execPath, [SCRIPT, JSON.stringify(settings)], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, SPARSEWIRE_MEASURE: "1" },
  });
  const log = new Log(child);
  try {
    const lines = createInterface({ input: child.stdout! });
    const [url] = (await once(lines, "line")) as [string];
    const run = new Campaign(url, child.pid!, random(seed));
    const result = await run.run(archives);
    const quarantine = readdirSync(join(folder, "store/quarantine"));
    const missing = quarantine.filter((name) => !log.text.includes(name.replace(/^\d+-\d+-/, "")));
    if (missing.length > 0) throw new Error(`set aside and not named: ${missing}`);
    if (log.text.includes("left out") || log.text.includes("a request failed"))
      throw new Error(`the log speaks of failures:\n${log.text.slice(-3000)}`);
    child.kill("SIGTERM");
    const [busiest] = (await once(lines, "line")) as [string];
    if (Number(busiest) > BUSY_MS_MAX) throw new Error(`the main thread was busy for ${busiest} ms`);
    return { ...result, quarantined: quarantine.length, busiestMs: Math.round(Number(busiest)) };
  } finally {
    child.kill("SIGKILL");
    rmSync(folder, { recursive: true, force: true });
  }
}

/** What the aggregator says on stderr. */
class Log {
  text = "";

  constructor(child: ChildProcess) {
    child.stderr!.setEncoding("utf8").on("data", (text: string) => {
      this.text = (this.text + text).slice(-5_000_000);
    });
  }
}

class Campaign {
  readonly #agent = new Agent({ keepAlive: true });
  readonly #links: Links = new Map();
  readonly #answers: Record<string, number> = {};
  readonly #reads: Record<string, number> = {};
  readonly #honestMs: number[] = [];
  #honest = 0;
  #accepted = 0;
  #done = false;

  constructor(
    readonly url: string,
    readonly pid: number,
    readonly next: () => number,
  ) {}

  async run(archives: number): Promise<Omit<CampaignResult, "quarantined" | "busiestMs">> {
    const began = performance.now();
    let left = archives;
    const hostile = Array.from({ length: HOSTILE_LANES }, async (_, lane) => {
      for (let sequence = 0; left > 0; sequence++) {
        left--;
        await this.#hostile(lane, sequence);
      }
    });
    const others = [
      ...Array.from({ length: HONEST }, (_, sensor) => this.#honestSensor(sensor)),
      this.#reader(),
    ];
    try {
      await Promise.all(hostile);
    } finally {
      this.#done = true;
      await Promise.all(others);
    }
    const files = await this.#settled();
    await this.#verify();
    this.#agent.destroy();
    const rssMiB = peakMiB(this.pid);
    if (rssMiB > RSS_MIB_MAX)
      throw new Error(`resident memory was ${rssMiB} MiB, ${RSS_MIB_MAX} are allowed`);
    return {
      archives,
      answers: this.#answers,
      honest: this.#honest,
      reads: this.#reads,
      rssMiB,
      rssMiBMax: RSS_MIB_MAX,
      honestMs: quantiles(this.#honestMs),
      files,
      seconds: Math.round((performance.now() - began) / 1e3),
    };
  }

  async #hostile(lane: number, sequence: number): Promise<void> {
    const start = NOON + BigInt(Math.floor(this.next() * SPAN_SECONDS)) * SECOND;
    const identity = { sensor: `hostile-${lane}`, run: runOf(lane), sequence, start, end: start + SECOND };
    const { names, mustRefuse, bytes } = hostileArchive(identity, this.next);
    const { status, text } = await this.#put(identity, bytes);
    const key = status < 300 ? String(status) : `${status} ${JSON.parse(text).error.code}`;
    this.#answers[key] = (this.#answers[key] ?? 0) + 1;
    if (status === 500 || (status < 300 && mustRefuse))
      throw new Error(`${names.join(" and ")}: ${status} ${text}`);
    if (status === 201) this.#accepted++;
  }

  async #honestSensor(sensor: number): Promise<void> {
    for (let sequence = 0; !this.#done && sequence < SPAN_SECONDS; sequence++) {
      const start = NOON + BigInt(sequence) * SECOND;
      const identity = { sensor: `honest-${sensor}`, run: runOf(100 + sensor), sequence };
      const bytes = trafficArchive({ ...identity, start }, 20, this.next, this.#links);
      const began = performance.now();
      const { status, text } = await this.#put(identity, bytes);
      if (status !== 201) throw new Error(`an honest upload was answered ${status} ${text}`);
      this.#honestMs.push(performance.now() - began);
      this.#honest++;
      await sleep(PAUSE_MS);
    }
  }

  async #reader(): Promise<void> {
    const whole = `from=${NOON / SECOND}&to=${NOON / SECOND + BigInt(SPAN_SECONDS)}`;
    const asked = [
      `top?${whole}`,
      `quantities?${whole}`,
      `top?${whole}&family=6`,
      "sensors",
      "intervals?limit=100",
    ];
    for (let at = 0; !this.#done; at++) {
      const path = asked[at % asked.length]!;
      const { status } = await get(this.url, `/api/v1/${path}`);
      this.#reads[status] = (this.#reads[status] ?? 0) + 1;
      if (status === 500 || status === 413) throw new Error(`${path} was answered ${status}`);
      await sleep(500);
    }
  }

  /** Once everything is rolled up: how many files of each level there are. */
  async #settled(): Promise<Record<string, number>> {
    for (let tries = 0; tries < 1200; tries++) {
      const { body } = await get(this.url, "/api/v1/status");
      const files = Object.fromEntries(
        Object.entries(body.store.levels as Record<string, { files: number }>).map(([level, one]) => [
          level,
          one.files,
        ]),
      );
      if (body.rollup_pending_minutes === 0 && files["1d"]! > 0 && files["1h"]! > 0) return files;
      await sleep(100);
    }
    throw new Error("roll-ups did not come to an end");
  }

  async #verify(): Promise<void> {
    const [from, to] = [NOON / SECOND - 86_400n * 365n * 60n, NOON / SECOND + 86_400n * 365n * 200n];
    const answer = await fetch(`${this.url}/api/v1/matrix?from=${from < 0n ? 0n : from}&to=${to}`);
    const text = await answer.text();
    if (answer.status !== 200) throw new Error(`the sum of all was answered ${answer.status} ${text}`);
    const found = linksOfCsv(text);
    for (const [key, { packets, bytes }] of this.#links) {
      const sum = found.get(key);
      if (sum?.packets !== packets || sum.bytes !== bytes)
        throw new Error(`${key} is ${JSON.stringify(sum)}, not ${packets}, ${bytes}`);
    }
    const foreign = [...found.keys()].filter((key) => key.startsWith("10.") && !this.#links.has(key));
    if (foreign.length > 0) throw new Error(`links that no honest sensor sent: ${foreign.slice(0, 5)}`);
    const intervals = Number(answer.headers.get("sparsewire-intervals"));
    if (intervals !== this.#honest + this.#accepted)
      throw new Error(
        `${intervals} intervals are in the sum, ${this.#honest} + ${this.#accepted} were acknowledged`,
      );
  }

  #put(
    { sensor, run, sequence }: { sensor: string; run: string; sequence: number },
    bytes: Uint8Array,
  ): Promise<{ status: number; text: string }> {
    const headers = {
      "content-type": "application/x-tar",
      "content-digest": contentDigest(bytes),
      "content-length": bytes.length,
    };
    const path = `${this.url}/api/v1/intervals/${sensor}/${run}/${sequence}`;
    return new Promise((resolve, reject) => {
      const call = request(path, { method: "PUT", agent: this.#agent, headers }, (answer) => {
        let text = "";
        answer.setEncoding("utf8").on("data", (more) => {
          text += more;
        });
        answer.once("end", () => resolve({ status: answer.statusCode!, text }));
      });
      call.once("error", reject).end(bytes);
    });
  }
}

const runOf = (at: number): string => at.toString(16).padStart(16, "0");

function quantiles(values: number[]): { p99: number; max: number } {
  values.sort((a, b) => a - b);
  return {
    p99: Math.round(values[Math.floor(0.99 * values.length)] ?? 0),
    max: Math.round(values.at(-1) ?? 0),
  };
}

const peakMiB = (pid: number): number =>
  Math.round(Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))![1]) / 1024);

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values } = parseArgs({ options: { archives: { type: "string" }, seed: { type: "string" } } });
  const seed = Number(values.seed ?? Date.now() % 1e6);
  process.stdout.write(`seed ${seed}\n`);
  process.stdout.write(
    `${JSON.stringify(await campaign(Number(values.archives ?? 100_000), seed), null, 1)}\n`,
  );
}
