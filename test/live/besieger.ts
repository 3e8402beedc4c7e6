/**
 * Those who wish an aggregator ill, in a process of their own: hostile archives with right digests, and crowds of greedy
 * peers, without end. argv is the aggregator's URL and a seed; it prints what it was answered when its input ends.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { NOON, put, SECOND } from "../aggregator/client.js";
import { hostileArchive } from "../aggregator/hostile.js";
import { random } from "../aggregator/traffic.js";
import { crowd, type Kind } from "../fairness/peers.js";

/** Names of sensors that send what is hostile. */
export const HOSTILE = "hostile-";
const LANES = 2;
/** Seconds of traffic over which their intervals are spread. */
const SPAN_SECONDS = 7200;
/** A processor is for those who are besieged, too. */
const PAUSE_MS = 20;
const CROWDS: [Kind, number][] = [
  ["idle connections", 200],
  ["slow headers", 20],
  ["slow uploads", 8],
  ["readers of the sensors", 2],
  ["deaf readers of intervals", 4],
];

/** Uploads without end; what the answers were, by status and code. */
async function upload(url: string, lane: number, next: () => number, stop: AbortSignal): Promise<void> {
  for (let sequence = 0; !stop.aborted; sequence++) {
    const start = NOON + BigInt(Math.floor(next() * SPAN_SECONDS)) * SECOND;
    const run = lane.toString(16).padStart(16, "0");
    const identity = { sensor: `${HOSTILE}${lane}`, run, sequence, start, end: start + SECOND };
    const { names, mustRefuse, bytes } = hostileArchive(identity, next);
    try {
      const answer = await put(url, bytes, identity);
      const text = await answer.text();
      const key = answer.ok ? String(answer.status) : `${answer.status} ${JSON.parse(text).error.code}`;
      answers[key] = (answers[key] ?? 0) + 1;
      if (answer.status === 500 || (answer.ok && mustRefuse)) faults.push(`${names.join(" and ")}: ${text}`);
    } catch {
      answers.none = (answers.none ?? 0) + 1;
    }
    await sleep(PAUSE_MS);
  }
}

const answers: Record<string, number> = {};
const faults: string[] = [];

if (process.argv[1]?.endsWith("besieger.js")) {
  const [url = "", seed = "1"] = process.argv.slice(2);
  const stop = new AbortController();
  process.stdin.resume().once("end", () => stop.abort());
  await Promise.all([
    ...Array.from({ length: LANES }, (_, lane) =>
      upload(url, lane, random(Number(seed) + lane), stop.signal),
    ),
    ...CROWDS.map(([kind, count]) => crowd(kind, count, url, stop.signal)),
  ]);
  process.stdout.write(`${JSON.stringify({ answers, faults: faults.slice(0, 5) })}\n`);
}
