/**
 * What the aggregator's check of uploads costs: 64 sensors send archives of about 39 kB over kept connections, as fast as
 * they are answered. Several builds are measured in turn, in one run.
 *
 *     node dist/bench/intake.js [--rounds 3] [--links 6000] [DIST ...]
 *
 * DIST: the dist folder of a build; this one by default.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { Agent, request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { DIMENSION4, encodeTraffic, makeTraffic } from "../lib/traffic.js";
import { contentDigest, head, NOON, RUN, SECOND } from "../test/aggregator/client.js";
import { bytesOf, draftOf } from "../test/aggregator/hostile.js";
import { grb, random } from "../test/aggregator/traffic.js";

const SENSORS = 64;
const EACH = 20;
const TICKS_PER_SECOND = 100;

const { values, positionals } = parseArgs({
  options: { rounds: { type: "string", default: "3" }, links: { type: "string", default: "6000" } },
  allowPositionals: true,
});

interface Upload {
  path: string;
  bytes: Uint8Array;
  digest: string;
}

/** The same links again and again, as intervals of their own. */
function uploadsOf(links: number): Upload[] {
  const next = random(1);
  const column = (value: () => number) =>
    BigUint64Array.from({ length: links }, () => BigInt(Math.floor(value())));
  const [I, J] = [column(() => 0x0a000000 + next() * 2 ** 12), column(() => next() * 2 ** 32)];
  const X = column(() => 1 + next() * 3);
  const plane = (values: BigUint64Array) =>
    grb().build("UINT64", DIMENSION4, DIMENSION4, I, J, values, "plus");
  const traffic = makeTraffic({ packets: plane(X), bytes: plane(X.map((one) => one * 640n)) }, undefined);
  const packets = Number(traffic.v4!.packets.reduce("plus"));
  const counts = { frames: packets, packets, bytes: 640 * packets, reasons: { ipv4: packets } as never };
  const draft = draftOf(encodeTraffic(grb(), traffic, head(counts)).archive);
  return Array.from({ length: SENSORS * EACH }, (_, at) => {
    const [sensor, sequence] = [`s-${at % SENSORS}`, Math.floor(at / SENSORS)];
    const start = NOON + BigInt(sequence) * SECOND;
    const bytes = bytesOf({
      ...draft,
      manifest: { ...draft.manifest, sensor, sequence, start, end: start + SECOND },
    });
    return { path: `/api/v1/intervals/${sensor}/${RUN}/${sequence}`, bytes, digest: contentDigest(bytes) };
  });
}

/** CPU time of a process so far, ms. */
function cpuMs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]!.split(" ");
  return ((Number(fields[11]) + Number(fields[12])) * 1000) / TICKS_PER_SECOND;
}

const send = (url: string, agent: Agent, { path, bytes, digest }: Upload): Promise<number> =>
  new Promise((resolve, reject) => {
    const headers = {
      "content-type": "application/x-tar",
      "content-digest": digest,
      "content-length": bytes.length,
    };
    const call = request(url + path, { method: "PUT", agent, headers }, (answer) => {
      answer.resume().once("end", () => resolve(answer.statusCode!));
    });
    call.once("error", reject).end(bytes);
  });

async function measure(dist: string, uploads: readonly Upload[]): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "sparsewire-intake-"));
  const settings = {
    listen: { port: 0 },
    store: { path: join(folder, "store") },
    limits: { max_uploads: 256 },
  };
  const script = join(dist, "test/aggregator/server-process.js");
  const child: ChildProcess = spawn(process.execPath, [script, JSON.stringify(settings)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const agent = new Agent({ keepAlive: true, maxSockets: SENSORS });
  try {
    const [url] = (await once(createInterface({ input: child.stdout! }), "line")) as [string];
    const milliseconds: number[] = [];
    const [before, began] = [cpuMs(child.pid!), performance.now()];
    await Promise.all(
      Array.from({ length: SENSORS }, async (_, sensor) => {
        for (let at = sensor; at < uploads.length; at += SENSORS) {
          const sent = performance.now();
          const status = await send(url, agent, uploads[at]!);
          if (status !== 201) throw new Error(`an upload was answered ${status}`);
          milliseconds.push(performance.now() - sent);
        }
      }),
    );
    const seconds = (performance.now() - began) / 1e3;
    const cpu = (cpuMs(child.pid!) - before) / uploads.length;
    milliseconds.sort((a, b) => a - b);
    const p99 = milliseconds[Math.floor(0.99 * milliseconds.length)]!;
    const rate = (uploads.length / seconds).toFixed(0);
    process.stdout.write(
      `${dist}: ${rate} uploads/s, p99 ${p99.toFixed(0)} ms, ${cpu.toFixed(2)} ms of CPU each\n`,
    );
  } finally {
    agent.destroy();
    child.kill("SIGKILL");
    rmSync(folder, { recursive: true, force: true });
  }
}

const builds = positionals.length > 0 ? positionals : [fileURLToPath(new URL("..", import.meta.url))];
const uploads = uploadsOf(Number(values.links));
process.stdout.write(
  `${uploads.length} archives of ${uploads[0]!.bytes.length} bytes from ${SENSORS} sensors\n`,
);
for (let round = 0; round < Number(values.rounds); round++)
  for (const build of builds) await measure(build, uploads);
