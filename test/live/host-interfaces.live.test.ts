/** Mode host: interfaces of every kind that come and go, and a host that looks as before when the sensor has gone. */
import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import type { SensorStatus } from "../../daemon/sensor/status.js";
import { HOST_ADDRESS, HostRig, PEER_ADDRESS } from "./host-rig.js";
import { sleep } from "./rig.js";
import { liveSkipReason } from "./tools/netns.js";
import { runTool, startTool } from "./tools/tool.js";

/** Somebody else's program. */
const MIRROR = fileURLToPath(new URL("../../../bpf/build/mirror.bpf.o", import.meta.url));

const HOST_PROGRAMS = fileURLToPath(new URL("../../../bpf/build/host.bpf.o", import.meta.url));

/** Sends `count` UDP packets of `bytes` payload, as any process of the host would. */
function sendUdp(rig: HostRig, address: string, count: number, bytes = 100): void {
  const script = `const s = require("node:dgram").createSocket("udp4"); let left = ${count};
    const next = () => left-- > 0 ? s.send(Buffer.alloc(${bytes}), 9, "${address}", next) : s.close(); next();`;
  rig.host.exec(process.execPath, "-e", script);
}

const ip = (rig: HostRig, ...args: string[]): string => rig.host.exec("ip", ...args);

/** Waits until what the status says of interfaces is so. */
async function until(rig: HostRig, what: (names: string[]) => boolean): Promise<string[]> {
  for (const deadline = Date.now() + 5000; ; ) {
    const names = (await rig.status()).host!.interfaces.map(({ name }) => name).sort();
    if (what(names) || Date.now() > deadline) return names;
    await sleep(50);
  }
}

/** The status once programs have been put anew where they had gone. */
async function reattached(rig: HostRig): Promise<SensorStatus> {
  for (const deadline = Date.now() + 5000; ; ) {
    const status = await rig.status();
    if (status.host!.reattached > 0 || Date.now() > deadline) return status;
    await sleep(50);
  }
}

const PRINT_PROGRAMS = `import { inspectInterface, networkInterfaces } from "${import.meta.resolve("xdp-node")}";
  for (const { name } of networkInterfaces())
    for (const program of inspectInterface(name).tc.programs) console.log(program.kind, program.name);`;

const ATTACH_TOO = `import { TcAttacher, TcPrograms, interfaceIndex } from "${import.meta.resolve("xdp-node")}";
  const programs = TcPrograms.load("${HOST_PROGRAMS}", { programs: {
    2: { in: "sparsewire_in", out: "sparsewire_out" }, 3: { in: "sparsewire_in3", out: "sparsewire_out3" } } });
  const attacher = await TcAttacher.start(programs);
  for (const side of ["in", "out"])
    await attacher.attach({ index: interfaceIndex("h0"), name: "h0", layer: 2 }, side, "clsact");
  console.log("attached");
  process.stdin.on("end", () => attacher.close()).resume();`;

/** The attaching part of another sensor, on h0, until its input ends. */
async function otherAttacher(rig: HostRig): Promise<ChildProcess> {
  const child = rig.host.spawn(process.execPath, ["--input-type=module", "-e", ATTACH_TOO], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  await new Promise((resolve) => child.stdout!.once("data", resolve));
  return child;
}

/** Programs of ours that are attached to interfaces of the host's namespace. */
const attachments = (rig: HostRig): number =>
  (rig.host.exec(process.execPath, "--input-type=module", "-e", PRINT_PROGRAMS).match(/ sparsewire_/g) ?? [])
    .length;

describe("interfaces of mode host", { skip: liveSkipReason() }, () => {
  test("they appear, are renamed and vanish; patterns; loopback once; packets without a MAC header", async () => {
    const rig = new HostRig({
      top: 'interfaces = ["h0", "veth*", "tun?", "lo"]\n',
    });
    try {
      await rig.start();
      assert.deepEqual(await until(rig, (names) => names.length === 2), ["h0", "lo"]);
      // Privileges are gone by now: what appears is attached by the helper.
      assert.deepEqual((await rig.status()).privileges.capabilities.effective, []);
      ip(rig, "link", "add", "veth1", "type", "veth", "peer", "name", "other1");
      ip(rig, "tuntap", "add", "dev", "tun7", "mode", "tun");
      ip(rig, "link", "add", "br0", "type", "bridge");
      assert.deepEqual(await until(rig, (names) => names.length === 4), ["h0", "lo", "tun7", "veth1"]);

      ip(rig, "addr", "add", "10.99.0.1/24", "dev", "tun7");
      ip(rig, "link", "set", "tun7", "up");
      sendUdp(rig, "10.99.0.2", 3);
      sendUdp(rig, "127.0.0.5", 5);
      const { host } = await rig.settled();
      const figures = new Map(host!.interfaces.map((each) => [each.name, each.figures]));
      assert.deepEqual(
        figures.get("tun7")!.out,
        { packets: 3, bytes: 3 * 128 },
        "no MAC header: 20 + 8 + 100",
      );
      assert.ok(figures.get("lo")!.out.packets >= 10);
      assert.equal(figures.get("lo")!.in.packets, 0);

      ip(rig, "link", "set", "veth1", "name", "away1");
      assert.deepEqual(await until(rig, (names) => names.length === 3), ["h0", "lo", "tun7"]);
      ip(rig, "link", "set", "other1", "name", "veth2");
      assert.deepEqual(await until(rig, (names) => names.length === 4), ["h0", "lo", "tun7", "veth2"]);
      ip(rig, "link", "del", "tun7");
      ip(rig, "link", "del", "veth2");
      assert.deepEqual(await until(rig, (names) => names.length === 2), ["h0", "lo"]);
      const metrics = await rig.metrics();
      assert.match(
        metrics,
        /sparsewire_host_packets_total\{interface="tun\?",direction="out"\} 3/,
        "also when it has gone",
      );
      assert.match(metrics, /sparsewire_host_interfaces\{interface="veth\*"\} 0/);
      assert.equal(await rig.stop(), 0, rig.log);
      const links = rig.links(4);
      assert.ok(links.includes("10.99.0.1,10.99.0.2,3,384"), links.join("\n"));
      assert.ok(links.includes("127.0.0.1,127.0.0.5,5,710"), links.join("\n"));
      assert.equal(rig.manifests()[0]!.interface, "h0,veth*,tun?,lo");
    } finally {
      rig.close();
    }
  });

  test("many interfaces that come and go at once", async () => {
    const PAIRS = 8;
    const rig = new HostRig({ top: 'interfaces = ["c*"]\n' });
    try {
      await rig.start();
      const batch = (line: (i: number) => string) =>
        rig.host.exec(
          "sh",
          "-c",
          `printf '${Array.from({ length: PAIRS }, (_, i) => line(i)).join("\\n")}\\n' | ip -b -`,
        );
      for (let round = 0; round < 2; round++) {
        batch((i) => `link add c${i}a type veth peer name c${i}b`);
        assert.equal((await until(rig, (names) => names.length === 2 * PAIRS)).length, 2 * PAIRS);
        assert.equal(attachments(rig), 4 * PAIRS);
        batch((i) => `link del c${i}a`);
        assert.equal((await until(rig, (names) => names.length === 0)).length, 0);
      }
      assert.equal(await rig.stop(), 0, rig.log);
    } finally {
      rig.close();
    }
  });

  for (const attach of ["tcx", "clsact"] as const) {
    test(`another interface with the same name and index within a moment is watched as well (${attach})`, async () => {
      const rig = new HostRig({ top: 'interfaces = ["c0"]\n', tables: `[host]\nattach = "${attach}"\n` });
      const make = `ip link add c0 index 77 type veth peer name d0; ip addr add 10.5.0.1/24 dev c0
        ip link set d0 up; ip link set c0 up; ip neigh add 10.5.0.2 lladdr 02:00:00:00:00:02 dev c0`;
      try {
        rig.host.exec("sh", "-c", make);
        await rig.start();
        sendUdp(rig, "10.5.0.2", 2);
        await rig.settled();
        rig.host.exec("sh", "-c", `ip link del c0; ${make}`);
        // Between the two it may have been looked, and the interface have been missed.
        for (const deadline = Date.now() + 5000; !/c0 had gone|c0 has gone/.test(rig.log); await sleep(20))
          assert.ok(Date.now() < deadline, rig.log);
        await until(rig, (names) => names.length === 1);
        sendUdp(rig, "10.5.0.2", 5);
        const { figures } = (await rig.settled()).host!.interfaces[0]!;
        assert.equal(figures.out.packets, 7);
        assert.equal(await rig.stop(), 0, rig.log);
      } finally {
        rig.close();
      }
    });
  }

  test("programs that somebody else takes off are put there anew, and it is told", async () => {
    const rig = new HostRig({ tables: '[host]\nattach = "clsact"\n' });
    try {
      const before = rig.appearance("h0");
      await rig.start();
      rig.host.exec("tc", "qdisc", "del", "dev", "h0", "clsact");
      assert.equal((await reattached(rig)).host!.reattached, 1, rig.log);
      assert.match(await rig.metrics(), /sparsewire_host_reattached_total 1/);
      const was = (await rig.settled()).host!.interfaces[0]!.figures.out.packets;
      sendUdp(rig, PEER_ADDRESS, 3);
      assert.ok((await rig.settled()).host!.interfaces[0]!.figures.out.packets >= was + 3);
      assert.equal(await rig.stop(), 0, rig.log);
      assert.equal(rig.appearance("h0"), before);
    } finally {
      rig.close();
    }
  });

  test("a name that is not there fails at the start, a pattern waits", async () => {
    const rig = new HostRig({ top: 'interfaces = ["nothere"]\n' });
    try {
      await assert.rejects(rig.start(), /there is no interface nothere/);
      rig.configure({ top: 'interfaces = ["late*"]\n' });
      await rig.start();
      assert.equal((await rig.status()).effective, null);
      ip(rig, "link", "add", "late0", "type", "veth", "peer", "name", "x0");
      assert.deepEqual(await until(rig, (names) => names.length === 1), ["late0"]);
      assert.equal((await rig.status()).effective?.attach, "tcx");
    } finally {
      rig.close();
    }
  });

  for (const attach of ["tcx", "clsact"] as const) {
    for (const end of ["SIGTERM", "SIGKILL"] as const) {
      test(`after ${end} the host looks as before (${attach})`, async () => {
        const rig = new HostRig({ tables: `[host]\nattach = "${attach}"\n` });
        try {
          const before = rig.appearance("h0");
          await rig.start();
          assert.equal((await rig.status()).effective?.attach, attach);
          assert.equal(attachments(rig), 2);
          const sink = await startTool(rig.peer, "tcp", ["sink", "7001"]);
          await sink.ready;
          await runTool(rig.host, "tcp", ["bulk", PEER_ADDRESS, "7001", "5", "1000000"]);
          const status = await rig.settled();
          assert.ok(status.host!.interfaces[0]!.figures.out.bytes > 1e6);
          await rig.stop(end);
          // The helper hears of it by the end of its pipe.
          for (const deadline = Date.now() + 3000; attachments(rig) > 0 && Date.now() < deadline; )
            await sleep(20);
          assert.equal(rig.appearance("h0"), before);
        } finally {
          rig.close();
        }
      });
    }
  }

  test("filters that dead ones left are swept at the next start; those of the living, and of others, stay", async () => {
    const rig = new HostRig({ tables: '[host]\nattach = "clsact"\n' });
    try {
      const before = rig.appearance("h0");
      await rig.start();
      // Sensor and helper at once, so that nobody takes anything away.
      process.kill((await rig.status()).host!.attacher_pid!, "SIGKILL");
      await rig.stop("SIGKILL");
      assert.equal(attachments(rig), 2);
      // They do no harm: the host goes on.
      sendUdp(rig, PEER_ADDRESS, 1);
      await rig.start();
      assert.equal(attachments(rig), 2, "two, not four");
      sendUdp(rig, PEER_ADDRESS, 4);
      const { figures } = (await rig.settled()).host!.interfaces[0]!;
      assert.ok(figures.out.packets >= 4);
      assert.equal(await rig.stop(), 0, rig.log);
      assert.equal(rig.appearance("h0"), before);

      rig.host.exec("tc", "qdisc", "add", "dev", "h0", "clsact");
      rig.host.exec("tc", "filter", "add", "dev", "h0", "ingress", "bpf", "da", "obj", MIRROR, "sec", "tc");
      const withOther = rig.appearance("h0");
      await rig.start();
      await rig.stop();
      assert.equal(rig.appearance("h0"), withOther);
    } finally {
      rig.close();
    }
  });

  for (const first of ["SIGTERM", "SIGKILL"] as const) {
    test(`two sensors on one interface: the last to leave tidies up (${first})`, async () => {
      const rig = new HostRig({ tables: '[host]\nattach = "clsact"\n' });
      try {
        const before = rig.appearance("h0");
        await rig.start();
        const helper = await otherAttacher(rig);
        assert.equal(attachments(rig), 4);
        await rig.stop(first);
        for (const deadline = Date.now() + 3000; attachments(rig) > 2 && Date.now() < deadline; )
          await sleep(20);
        assert.equal(attachments(rig), 2);
        const gone = new Promise((resolve) => helper.once("exit", resolve));
        helper.stdin!.end();
        await gone;
        assert.equal(rig.appearance("h0"), before);
      } finally {
        rig.close();
      }
    });
  }

  test("the sensor ends when its helper is lost, and says so", async () => {
    const rig = new HostRig();
    try {
      await rig.start();
      sendUdp(rig, PEER_ADDRESS, 5);
      const { host, counters } = await rig.settled();
      process.kill(host!.attacher_pid!, "SIGKILL");
      assert.equal(await rig.ended(), 1);
      assert.match(rig.log, /attaches the tc programs has ended/);
      const spooled = rig.manifests().reduce((sum, { frames }) => sum + frames, 0);
      assert.ok(counters.frames >= 5 && spooled >= counters.frames, `${spooled} of ${counters.frames}`);
    } finally {
      rig.close();
    }
  });

  test("packets in a VXLAN tunnel, segmented with it", async (t) => {
    const rig = new HostRig({ nic: true });
    try {
      for (const [namespace, own, other] of [
        [rig.host, HOST_ADDRESS, PEER_ADDRESS],
        [rig.peer, PEER_ADDRESS, HOST_ADDRESS],
      ] as const) {
        const last = own.split(".").at(-1);
        try {
          namespace.exec(
            "ip",
            ..."link add vx0 type vxlan id 5 dstport 4789".split(" "),
            "local",
            own,
            "remote",
            other,
          );
        } catch (error) {
          return t.skip(`no VXLAN here: ${(error as Error).message}`);
        }
        namespace.exec("ip", "addr", "add", `10.55.0.${last}/24`, "dev", "vx0");
        namespace.exec("ip", "link", "set", "vx0", "up");
      }
      await rig.start();
      const before = rig.peer.counters("p0");
      for (const [from, to, address] of [
        [rig.host, rig.peer, "10.55.0.2"],
        [rig.peer, rig.host, "10.55.0.1"],
      ] as const) {
        const sink = await startTool(to, "tcp", ["sink", "7001"]);
        await sink.ready;
        await runTool(from, "tcp", ["bulk", address, "7001", "5", "20000000"]);
        sink.child.kill("SIGKILL");
      }
      const status = await rig.settled();
      const after = rig.peer.counters("p0");
      const { figures } = status.host!.interfaces[0]!;
      const stack = rig.host.counters("h0");
      t.diagnostic(
        `out ${figures.out.packets} on the wire, ${stack.txPackets} in the stack; in ${figures.in.packets}, ${stack.rxPackets}`,
      );
      assert.equal(figures.out.packets, after.rxPackets - before.rxPackets);
      assert.equal(figures.out.bytes, after.rxBytes - before.rxBytes);
      assert.equal(figures.in.packets, after.txPackets - before.txPackets);
      assert.equal(figures.in.bytes, after.txBytes - before.txBytes + 14 * figures.in.packets);
      assert.ok(figures.out.packets > 2 * stack.txPackets, "segmentation was at work");
    } finally {
      rig.close();
    }
  });
});
