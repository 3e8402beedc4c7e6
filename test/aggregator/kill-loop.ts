/**
 * Kills an aggregator with SIGKILL at random moments while sensors upload, roll-ups are written and retention deletes,
 * again and again, and then checks that each interval that was ever acknowledged is in the sums exactly once.
 *
 *     node dist/test/aggregator/kill-loop.js [--rounds 100] [--seed N]
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { ipv4Text } from "../../lib/address.js";
import { decodeArchive } from "../../lib/archive.js";
import { DIMENSION4, encodeTraffic, makeTraffic } from "../../lib/traffic.js";
import { filesBelow, get, head, NOON, put, SECOND } from "./client.js";
import { grb, linksOfCsv, random } from "./traffic.js";

export interface KillLoopResult {
  rounds: number;
  uploaded: number;
  acknowledged: number;
  /** Answers "duplicate" to uploads whose acknowledgement the kill had swallowed. */
  duplicates: number;
  /** Raw archives that retention had deleted by the end. */
  rolledAway: number;
}

const SCRIPT = fileURLToPath(new URL("./server-process.js", import.meta.url));
const SENSORS = 3;
/** Uploads of one sensor under way at once. */
const LANES = 3;
/** Seconds over which the intervals are spread: hours get late arrivals all the time. */
const SPREAD_SECONDS = 4000;

/** Throws when an interval is missing, counted twice, or half written. */
export async function killLoop(rounds: number, seed: number): Promise<KillLoopResult> {
  const next = random(seed);
  const folder = mkdtempSync(join(tmpdir(), "sparsewire-kill-"));
  const path = join(folder, "store");
  const settings = { listen: { port: 0 }, store: { path, keep_raw: "2s" }, rollup: { grace: "0" } };
  const load = new Load();
  try {
    for (let round = 0; round < rounds; round++) {
      if (next() < 0.25) await killWhileStarting(settings, next() * 400);
      const server = await launch(settings);
      const uploading = load.run(server.url);
      await sleep(20 + next() * 1500 * next());
      server.child.kill("SIGKILL");
      await once(server.child, "exit");
      load.stop();
      await uploading;
    }
    const server = await launch(settings);
    await load.repeatUnacknowledged(server.url);
    await settle(server.url);
    await verifySums(server.url, load.sequences);
    server.child.kill("SIGTERM");
    const [status] = await once(server.child, "exit");
    if (status !== 0) throw new Error(`SIGTERM ended the aggregator with ${status}`);
    verifyFiles(path);
    return {
      rounds,
      ...load.result,
      rolledAway: load.sequences.length - filesBelow(join(path, "raw")).length,
    };
  } finally {
    for (const child of children) child.kill("SIGKILL");
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Sensors that upload as fast as they are answered; each interval is one packet on a link of its own. */
class Load {
  readonly result = { uploaded: 0, acknowledged: 0, duplicates: 0 };
  /** All identities that were ever sent: sensor index and sequence. */
  readonly sequences: [sensor: number, sequence: number][] = [];
  #unacknowledged: [sensor: number, sequence: number][] = [];
  readonly #next = new Array<number>(SENSORS).fill(0);
  #stopped = false;

  async run(url: string): Promise<void> {
    this.#stopped = false;
    const again = this.#unacknowledged;
    this.#unacknowledged = [];
    const lanes = Array.from({ length: SENSORS * LANES }, async (_, lane) => {
      const sensor = lane % SENSORS;
      while (!this.#stopped) {
        const known = again.pop();
        const identity = known ?? ([sensor, this.#next[sensor]!++] as [number, number]);
        if (known === undefined) this.sequences.push(identity);
        if (!(await this.#send(url, identity))) this.#unacknowledged.push(identity);
      }
    });
    await Promise.all(lanes);
    this.#unacknowledged.push(...again);
  }

  stop(): void {
    this.#stopped = true;
  }

  async repeatUnacknowledged(url: string): Promise<void> {
    for (const identity of this.#unacknowledged) {
      if (!(await this.#send(url, identity))) throw new Error("an upload failed though nobody was killed");
    }
  }

  /** False when there was no answer. */
  async #send(url: string, [sensor, sequence]: [number, number]): Promise<boolean> {
    const name = `sensor-${sensor}`;
    this.result.uploaded++;
    let answer: Response;
    try {
      answer = await put(url, oneLink(sensor, sequence), { sensor: name, run: runOf(sensor), sequence });
      await answer.text();
    } catch {
      await sleep(5);
      return false;
    }
    if (answer.status === 503) return false;
    if (answer.status !== 200 && answer.status !== 201)
      throw new Error(`an upload was answered ${answer.status}`);
    this.result.acknowledged++;
    if (answer.status === 200) this.result.duplicates++;
    return true;
  }
}

const runOf = (sensor: number): string => sensor.toString(16).padStart(16, "0");
const linkText = ([sensor, sequence]: [number, number]): string =>
  `${ipv4Text(0x0a000000 + sensor)},${ipv4Text(0x0b000000 + sequence)}`;

function oneLink(sensor: number, sequence: number): Uint8Array {
  const [I, J] = [
    BigUint64Array.of(0x0a000000n + BigInt(sensor)),
    BigUint64Array.of(0x0b000000n + BigInt(sequence)),
  ];
  const traffic = makeTraffic(
    {
      packets: grb().build("UINT32", DIMENSION4, DIMENSION4, I, J, Uint32Array.of(1)),
      bytes: grb().build("UINT64", DIMENSION4, DIMENSION4, I, J, BigUint64Array.of(64n)),
    },
    undefined,
  );
  const start = NOON + BigInt((sequence * 37) % SPREAD_SECONDS) * SECOND;
  const counts = { frames: 1, packets: 1, bytes: 64, reasons: { ipv4: 1 } as never };
  const identity = { sensor: `sensor-${sensor}`, run: runOf(sensor), sequence, start };
  const { archive } = encodeTraffic(grb(), traffic, head({ ...identity, ...counts }));
  traffic.dispose();
  return archive;
}

/** Whatever goes wrong, no aggregator outlives the loop. */
const children = new Set<ChildProcess>();

async function launch(settings: unknown): Promise<{ child: ChildProcess; url: string }> {
  const child = spawn(process.execPath, [SCRIPT, JSON.stringify(settings)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  children.add(child);
  child.once("exit", () => children.delete(child));
  for await (const line of createInterface({ input: child.stdout! })) return { child, url: line };
  throw new Error("the aggregator did not start: a manual step would be needed");
}

async function killWhileStarting(settings: unknown, ms: number): Promise<void> {
  const child = spawn(process.execPath, [SCRIPT, JSON.stringify(settings)], { stdio: "ignore" });
  await sleep(ms);
  child.kill("SIGKILL");
  await once(child, "exit");
}

/** Waits until nothing is left to be rolled up. */
async function settle(url: string): Promise<void> {
  for (let tries = 0; tries < 600; tries++) {
    const { body } = await get(url, "/api/v1/status");
    if (body.rollup_pending_minutes === 0) return;
    await sleep(100);
  }
  throw new Error("roll-ups did not come to an end");
}

async function verifySums(url: string, sequences: [number, number][]): Promise<void> {
  const from = Number(NOON / SECOND);
  const answer = await fetch(`${url}/api/v1/matrix?from=${from}&to=${from + 2 * SPREAD_SECONDS}`);
  const links = linksOfCsv(await answer.text());
  if (links.size !== sequences.length)
    throw new Error(`${sequences.length} intervals were sent, ${links.size} are there`);
  for (const identity of sequences) {
    const found = links.get(linkText(identity));
    if (found?.packets !== 1 || found.bytes !== 64) {
      throw new Error(`${identity} is in the sums as ${JSON.stringify(found ?? null)}`);
    }
  }
}

/** Every file that is left must be sound. */
function verifyFiles(store: string): void {
  for (const file of [...filesBelow(join(store, "raw")), ...filesBelow(join(store, "rollup"))]) {
    decodeArchive(readFileSync(file));
  }
  const quarantined = readdirSync(join(store, "quarantine"));
  if (quarantined.length > 0) throw new Error(`in quarantine: ${quarantined}`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values } = parseArgs({ options: { rounds: { type: "string" }, seed: { type: "string" } } });
  const seed = Number(values.seed ?? Date.now() % 1e6);
  process.stdout.write(`seed ${seed}\n`);
  process.stdout.write(`${JSON.stringify(await killLoop(Number(values.rounds ?? 100), seed))}\n`);
}
