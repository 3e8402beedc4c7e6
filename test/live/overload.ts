/**
 * Ten times the load that the sensor can take: every total must be exact, every estimate of a busy link within its stated
 * bound, every interval in the spool in time.
 *
 *   node dist/test/live/overload.js [--seconds 60] [--cpu 25] [--times 10] [--links 5000]
 *
 * The sensor is made slow: few frames and long sleeps bound what it can capture, and a control group gives all its threads
 * together a quarter of one CPU. First its highest rate without loss is found, shedding off; then it is offered so many times
 * that rate, shedding on.
 */
import assert from "node:assert/strict";
import { readFileSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type GeneratorReport, generate } from "../../bench/generator/generator.js";
import type { Manifest } from "../../lib/manifest.js";
import { Sampling } from "../../lib/sampling.js";
import { sumManifests } from "../../lib/sum-manifests.js";
import { CpuLimit } from "./cpu-limit.js";
import { archivesIn, exportEstimates, offered, Rig, sleep } from "./rig.js";

export interface OverloadOptions {
  seconds: number;
  /** Offered frames a second; absent: `times` the rate that is found to be free of loss. */
  rate?: number;
  times: number;
  /** Share of a CPU for the sensor, per cent; absent: no limit. */
  cpu?: number;
  links: number;
}

export interface OverloadReport {
  sent: number;
  rate: number;
  lossFree: number | null;
  /** rate / lossFree: what was really offered. */
  times: number | null;
  counted: number;
  shed: number;
  dropped: number;
  changes: number;
  /** Lowest rate that was sampled at. */
  sampling: number;
  intervals: number;
  lateMsMax: number;
  /** Of the links that sent most: whose bounds hold the truth, and the mean of |estimate - truth| / truth and of error / truth. */
  links: { checked: number; outside: number; deviation: number; error: number };
}

const TOP_LINKS = 100;
/** What it can take at most is a ring full every 20 ms. */
const SLOW = 'frames = 1024\n[wake]\nsleep_min = "20ms"\nsleep_max = "20ms"\n';
const SIZE = [60, 300] as const;

/** A sensor under its limit, ready; `close` ends both. */
async function startSensor(
  options: OverloadOptions,
  shedding: boolean,
): Promise<{ rig: Rig; close(): Promise<void> }> {
  const tables = `[memory]\n${SLOW}[shedding]\nenabled = ${shedding}\n`;
  const rig = new Rig({ tables });
  let limit: CpuLimit | undefined;
  try {
    await rig.start();
    await sleep(1500);
    if (options.cpu !== undefined) {
      limit = CpuLimit.of(rig.child!.pid!, options.cpu);
      assert.ok(limit, "this host has no CPU controller to limit the sensor with");
    }
  } catch (error) {
    rig.close();
    throw error;
  }
  return {
    rig,
    async close() {
      await rig.stop("SIGKILL");
      rig.close();
      limit?.close();
    },
  };
}

const traffic = (options: OverloadOptions, rate: number, seconds: number) =>
  ({ seconds, rate, distribution: "zipf", links: options.links, ipv6: 0.1, size: SIZE, nice: -5 }) as const;

/** The highest rate, in steps of a factor of 1.25, at which nothing is lost in two seconds. */
async function lossFreeRate(options: OverloadOptions): Promise<number> {
  const { rig, close } = await startSensor(options, false);
  try {
    let best = 0;
    for (let rate = 10_000; rate < 3e6; rate *= 1.25) {
      const before = await rig.status();
      const sent = await generate(rig.sender, "tx0", traffic(options, Math.round(rate), 2));
      const status = await rig.settled(offered(before) + sent.frames);
      if (offered(status) - status.counters.frames > offered(before) - before.counters.frames) break;
      best = rate;
    }
    return Math.round(best);
  } finally {
    await close();
  }
}

/** Runs it and checks it; throws an AssertionError when something does not hold. */
export async function overload(options: OverloadOptions): Promise<OverloadReport> {
  const lossFree = options.rate === undefined ? await lossFreeRate(options) : null;
  const rate = options.rate ?? Math.round(lossFree! * options.times);
  const { rig, close } = await startSensor(options, true);
  try {
    const truth = join(rig.folder, "truth");
    const sent = await generate(rig.sender, "tx0", { ...traffic(options, rate, options.seconds), truth });
    const status = await rig.settled(sent.frames);
    await sleep(2500);
    assert.ok(
      lossFree === null || sent.rate >= 0.95 * rate,
      `the sender was held up: ${sent.rate} of ${rate} frames/s; run it on a quiet machine`,
    );
    assert.equal(offered(status), sent.frames, "live: sent = counted + shed + other drops");
    assert.equal(await rig.stop(), 0, rig.log);
    const manifests = rig.manifests();
    const totals = checkTotals(manifests, sent);
    const lateMsMax = lateness(rig, manifests);
    assert.ok(
      lateMsMax <= 1000,
      `an interval was in the spool ${lateMsMax.toFixed(0)} ms after its end\n${rig.log}`,
    );
    const links = checkLinks(rig, manifests, truth, sent.exact);
    rmSync(rig.spool, { recursive: true });
    return {
      sent: sent.frames,
      rate: sent.rate,
      lossFree,
      times: lossFree === null ? null : sent.rate / lossFree,
      ...totals,
      changes: status.shedding!.changes,
      sampling: Math.min(...manifests.map(({ sampling }) => sampling)),
      intervals: manifests.length,
      lateMsMax,
      links,
    };
  } finally {
    await close();
  }
}

function checkTotals(
  manifests: Manifest[],
  sent: GeneratorReport,
): Pick<OverloadReport, "counted" | "shed" | "dropped"> {
  let [counted, shed, dropped, bytes] = [0, 0, 0, 0];
  for (const [at, manifest] of manifests.entries()) {
    assert.equal(manifest.sequence, at, "no interval is missing");
    assert.equal(manifest.drops.shed, manifest.shed?.packets ?? 0);
    counted += manifest.frames;
    shed += manifest.drops.shed;
    dropped += Object.values(manifest.drops).reduce((sum, count) => sum + count, 0) - manifest.drops.shed;
    bytes += manifest.bytes + (manifest.shed?.bytes ?? 0);
    const section = manifest.shed;
    if (section === undefined) continue;
    assert.equal(manifest.sampling, section.rate_min);
    const four = Object.entries(section.protocols).filter(([name]) => name.startsWith("ipv4"));
    const sum = (amounts: [number, number][]): number[] =>
      amounts.reduce(([packets, octets], amount) => [packets + amount[0], octets + amount[1]], [0, 0]);
    const expected = sum(four.map(([, amount]) => amount));
    // The tables are read while the program writes them: a frame may be in one and not yet in the other.
    for (const table of [section.sources4, section.destinations4]) {
      assert.ok(Math.abs(sum(Object.values(table))[0]! - expected[0]!) <= 64);
    }
  }
  assert.equal(counted + shed + dropped, sent.frames, "frames sent = counted + shed + other drops");
  const gap = sent.bytes - bytes;
  assert.ok(
    gap >= dropped * SIZE[0] && gap <= dropped * SIZE[1],
    `bytes: ${gap} are missing for ${dropped} drops`,
  );
  return { counted, shed, dropped };
}

/** How long after its end the latest interval was in the spool. */
function lateness(rig: Rig, manifests: Manifest[]): number {
  const written = archivesIn(rig.spool).map((path) => statSync(path).mtimeMs);
  return Math.max(...manifests.map(({ end }, at) => written[at]! - Number(end / 1000n) / 1000));
}

/** The links that sent most against the truth. */
function checkLinks(
  rig: Rig,
  manifests: Manifest[],
  truth: string,
  isExact: boolean,
): OverloadReport["links"] {
  const found = new Map<string, { estimate: number; error: number }>();
  for (const family of [4, 6] as const) {
    for (const line of exportEstimates([rig.spool], family)) {
      const [src, dst, , , estimate, , error] = line.split(",");
      found.set(`${src},${dst}`, { estimate: Number(estimate), error: Number(error) });
    }
  }
  const links = ([4, 6] as const)
    .flatMap((family) => readFileSync(`${truth}.v${family}.csv`, "utf8").split("\n"))
    .filter((line) => /^[0-9a-f]/.test(line))
    .map((line) => line.split(","))
    .map(([src, dst, packets]) => ({ name: `${src},${dst}`, packets: Number(packets) }))
    .sort((a, b) => b.packets - a.packets)
    .slice(0, TOP_LINKS);
  assert.ok(isExact, "the sender could not hand over every frame: what it sent to each is not known");
  const identity = {
    sensor: "sum",
    run: "0".repeat(16),
    sequence: 0,
    mode: "sum",
    software: "test",
  } as const;
  assert.ok(Sampling.of(sumManifests(manifests, identity)), "something was sampled");
  let [outside, deviation, error] = [0, 0, 0];
  for (const { name, packets } of links) {
    const link = found.get(name) ?? { estimate: 0, error: Number.POSITIVE_INFINITY };
    if (Math.abs(link.estimate - packets) > link.error) outside++;
    deviation += Math.abs(link.estimate - packets) / packets;
    error += link.error / packets;
  }
  const checked = links.length;
  assert.equal(outside, 0, `${outside} of ${checked} links are outside their bound`);
  return { checked, outside, deviation: deviation / checked, error: error / checked };
}

if (process.argv[1] === import.meta.filename) {
  const { values } = parseArgs({
    options: {
      seconds: { type: "string", default: "60" },
      cpu: { type: "string", default: "25" },
      times: { type: "string", default: "10" },
      rate: { type: "string" },
      links: { type: "string", default: "5000" },
    },
  });
  const report = await overload({
    seconds: Number(values.seconds),
    times: Number(values.times),
    links: Number(values.links),
    ...(values.rate === undefined ? {} : { rate: Number(values.rate) }),
    ...(Number(values.cpu) === 0 ? {} : { cpu: Number(values.cpu) }),
  });
  process.stdout.write(`${JSON.stringify(report, null, 1)}\n`);
}
