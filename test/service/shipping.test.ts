import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { TrafficMatrix } from "sparsewire";
import { config, get, start, temporaryFolder, test } from "../aggregator/support.js";
import { addLink, type Links, linksOf, until } from "./support.js";

/** A sensing service that observes a little, all the time. */
class Sensing {
  readonly expected: Links = new Map();
  readonly errors: string[] = [];
  readonly matrix: TrafficMatrix;
  readonly #timer: NodeJS.Timeout;
  #count = 0;

  constructor(url: string, spool: string) {
    this.matrix = new TrafficMatrix({
      sensor: "web-1",
      intervalMs: 100,
      aggregator: { url, retryMsMax: 200 },
      spool: { path: spool },
      onError: ({ code }) => void this.errors.push(code),
    });
    this.#timer = setInterval(() => this.observe(), 5);
  }

  observe(): void {
    const [source, destination] = [`10.0.0.${this.#count % 9}`, this.#count % 4 ? "192.0.2.1" : "192.0.2.2"];
    this.matrix.observe(source, destination, this.#count);
    addLink(this.expected, source, destination, 1, this.#count++);
  }

  stop(): Promise<void> {
    clearInterval(this.#timer);
    return this.matrix.close();
  }
}

/** Every archive that the aggregator has. */
async function stored(url: string): Promise<Uint8Array[]> {
  const { intervals } = (await get(url, "/api/v1/intervals?limit=1000")).body;
  const archives: Uint8Array[] = [];
  for (const { sensor, run, sequence } of intervals) {
    const answer = await fetch(`${url}/api/v1/intervals/${sensor}/${run}/${sequence}`);
    archives.push(new Uint8Array(await answer.arrayBuffer()));
  }
  return archives;
}

const sorted = (links: Links) => [...links].sort(([a], [b]) => (a < b ? -1 : 1));

test("intervals reach an aggregator exactly once, also one that was away for a while", async () => {
  const settings = config();
  let server = await start(settings);
  const spool = join(temporaryFolder(), "spool");
  const sensing = new Sensing(server.url, spool);
  await until(() => (sensing.matrix.figures().delivery?.acknowledged ?? 0) >= 3);
  const { port } = new URL(server.url);
  await server.close();
  await until(() => (sensing.matrix.figures().delivery?.waiting ?? 0) >= 3);
  await until(() => sensing.errors.includes("CANNOT_SHIP"));
  server = await start({ ...settings, listen: { ...settings.listen, port: Number(port) } });
  await until(() => sensing.matrix.figures().delivery?.waiting === 0);
  await sensing.stop();
  const figures = sensing.matrix.figures();
  assert.deepEqual(sorted(linksOf(await stored(server.url))), sorted(sensing.expected));
  assert.equal(figures.delivery!.acknowledged, figures.sealed.intervals);
  assert.deepEqual(figures.delivery!.lost, {});
  assert.deepEqual(
    readdirSync(spool).filter((name) => name.endsWith(".tar") || name === "lock"),
    [],
  );
  await server.close();
});

test("what an aggregator that is away did not take is shipped by the next run, and no run counts as crashed", async () => {
  const spool = join(temporaryFolder(), "spool");
  const settings = config();
  const away = await start(settings);
  const { port } = new URL(away.url);
  await away.close();
  const first = new Sensing(`http://127.0.0.1:${port}`, spool);
  await until(() => first.matrix.figures().sealed.intervals >= 2);
  const closing = Date.now();
  await first.stop();
  assert.ok(Date.now() - closing < 8000);
  const server = await start({ ...settings, listen: { ...settings.listen, port: Number(port) } });
  const second = new Sensing(server.url, spool);
  await until(
    () => (second.matrix.figures().delivery?.acknowledged ?? 0) > first.matrix.figures().sealed.intervals,
  );
  await second.stop();
  const all: Links = new Map(first.expected);
  for (const [link, [packets, bytes]] of second.expected)
    addLink(all, ...(link.split(" ") as [string, string]), packets, bytes);
  assert.deepEqual(sorted(linksOf(await stored(server.url))), sorted(all));
  assert.deepEqual(second.matrix.figures().delivery!.lost, {});
  await server.close();
});

test("a spool has one user, and a mistake is told by the constructor", async () => {
  const spool = { path: join(temporaryFolder(), "spool") };
  const aggregator = { url: "http://127.0.0.1:9" };
  const matrix = new TrafficMatrix({ aggregator, spool, onError: () => undefined });
  assert.throws(() => new TrafficMatrix({ aggregator, spool }), { code: "SPOOL_LOCKED" });
  await matrix.close({ timeoutMs: 200 });
  await new TrafficMatrix({ aggregator, spool, onError: () => undefined }).close({ timeoutMs: 200 });
  const faults: [object, string][] = [
    [{}, "BAD_OPTIONS"],
    [{ aggregator }, "BAD_OPTIONS"],
    [{ spool }, "BAD_OPTIONS"],
    [{ aggregator: { url: "ftp://x" }, spool }, "BAD_OPTIONS"],
    [{ aggregator, spool, intervalMs: 1 }, "BAD_OPTIONS"],
    [{ aggregator, spool, interval: 1000 }, "BAD_OPTIONS"],
    [{ aggregator, spool, onError: "log" }, "BAD_OPTIONS"],
    [{ aggregator, spool, sensor: "../x" }, "BAD_OPTIONS"],
    [{ aggregator: { ...aggregator, tokenFile: "/nowhere" }, spool }, "TOKEN_FILE"],
    [{ aggregator, spool: { path: "/dev/null/spool" } }, "SPOOL_UNUSABLE"],
  ];
  for (const [options, code] of faults) assert.throws(() => new TrafficMatrix(options), { code });
});
