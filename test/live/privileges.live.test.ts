/** What a running sensor is left with: everything it needs, and nothing that an intruder would. */
import assert from "node:assert/strict";
import {
  chownSync,
  existsSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { canMakeUring, heldPrivileges, landlockAbi } from "xdp-node";
import { generate } from "../../bench/generator/generator.js";
import { Rig, sleep } from "./rig.js";
import type { IntruderReport } from "./tools/intruder.js";
import { liveSkipReason } from "./tools/netns.js";

const INTRUDER = new URL("./tools/intruder.js", import.meta.url).href;
/** Frames are counted to the last one here, on a machine that may be busy. */
const tables = "[shedding]\nenabled = false\n";
const hasLandlock = landlockAbi() >= 2;

/** What stands in this process's own way. */
const FILTERS = heldPrivileges().seccomp.filters;

function targetOf(pid: number, fd: string): string {
  try {
    return readlinkSync(`/proc/${pid}/fd/${fd}`);
  } catch {
    return "closed meanwhile";
  }
}

/** Sends SIGUSR2 to the intruder in a sensor and waits for what it says. */
async function intrude(rig: Rig, report: string): Promise<IntruderReport> {
  rmSync(report, { force: true });
  rig.child!.kill("SIGUSR2");
  await rig.until(() => existsSync(report));
  return JSON.parse(readFileSync(report, "utf8")) as IntruderReport;
}

/** Starts a sensor and waits until it has confined itself: it answers a moment earlier. */
async function startConfined(rig: Rig): Promise<void> {
  await rig.start();
  await rig.until(() => rig.log.includes("from here on") || rig.hasEnded);
  assert.ok(!rig.hasEnded, rig.log);
}

describe("a confined sensor", { skip: liveSkipReason() }, () => {
  test("refuses each call in every thread, while it captures every frame", async (t) => {
    const env: NodeJS.ProcessEnv = {};
    const rig = new Rig({ top: 'interval = "200ms"\n', nodeArgs: ["--import", INTRUDER], env, tables });
    const report = join(rig.spool, "intruder.json");
    env.INTRUDER_REPORT = report;
    try {
      await startConfined(rig);
      const sending = generate(rig.sender, "tx0", { count: 120_000, rate: 40_000 });
      await sleep(300);
      const before = await rig.status();
      const { calls, tries } = await intrude(rig, report);
      const after = await rig.status();
      const sent = await sending;
      assert.deepEqual(calls, { main: [], early: [], late: [] });
      const noFile = hasLandlock ? "EACCES" : "ok";
      assert.deepEqual(tries, {
        spawn: "EPERM",
        setuid: "EPERM",
        kill: "EPERM",
        "read a secret": noFile,
        "write elsewhere": noFile,
        "list the root": noFile,
        "bind a port": landlockAbi() >= 4 ? "EACCES" : "EPERM",
        "make a local socket": "EPERM",
        "load a program": "XDP_NOT_PERMITTED",
        "open an AF_XDP socket": "XDP_NOT_PERMITTED",
        "find a packet socket": "none",
        "send by a spare AF_XDP socket": "none",
        "signal by a descriptor": "EPERM",
        "ask a local service": "EPERM",
        "speak MPTCP": "EPERM",
        "speak SCTP": "EPERM",
        "speak to the audit system": "EPERM",
        "listen without a port": "EPERM",
        "open a file to all": "EPERM",
      });
      t.diagnostic(`${after.counters.frames - before.counters.frames} frames were captured meanwhile`);
      assert.ok(after.counters.frames > before.counters.frames, "it captured meanwhile");
      const settled = await rig.settled(sent.frames);
      assert.equal(settled.counters.frames, 120_000, "every frame");
      assert.equal(await rig.stop(), 0, rig.log);
      assert.equal(
        rig.manifests().reduce((sum, { frames }) => sum + frames, 0),
        120_000,
      );
    } finally {
      rig.close();
    }
  });

  test("status and metrics tell what is held, also when the kernel has forgotten its files of /proc", async () => {
    const rig = new Rig();
    try {
      await startConfined(rig);
      const check = async (): Promise<void> => {
        const { privileges } = await rig.status();
        const { capabilities, landlock, seccomp } = privileges;
        for (const set of Object.values(capabilities)) assert.deepEqual(set, []);
        assert.equal(privileges.no_new_privs, true);
        assert.equal(privileges.dumpable, false);
        assert.ok(privileges.threads > 4);
        // One refuses io_uring from the start, unless that was refused already; the other confines.
        assert.deepEqual([seccomp.mode, seccomp.filters], ["filter", FILTERS + (canMakeUring() ? 2 : 1)]);
        const open = readdirSync(`/proc/${rig.child!.pid}/fd`).map((fd) => targetOf(rig.child!.pid!, fd));
        assert.ok(open.includes("anon_inode:[eventpoll]"));
        assert.ok(!open.includes("anon_inode:[io_uring]"), "no ring");
        assert.deepEqual(landlock?.write, hasLandlock ? [rig.spool] : undefined);
        const metrics = await rig.metrics();
        assert.match(
          metrics,
          new RegExp(
            `privileges_info{root="true",no_new_privs="true",seccomp="filter",landlock="${hasLandlock}"} 1`,
          ),
        );
        assert.match(metrics, /^sparsewire_capabilities_held 0$/m);
      };
      await check();
      // Inodes and names that nobody uses are thrown away under memory pressure; a rule must outlive that.
      writeFileSync("/proc/sys/vm/drop_caches", "2");
      await check();
    } finally {
      rig.close();
    }
  });

  test("a reload goes on working, with files renewed; those elsewhere are refused with the reason", async () => {
    const rig = new Rig({ top: 'interval = "200ms"\n', tables });
    try {
      const token = join(rig.folder, "token");
      writeFileSync(token, "0123456789abcdef0123456789abcdef", { mode: 0o600 });
      await startConfined(rig);
      const reload = async (line: string, wanted: RegExp): Promise<void> => {
        const path = join(rig.folder, "sensor.toml");
        const text = readFileSync(path, "utf8").replace(/^url = .*$/m, line);
        rmSync(path);
        writeFileSync(path, text);
        rig.child!.kill("SIGHUP");
        await rig.until(() => wanted.test(rig.log));
      };
      await reload(`url = "http://127.0.0.1:7"\ntoken_file = "${token}"`, /configuration reloaded/);
      assert.match((await rig.status()).ship!.target, /127\.0\.0\.1:7/);
      if (hasLandlock) {
        const line = 'url = "http://127.0.0.1:8"\nca_file = "/etc/passwd-of-nobody/ca.pem"';
        await reload(line, /the old configuration stays.*(ENOENT|EACCES|reads only the folders)/);
      }
      const sent = await generate(rig.sender, "tx0", { count: 1000, rate: 10_000 });
      assert.equal((await rig.settled(sent.frames)).counters.frames, 1000);
    } finally {
      rig.close();
    }
  });

  test("an interface that goes down and comes up, with the privileges gone: capture goes on", async () => {
    const rig = new Rig({ top: 'interval = "200ms"\n', tables });
    try {
      await startConfined(rig);
      let total = 0;
      for (const end of ["receiver", "sender"] as const) {
        total += (await generate(rig.sender, "tx0", { count: 2000, rate: 20_000 })).frames;
        await rig.settled(total);
        const name = end === "receiver" ? "rx0" : "tx0";
        rig[end].exec("ip", "link", "set", name, "down");
        await sleep(100);
        rig[end].exec("ip", "link", "set", name, "up");
        await sleep(300);
        total += (await generate(rig.sender, "tx0", { count: 2000, rate: 20_000 })).frames;
        const { counters } = await rig.settled(total);
        assert.ok(counters.frames >= total, `${end}: ${counters.frames} of ${total}`);
        total = counters.frames;
      }
    } finally {
      rig.close();
    }
  });

  test("an interface that leaves the namespace and returns, with the privileges gone: its queues are bound anew", async () => {
    const rig = new Rig({ top: 'interval = "200ms"\n', tables, queues: 2 });
    try {
      await startConfined(rig);
      const { sender, receiver } = rig;
      let total = (await generate(sender, "tx0", { count: 2000, rate: 20_000 })).frames;
      total = (await rig.settled(total)).counters.frames;
      for (let round = 1; round <= 2; round++) {
        receiver.exec("ip", "link", "set", "rx0", "netns", sender.name);
        await rig.until(async () => (await rig.status()).effective === null);
        sender.exec("ip", "link", "set", "rx0", "netns", receiver.name);
        receiver.exec("ip", "link", "set", "rx0", "up");
        await rig.until(async () => (await rig.status()).effective !== null);
        assert.match(rig.log, /rx0 is back: 2 queues are bound anew/);
        await sleep(300);
        const { counters } = await rig.status();
        await generate(sender, "tx0", { count: 3000, rate: 20_000 });
        const after = await rig.settled(counters.frames + 3000);
        assert.ok(after.counters.frames >= counters.frames + 3000, `round ${round}: ${rig.log}`);
      }
      assert.equal(await rig.stop(), 0, rig.log);
    } finally {
      rig.close();
    }
  });

  test("root can become another user; a spool that is not its own is refused", async () => {
    const rig = new Rig({ tables: `${tables}[privileges]\nuser = "nobody"\n` });
    try {
      await assert.rejects(
        startConfined(rig),
        /cannot be written once privileges are given up.*privileges\.user/,
      );
      const nobody = 65_534;
      for (const name of ["", "spool", ...readdirSync(rig.spool).map((file) => join("spool", file))])
        chownSync(join(rig.folder, name), nobody, nobody);
      await startConfined(rig);
      const sent = await generate(rig.sender, "tx0", { count: 1000, rate: 10_000 });
      assert.equal((await rig.settled(sent.frames)).counters.frames, 1000);
      const { privileges } = await rig.status();
      assert.equal(privileges.uid, nobody);
      assert.deepEqual(privileges.capabilities.permitted, []);
      await rig.until(() => rig.manifests().length > 0);
      assert.equal(await rig.stop(), 0, rig.log);
    } finally {
      rig.close();
    }
  });
});
