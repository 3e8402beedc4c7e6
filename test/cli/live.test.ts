import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { type TestContext, test } from "node:test";
import { load } from "graphblas-wasm";
import { emptyModel, type TopModel } from "../../daemon/cli/top-model.js";
import { renderTop, type ViewOptions } from "../../daemon/cli/top-view.js";
import { BINARY, requireProgram, sparsewireAsync } from "./command.js";
import { sensorDouble } from "./sensor-double.js";
import { archiveOf, type Row } from "./traffic.js";

const SECOND = { start: 1_700_000_000_000_000_000n, end: 1_700_000_001_000_000_000n };
const ROWS: Row[] = [
  ["10.0.0.1", "10.0.0.2", 500, 1000],
  ["10.0.0.3", "10.0.0.2", 20, 900_000],
  ["2001:db8:1234:5678:9abc:def0:1234:5678", "2001:db8:ffff:eeee:dddd:cccc:bbbb:aaaa", 70, 7000],
];

test("status: for people, for machines, and the metrics", async (t) => {
  const { socket } = await sensorDouble(t, undefined);
  const text = await sparsewireAsync(["status", "--socket", socket]);
  assert.deepEqual([text.code, text.err], [0, ""]);
  assert.match(text.out, /^sensor +edge-1 \(run 0123456789abcdef, pid 4711, sparsewire test\)$/m);
  assert.match(text.out, /^state +ready, up 1d 2h 3m 4s$/m);
  assert.match(text.out, /^capture +mirror on eth1, native XDP, zero-copy, 4 queues$/m);
  assert.match(text.out, /^frames +1,000,000 = ipv4 999,000, arp 1,000$/m);
  assert.match(text.out, /^drops +250 of 1,000,250 offered: rx_ring_full 250$/m);
  assert.match(text.out, /^cpu +50 ns a frame capture, 20 ns matrices, 90 ns whole process$/m);
  const json = JSON.parse((await sparsewireAsync(["status", "--socket", socket, "--json"])).out) as {
    pid: number;
  };
  assert.equal(json.pid, 4711);
  assert.match((await sparsewireAsync(["status", "--socket", socket, "--metrics"])).out, /^# HELP/);
});

test("--live reads the sensor's last interval; before there is one, it says so", async (t) => {
  const grb = await load();
  const double = await sensorDouble(t, undefined);
  const none = await sparsewireAsync(["matrix", "export", "--live", "--socket", double.socket]);
  assert.deepEqual([none.code, none.out], [1, ""]);
  assert.match(none.err, /no interval yet/);
  double.answers.interval = archiveOf(grb, ROWS, SECOND);
  const some = await sparsewireAsync(["matrix", "export", "--live", "--socket", double.socket]);
  assert.equal(some.out, "src,dst,packets,bytes\n10.0.0.1,10.0.0.2,500,1000\n10.0.0.3,10.0.0.2,20,900000\n");
});

test("top without a terminal is one snapshot", async (t) => {
  const grb = await load();
  const { socket } = await sensorDouble(t, archiveOf(grb, ROWS, SECOND));
  const { code, out, err } = await sparsewireAsync(["top", "--socket", socket]);
  assert.deepEqual([code, err], [0, ""]);
  const lines = out.split("\n");
  assert.match(lines[0]!, /^sparsewire top {2}edge-1 {2}eth1 .*\d\d:\d\d:\d\d$/);
  assert.match(lines[1]!, /^590 packets\/s {2}7.26Mbit\/s {2}3 links {2}3 sources {2}2 destinations$/);
  assert.match(lines[2]!, /^250 dropped \(rx_ring_full\) {2}intervals: 12 sealed, spool 2$/);
  assert.match(lines[4]!, /^10.0.0.1 +10.0.0.2 +500 +1.00k$/);
  assert.ok(lines.every((line) => line.length <= 80));
  const json = JSON.parse((await sparsewireAsync(["top", "--socket", socket, "--json"])).out) as TopModel;
  assert.deepEqual([json.links, json.topLinks.length, json.drops], [3, 3, 250]);
});

/** A model with more of everything than any terminal shows. */
function crowded(): TopModel {
  const address = (at: number) =>
    at % 2 === 0 ? `198.51.100.${at}` : `2001:db8:1234:5678:9abc:def0:1234:${at}`;
  const entries = Array.from({ length: 200 }, (_, at) => ({
    address: address(at),
    packets: 1e9 / (at + 1),
    bytes: 1e12 / (at + 1),
    fan: 12_345,
  }));
  return {
    ...emptyModel(`${"s".repeat(63)}  eth1  mirror, native XDP, zero-copy, 64 queues`),
    packetsPerSecond: 148_809_523,
    bytesPerSecond: 1.25e10,
    links: 16_777_216,
    sources: 1_048_576,
    destinations: 1_048_576,
    drops: 123_456_789,
    dropCauses: ["rx_ring_full", "rx_dropped", "interface_missed", "shed"],
    intervals: "123456 sealed, 17 lost, spool 4000, acknowledged 119000",
    topLinks: entries.map(({ address: src, packets, bytes }, at) => ({
      src,
      dst: address(at + 1),
      packets,
      bytes,
    })),
    topSources: entries,
    topDestinations: entries,
  };
}

test("the view fits every size from 40x5 up, full or empty", () => {
  const base: Omit<ViewOptions, "columns" | "rows"> = {
    color: false,
    sort: "packets",
    paused: true,
    clock: "12:00:00",
    keys: true,
  };
  for (let columns = 40; columns <= 220; columns += 4) {
    for (let rows = 5; rows <= 60; rows++) {
      for (const model of [crowded(), emptyModel("x")]) {
        const lines = renderTop(model, { ...base, columns, rows });
        assert.ok(lines.length <= rows, `${lines.length} lines in ${columns}x${rows}`);
        for (const line of lines) assert.ok(line.length <= columns, `${columns}x${rows}: ${line}`);
        assert.match(lines.at(-1)!, /^q quit/);
      }
    }
  }
});

test("at 60x15 and 80x24 whole IPv4 addresses and their rates are readable", () => {
  const base = { color: false, sort: "bytes", paused: false, clock: "12:00:00", keys: true } as const;
  const small = renderTop(crowded(), { ...base, columns: 60, rows: 15 });
  assert.equal(small.length, 15);
  assert.match(small[3]!, /^SOURCE +DESTINATION +PKTS\/S +\*BYTES\/S$/);
  assert.match(small[4]!, /^198.51.100.0 +2001:db8:1234:5678:… +1.00G +1.00T$/);
  const usual = renderTop(crowded(), { ...base, columns: 80, rows: 24 });
  assert.match(usual.join("\n"), /^SOURCES +BYTES\/S +FAN-OUT {2}DESTINATIONS +BYTES\/S +FAN-IN$/m);
  assert.match(usual.join("\n"), /^198.51.100.0 +1.00T +12.3k {2}198.51.100.0 +1.00T +12.3k$/m);
});

const ENTER = "\x1b[?1049h";
const LEAVE = "\x1b[?1049l";
const ESC = String.fromCharCode(27);
const ESCAPE = new RegExp(`${ESC}\\[[0-9;?]*[a-zA-Z]`, "g");
const STYLE = new RegExp(`${ESC}\\[[0-9;]*m`);

/** `top` under a pseudo terminal of a size; what it wrote so far is in `seen`. */
class Terminal {
  seen = "";
  readonly #child: ChildProcess;
  readonly #pidFile: string;
  readonly #ended: Promise<number | null>;

  constructor(
    t: TestContext,
    socket: string,
    columns: number,
    rows: number,
    env: Record<string, string> = {},
  ) {
    this.#pidFile = `${socket}.pid`;
    const size = `stty cols ${columns} rows ${rows}; echo $$ > ${this.#pidFile}`;
    const command = `${size}; exec ${process.execPath} ${BINARY} top --socket ${socket}`;
    t.after(() => this.#child.kill("SIGKILL"));
    this.#child = spawn("script", ["-qefc", command, "/dev/null"], {
      env: { ...process.env, TERM: "xterm", ...env },
    });
    this.#child.stdout!.setEncoding("utf8").on("data", (text: string) => {
      this.seen += text;
    });
    this.#ended = new Promise((resolve) => this.#child.on("close", resolve));
  }

  press(keys: string): void {
    this.#child.stdin!.write(keys);
  }

  /** The last whole picture, as lines without styles. */
  get picture(): string[] {
    const frames = this.seen.split("\x1b[H");
    return (frames.at(-1) ?? "").replaceAll(ESCAPE, "").replaceAll("\r", "").split("\n");
  }

  async until(pattern: RegExp): Promise<void> {
    const end = Date.now() + 20_000;
    while (!pattern.test(this.picture.join("\n"))) {
      assert.ok(Date.now() < end, `waited for ${pattern}, saw:\n${this.picture.join("\n")}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /** Sends a signal to the command itself. */
  kill(signal: NodeJS.Signals): void {
    process.kill(Number(readFileSync(this.#pidFile, "utf8")), signal);
  }

  end(): Promise<number | null> {
    return this.#ended;
  }
}

test("top on a terminal: keys, pause, a sensor that goes away, and a clean terminal after it", async (t) => {
  if (!requireProgram(t, "script")) return;
  const grb = await load();
  const double = await sensorDouble(t, archiveOf(grb, ROWS, SECOND));
  const terminal = new Terminal(t, double.socket, 60, 15);
  await terminal.until(/\*PKTS\/S +BYTES\/S\n10\.0\.0\.1 +10\.0\.0\.2 +500/);
  assert.ok(terminal.seen.includes(ENTER));
  assert.ok(terminal.picture.length <= 15 && terminal.picture.every((line) => line.length <= 60));
  terminal.press("s");
  await terminal.until(/\*BYTES\/S\n10\.0\.0\.3 /);
  terminal.press("p");
  await terminal.until(/PAUSED/);
  terminal.press("p");
  double.answers.interval = archiveOf(grb, [["172.16.0.1", "10.0.0.2", 9, 90]], SECOND);
  await terminal.until(/172\.16\.0\.1/);
  double.answers.interval = Buffer.from("nonsense");
  await terminal.until(/not a/);
  terminal.press("q");
  assert.equal(await terminal.end(), 0);
  assert.ok(terminal.seen.trimEnd().endsWith(LEAVE));
});

test("Ctrl-C and SIGTERM give the terminal back; NO_COLOR leaves out every style", async (t) => {
  if (!requireProgram(t, "script")) return;
  const grb = await load();
  const { socket } = await sensorDouble(t, archiveOf(grb, ROWS, SECOND));
  const plain = new Terminal(t, socket, 80, 24, { NO_COLOR: "1" });
  await plain.until(/10\.0\.0\.1/);
  plain.press("\x03");
  assert.equal(await plain.end(), 0);
  assert.ok(plain.seen.trimEnd().endsWith(LEAVE));
  assert.ok(!STYLE.test(plain.seen));
  const styled = new Terminal(t, socket, 80, 24);
  await styled.until(/10\.0\.0\.1/);
  assert.ok(STYLE.test(styled.seen));
  styled.kill("SIGTERM");
  assert.notEqual(await styled.end(), 0);
  assert.ok(styled.seen.includes(LEAVE));
});
