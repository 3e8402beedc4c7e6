import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { test } from "node:test";
import { pino } from "pino";
import { notifyServiceManager } from "xdp-node";
import { ServiceManager } from "../../daemon/sd-notify.js";
import { Watch } from "../../daemon/watch.js";
import type { Sign } from "../../lib/progress.js";
import { BINARY, temporaryFolder } from "../cli/command.js";
import { openReceiver } from "./receiver.js";

const logger = pino({ level: "silent" });

test("messages reach a real socket, by path and by abstract name, as the protocol has them", async (t) => {
  for (const name of [undefined, `sparsewire-test-${process.pid}`]) {
    const receiver = await openReceiver(t, name);
    if (receiver === undefined) return;
    const manager = new ServiceManager({ NOTIFY_SOCKET: receiver.path, WATCHDOG_USEC: "3000000" }, logger);
    assert.deepEqual([manager.isThere, manager.watchdogMs], [true, 3000]);
    manager.ready("capturing\neth1");
    const before = process.hrtime.bigint() / 1000n;
    manager.reloading();
    manager.beat("well");
    manager.stopping();
    assert.ok(await receiver.wait(/STOPPING/, 5000));
    const texts = receiver.messages.map(({ text }) => text);
    assert.deepEqual(
      texts.map((text) => text.replace(/\d{4,}/, "N")),
      [
        "READY=1\nSTATUS=capturing eth1",
        "RELOADING=1\nMONOTONIC_USEC=N\nSTATUS=reloading",
        "WATCHDOG=1\nSTATUS=well",
        "STOPPING=1\nSTATUS=stopping",
      ],
    );
    const told = BigInt(/MONOTONIC_USEC=(\d+)/.exec(texts[1]!)![1]!);
    assert.ok(told >= before && told < before + 10_000_000n, "CLOCK_MONOTONIC in microseconds");
  }
});

test("without a service manager nothing is sent; with a strange or dead one nothing breaks", (t) => {
  const sent: string[] = [];
  const send = (socket: string): number => {
    sent.push(socket);
    return 0;
  };
  for (const NOTIFY_SOCKET of [undefined, "", "vsock:2:1234", "relative", "@"]) {
    const manager = new ServiceManager(NOTIFY_SOCKET === undefined ? {} : { NOTIFY_SOCKET }, logger, send);
    manager.ready("x");
    assert.equal(manager.isThere, false);
  }
  assert.deepEqual(sent, []);
  const path = join(temporaryFolder(t), "nobody");
  assert.equal(notifyServiceManager(path, "READY=1"), 2, "ENOENT");
  new ServiceManager({ NOTIFY_SOCKET: path }, logger).ready("x");
  for (const bad of ["", "x", "/", `/${"x".repeat(200)}`])
    assert.throws(() => notifyServiceManager(bad, "READY=1"), { code: "XDP_BAD_ARGUMENT" }, bad);
});

test("the watchdog's time counts only when it is meant for this process", () => {
  const watchdogMs = (more: NodeJS.ProcessEnv) =>
    new ServiceManager({ NOTIFY_SOCKET: "/x", ...more }).watchdogMs;
  assert.equal(watchdogMs({ WATCHDOG_USEC: "500000", WATCHDOG_PID: String(process.pid) }), 500);
  assert.equal(watchdogMs({ WATCHDOG_USEC: "500000", WATCHDOG_PID: "1" }), undefined);
  for (const WATCHDOG_USEC of ["0", "-1", "x", ""]) assert.equal(watchdogMs({ WATCHDOG_USEC }), undefined);
});

test("a watch tells ready when it is so, beats at half the time, and not while a part is stalled", () => {
  const sent: string[] = [];
  const send = (_socket: string, message: string): number => {
    sent.push(message.replaceAll("\n", " "));
    return 0;
  };
  const manager = new ServiceManager({ NOTIFY_SOCKET: "/x", WATCHDOG_USEC: "8000000" }, logger, send);
  let now = 0;
  let count = 0;
  let isReady = false;
  const signs = (): Sign[] => [{ name: "loop", count, withinMs: 3000 }];
  const watch = new Watch({
    manager,
    logger,
    signs,
    status: () => "s",
    isReady: () => isReady,
    now: () => now,
  });
  const pass = (seconds: number, isMoving: boolean): string[] => {
    sent.length = 0;
    for (let second = 0; second < seconds; second++) {
      now += 1000;
      if (isMoving) count++;
      watch.check();
    }
    return [...sent];
  };
  const beat = "WATCHDOG=1 STATUS=s";
  assert.deepEqual(pass(3, true), [], "not ready yet");
  isReady = true;
  assert.deepEqual(pass(1, true), ["READY=1 STATUS=s", beat]);
  assert.deepEqual(pass(8, true), [beat, beat]);
  assert.deepEqual(pass(12, false), ["STATUS=no progress: loop has stood still for 4.0 s"]);
  assert.deepEqual(pass(1, true), [beat], "it moves again: at once");
  sent.length = 0;
  watch.stop();
  watch.stop();
  assert.deepEqual(sent, ["STOPPING=1 STATUS=stopping"]);
});

test("READY does not wait for an interval of an hour", () => {
  const sent: string[] = [];
  const manager = new ServiceManager({ NOTIFY_SOCKET: "/x" }, logger, (_socket, message) => {
    sent.push(message.split("\n")[0]!);
    return 0;
  });
  let now = 0;
  const watch = new Watch({
    manager,
    logger,
    signs: () => [],
    status: () => "",
    isReady: () => false,
    now: () => now,
  });
  for (; now < 31_000; now += 1000) watch.check();
  watch.stop();
  assert.deepEqual(sent.filter((message) => message === "READY=1").length, 1);
});

test("an aggregator tells ready, reloads, beats and stops", async (t) => {
  const receiver = await openReceiver(t);
  if (receiver === undefined) return;
  const folder = temporaryFolder(t);
  const args = [
    BINARY,
    "aggregator",
    "--port",
    "0",
    "--store",
    join(folder, "store"),
    "--log-level",
    "silent",
  ];
  const env = { ...process.env, NOTIFY_SOCKET: receiver.path, WATCHDOG_USEC: "1000000" };
  const child = spawn(process.execPath, args, { env, stdio: "inherit" });
  t.after(() => child.kill("SIGKILL"));
  assert.match(
    (await receiver.wait(/^READY=1/, 10_000)) ?? "",
    /STATUS=http:\/\/127\.0\.0\.1:\d+; 0 archives/,
  );
  assert.ok(await receiver.wait(/^WATCHDOG=1/, 2000));
  const from = receiver.messages.length;
  child.kill("SIGHUP");
  assert.ok(await receiver.wait(/^RELOADING=1\nMONOTONIC_USEC=\d+/, 5000, from));
  assert.ok(await receiver.wait(/^READY=1/, 5000, from), "the reload is over");
  child.kill("SIGTERM");
  const [code] = (await once(child, "exit")) as [number];
  assert.equal(code, 0);
  assert.ok(await receiver.wait(/^STOPPING=1/, 2000, from));
});
