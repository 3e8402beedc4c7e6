/** Starting, refusing, reloading and stopping a sensor, as an operator meets it. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { appendFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { generate } from "../../bench/generator/generator.js";
import { CLI, Rig, sleep, unixGet } from "./rig.js";
import { liveSkipReason } from "./tools/netns.js";

/** Runs the sensor until it ends by itself: its exit code and its last line. */
function attempt(rig: Rig, ...args: string[]): { code: number | null; text: string } {
  const config = join(rig.folder, "sensor.toml");
  const command = [
    "netns",
    "exec",
    rig.receiver.name,
    process.execPath,
    CLI,
    "sensor",
    "--config",
    config,
    ...args,
  ];
  const done = spawnSync("ip", command, { encoding: "utf8", timeout: 30_000 });
  return { code: done.status, text: done.stderr.trim() };
}

const xdpAttached = (rig: Rig): boolean =>
  rig.receiver.exec("ip", "link", "show", "rx0").includes("prog/xdp");

describe("a sensor's life", { skip: liveSkipReason() }, () => {
  test("stops on SIGTERM: seals what is open, leaves nothing attached, exit code 0", async () => {
    const rig = new Rig({ top: 'interval = "1h"\n' });
    try {
      await rig.start();
      assert.ok(xdpAttached(rig));
      const sent = await generate(rig.sender, "tx0", { count: 10_000, rate: 50_000 });
      await rig.settled(sent.frames);
      assert.equal(await rig.stop("SIGTERM"), 0, rig.log);
      const [manifest, ...others] = rig.manifests();
      assert.equal(others.length, 0);
      assert.equal(manifest!.sealed_by, "stop");
      assert.equal(manifest!.frames, 10_000);
      assert.ok(!xdpAttached(rig), "the program is gone");
      assert.ok(!readdirSync(rig.folder).includes("s.sock"), "so is the control socket");
    } finally {
      rig.close();
    }
  });

  test("silence is sealed too, aligned to the wall clock; ready after the first interval", async () => {
    const rig = new Rig({ top: 'interval = "200ms"\n' });
    try {
      await rig.start();
      await rig.until(() => rig.manifests().length >= 5);
      assert.equal((await unixGet(rig.socket, "/-/ready")).toString(), "ready\n");
      assert.equal((await unixGet(rig.socket, "/-/healthy")).toString(), "healthy\n");
      assert.equal(await rig.stop(), 0);
      const manifests = rig.manifests();
      assert.ok(manifests.length >= 5);
      for (const manifest of manifests.slice(1, -1)) {
        assert.equal(manifest.packets, 0);
        assert.equal(manifest.start % 200_000_000n, 0n, "aligned");
        // A clock that was held up ends the interval at a later boundary.
        assert.equal((manifest.end - manifest.start) % 200_000_000n, 0n);
      }
      assert.ok(manifests.some(({ start, end }) => end - start === 200_000_000n));
    } finally {
      rig.close();
    }
  });

  test("metrics are served in Prometheus' text format, from both doors", async () => {
    const rig = new Rig({ top: 'interval = "200ms"\n' });
    try {
      await rig.start();
      const sent = await generate(rig.sender, "tx0", { count: 5000, rate: 50_000 });
      await rig.settled(sent.frames);
      await sleep(500);
      const text = await rig.metrics();
      assert.match(text, /^sparsewire_frames_total 5000$/m);
      assert.match(text, /^sparsewire_frames_by_reason_total\{reason="ipv4"\} 5000$/m);
      assert.match(text, /^sparsewire_drops_total\{cause="rx_ring_full"\} 0$/m);
      assert.match(
        text,
        /effective_mode_info\{interface="rx0",mode="mirror",attach="native",bind="copy"\} 1/,
      );
      assert.doesNotMatch(text, /\b10\.\d+\.\d+\.\d+\b/, "no address in a label");
      const { metrics_url } = await rig.status();
      const outside = rig.receiver.exec(
        process.execPath,
        "-e",
        `fetch(${JSON.stringify(`${metrics_url}/metrics`)}).then(a=>a.text()).then(t=>process.stdout.write(t))`,
      );
      assert.match(outside, /^sparsewire_frames_total 5000$/m);
    } finally {
      rig.close();
    }
  });

  test("refuses an interface that has an address, unless forced", async () => {
    const rig = new Rig({ addresses: ["10.99.0.1/24", "10.99.0.2/24"] });
    try {
      const refused = attempt(rig);
      assert.equal(refused.code, 2, refused.text);
      assert.match(refused.text, /refusing to capture on rx0: it has the address 10\.99\.0\.2.*--force/);
      assert.ok(!xdpAttached(rig));
      rig.configure({ top: "force = true\n" });
      await rig.start();
      assert.equal(await rig.stop(), 0);
    } finally {
      rig.close();
    }
  });

  test("explains a missing queue, a missing interface, zero-copy that is not to be had, missing rights", () => {
    const rig = new Rig();
    try {
      rig.configure({ top: "queues = [0, 3]\n" });
      const queue = attempt(rig);
      assert.equal(queue.code, 2, queue.text);
      assert.match(queue.text, /rx0 has no RX queue 3: it has 1/);
      rig.configure({ top: 'bind = "zerocopy"\n' });
      const zerocopy = attempt(rig);
      assert.equal(zerocopy.code, 5, zerocopy.text);
      assert.match(zerocopy.text, /zero-copy/);
      rig.configure();
      const missing = attempt(rig, "--interface", "nope0");
      assert.equal(missing.code, 1, missing.text);
      assert.match(missing.text, /no interface nope0/);
      assert.equal(missing.text.split("\n").length, 1, "one line");
      const command = `setpriv --reuid 65534 --clear-groups ${process.execPath} ${CLI} sensor --interface rx0 --set control.socket=/tmp/sw-none.sock`;
      const done = spawnSync("ip", ["netns", "exec", rig.receiver.name, "sh", "-c", command], {
        encoding: "utf8",
      });
      assert.equal(done.status, 4, done.stderr);
      assert.match(done.stderr, /CAP_NET_ADMIN|not permitted/i);
      assert.ok(!xdpAttached(rig));
    } finally {
      rig.close();
    }
  });

  test("explains a queue that another process has, and a sensor that already runs", async () => {
    const rig = new Rig();
    try {
      await rig.start();
      const second = attempt(rig, "--control", join(rig.folder, "other.sock"));
      assert.equal(second.code, 1, second.text);
      assert.match(second.text, /busy|already|another/i);
      assert.ok(xdpAttached(rig), "the first one still captures");
      const sent = await generate(rig.sender, "tx0", { count: 1000, rate: 50_000 });
      assert.equal((await rig.settled(sent.frames)).counters.frames, 1000);
    } finally {
      rig.close();
    }
  });

  test("SIGHUP takes over what it can, names what needs a restart, and keeps the old on an error", async () => {
    const rig = new Rig();
    try {
      await rig.start();
      const config = join(rig.folder, "sensor.toml");
      rig.configure({ top: "workers = 1\n", tables: '[log]\nlevel = "debug"\n' });
      rig.child!.kill("SIGHUP");
      await rig.until(() => /configuration reloaded/.test(rig.log));
      assert.match(rig.log, /need a restart.*workers/);
      appendFileSync(config, "this is not TOML\n");
      rig.child!.kill("SIGHUP");
      await rig.until(() => /the old configuration stays/.test(rig.log));
      const sent = await generate(rig.sender, "tx0", { count: 1000, rate: 50_000 });
      assert.equal((await rig.settled(sent.frames)).counters.frames, 1000, "and goes on capturing");
      assert.equal(await rig.stop(), 0);
    } finally {
      rig.close();
    }
  });

  test("when its matrix worker dies it ends: what was made is spooled, what was not is lost by name", async () => {
    const bomb = `import { workerData } from "node:worker_threads";
      if (workerData?.memoryBytesMax) setTimeout(() => { throw new Error("the test's own"); }, 1500);`;
    const nodeArgs = ["--import", `data:text/javascript,${encodeURIComponent(bomb)}`];
    const rig = new Rig({ top: 'interval = "300ms"\n', nodeArgs });
    try {
      await rig.start();
      assert.equal(await rig.ended(), 1);
      assert.match(rig.log, /^sparsewire: the test's own$/m);
      const manifests = rig.manifests();
      const [, sealed, lost] = /"intervals":(\d+),"lost":\{"matrix_worker":(\d+)\}/.exec(rig.log)!;
      assert.ok(manifests.length > 0 && Number(lost) > 0);
      assert.equal(
        Number(sealed),
        manifests.length + Number(lost),
        "each sealed interval is one or the other",
      );
    } finally {
      rig.close();
    }
  });

  test("gives up its capabilities once it captures", async () => {
    const rig = new Rig();
    try {
      await rig.start();
      const { readFileSync } = await import("node:fs");
      for (const thread of readdirSync(`/proc/${rig.child!.pid}/task`)) {
        const status = readFileSync(`/proc/${rig.child!.pid}/task/${thread}/status`, "latin1");
        assert.match(status, /^CapEff:\s+0+$/m, `thread ${thread}`);
      }
      const sent = await generate(rig.sender, "tx0", { count: 1000, rate: 50_000 });
      assert.equal((await rig.settled(sent.frames)).counters.frames, 1000);
      assert.equal(await rig.stop(), 0, rig.log);
      assert.ok(!xdpAttached(rig));
    } finally {
      rig.close();
    }
  });
});
