/** A process whose descriptors strangers have used up: intervals are spooled all the same, and none is lost. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { isExhausted, keepDescriptors, openReserved, withFile } from "../../daemon/descriptors.js";
import type { DeliveryFigures } from "../../daemon/service/protocol.js";
import { afterTest, archive, config, metric, put, temporaryFolder, test } from "../aggregator/support.js";
import { entriesIn, fill, newRun, serve, until } from "./support.js";

const SENSING = fileURLToPath(new URL("sensing-process.js", import.meta.url));
const AGGREGATOR = fileURLToPath(new URL("../aggregator/server-process.js", import.meta.url));
const DESCRIPTORS_MAX = 256;
const CONNECTIONS = 500;

/** Starts a script with few descriptors. */
function spawnConfined(script: string, argument: unknown, withIpc: boolean): ChildProcess {
  const command = `ulimit -n ${DESCRIPTORS_MAX} && exec "$0" "$@"`;
  const child = spawn("sh", ["-c", command, process.execPath, script, JSON.stringify(argument)], {
    stdio: ["ignore", "pipe", "inherit", ...(withIpc ? (["ipc"] as const) : [])],
  });
  afterTest(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill("SIGKILL");
    await once(child, "exit");
  });
  return child;
}

/** Connections that say nothing, each made again when it is closed: whatever descriptor becomes free is taken. */
class Crowd {
  readonly #sockets = new Set<Socket>();
  #isOver = false;

  constructor(private readonly port: number) {
    for (let i = 0; i < CONNECTIONS; i++) this.#join();
    afterTest(() => this.leave());
  }

  leave(): void {
    this.#isOver = true;
    for (const socket of this.#sockets) socket.destroy();
  }

  #join(): void {
    const socket = connect(this.port, "127.0.0.1").on("error", () => undefined);
    this.#sockets.add(socket);
    socket.on("close", () => {
      this.#sockets.delete(socket);
      if (!this.#isOver) setTimeout(() => this.#isOver || this.#join(), 5);
    });
  }
}

const descriptorsOf = (pid: number): number => readdirSync(`/proc/${pid}/fd`).length;

test("a sensor without a free descriptor spools, loses nothing, and delivers when there are some", async (t) => {
  const spool = join(temporaryFolder(), "spool");
  const before = fill(spool, 3).names.length;
  // Nobody is there at first, so that the spool is what has to hold the intervals.
  const away = await serve(config());
  const { port: awayPort } = new URL(away.url);
  await away.close();
  const child = spawnConfined(SENSING, { spool, url: `http://127.0.0.1:${awayPort}`, run: newRun() }, true);
  await once(child, "message");
  child.send("listen");
  const [port] = (await once(child, "message")) as [number];
  const ask = async (message: string): Promise<DeliveryFigures> => {
    child.send(message);
    return (await once(child, "message"))[0] as DeliveryFigures;
  };
  const crowd = new Crowd(port);
  await until(() => descriptorsOf(child.pid!) >= DESCRIPTORS_MAX);
  for (let i = 0; i < 20; i++) await ask("seal");
  await until(() => entriesIn(spool).length === before + 20);
  await until(async () => ((await ask("figures")).retries.EMFILE ?? 0) > 3);
  assert.ok(descriptorsOf(child.pid!) >= DESCRIPTORS_MAX - 2, "the crowd is still there");
  const figures = await ask("figures");
  t.diagnostic(JSON.stringify(figures.retries));
  assert.deepEqual([figures.lost, entriesIn(spool).length], [{}, before + 20]);
  crowd.leave();
  const again = await serve({ ...away.config, listen: { ...away.config.listen, port: Number(awayPort) } });
  await until(async () => (await ask("figures")).acknowledged === before + 20);
  assert.deepEqual((await ask("figures")).lost, {});
  assert.equal(await metric(again.url, 'intervals_received_total{result="stored"}'), before + 20);
});

test("an aggregator in a crowd and with few descriptors takes uploads or asks to come back; none is half taken", async () => {
  const store = join(temporaryFolder(), "store");
  const child = spawnConfined(AGGREGATOR, { listen: { port: 0 }, store: { path: store } }, false);
  const url = String((await once(child.stdout!, "data"))[0]).trim();
  const crowd = new Crowd(Number(new URL(url).port));
  const run = newRun();
  const statuses = new Set<number>();
  for (let i = 0; i < 40; i++) {
    const answer = await put(url, archive({ run }), { run }).catch(() => undefined);
    if (answer !== undefined) statuses.add(answer.status);
    await answer?.text();
  }
  for (const status of statuses) assert.ok([200, 201, 503].includes(status), `${[...statuses]}`);
  crowd.leave();
  await sleep(10);
  let answer = await put(url, archive({ run }), { run }).catch(() => undefined);
  for (; answer === undefined; await sleep(20))
    answer = await put(url, archive({ run }), { run }).catch(() => undefined);
  assert.ok([200, 201].includes(answer.status));
  assert.equal(await metric(url, 'intervals_received_total{result="stored"}'), 1);
});

test("the reserve gives a descriptor when none is left, and takes it back", async () => {
  const path = temporaryFolder();
  keepDescriptors();
  // What cannot be had for another reason is not the reserve's affair.
  assert.throws(() => openReserved(join(path, "nothing"), "r"), { code: "ENOENT" });
  await assert.rejects(
    withFile(path, "r", () => Promise.reject(new Error("mine"))),
    /mine/,
  );
  assert.equal(isExhausted(Object.assign(new Error(), { code: "EMFILE" })), true);
  for (const other of [undefined, null, {}, new Error(), { code: "EIO" }])
    assert.equal(isExhausted(other), false);
});
