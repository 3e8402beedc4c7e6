/** Mode host: what is counted is what was on the wire, in both directions, with every offload on. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { generate } from "../../bench/generator/generator.js";
import { measureLoad } from "../../bench/live/host-load.js";
import { eth, LINK } from "../pcap/packet.js";
import { HOST_ADDRESS, HostRig, type HostRigOptions, PEER_ADDRESS } from "./host-rig.js";
import { liveSkipReason, type Namespace } from "./tools/netns.js";
import { replayFrames } from "./tools/replay.js";
import { runTool, startTool } from "./tools/tool.js";

const ETHERNET_BYTES = 14;

async function withRig(options: HostRigOptions, body: (rig: HostRig) => Promise<void>): Promise<void> {
  const rig = new HostRig(options);
  try {
    await rig.start();
    await body(rig);
  } finally {
    rig.close();
  }
}

/** A TCP stream of so many bytes, through the stacks of both. */
async function stream(from: Namespace, to: Namespace, address: string, bytes: number): Promise<void> {
  const sink = await startTool(to, "tcp", ["sink", "7001"]);
  await sink.ready;
  await runTool(from, "tcp", ["bulk", address, "7001", "10", String(bytes)]);
  sink.child.kill("SIGKILL");
}

describe("mode host", { skip: liveSkipReason() }, () => {
  test("counts equal the peer's interface counters to the packet, GRO and TSO on, in and out", async (t) => {
    await withRig({ nic: true }, async (rig) => {
      const before = rig.peer.counters("p0");
      await stream(rig.host, rig.peer, PEER_ADDRESS, 150e6);
      await stream(rig.peer, rig.host, HOST_ADDRESS, 150e6);
      const status = await rig.settled();
      const after = rig.peer.counters("p0");
      const wire = (field: "rxPackets" | "rxBytes" | "txPackets" | "txBytes") => after[field] - before[field];
      const { figures } = status.host!.interfaces[0]!;
      const stack = rig.host.counters("h0");
      t.diagnostic(`out ${figures.out.packets} packets on the wire, ${stack.txPackets} in the stack`);
      t.diagnostic(`in ${figures.in.packets} packets on the wire, ${stack.rxPackets} in the stack`);
      assert.ok(stack.txPackets < figures.out.packets / 5, "TSO was at work");
      assert.ok(stack.rxPackets < figures.in.packets / 5, "GRO was at work");
      assert.equal(figures.out.packets, wire("rxPackets"));
      assert.equal(figures.out.bytes, wire("rxBytes"));
      assert.equal(figures.in.packets, wire("txPackets"));
      // A veth whose peer polls (GRO) counts what it sends without the Ethernet header.
      assert.equal(figures.in.bytes, wire("txBytes") + ETHERNET_BYTES * wire("txPackets"));
      assert.deepEqual(status.host!.lost, { packets: 0, bytes: 0 });
      assert.equal(status.counters.frames, figures.in.packets + figures.out.packets);
      assert.equal(status.counters.frame_bytes, figures.in.bytes + figures.out.bytes);
      assert.equal(await rig.stop(), 0, rig.log);
      const manifests = rig.manifests();
      assert.equal(
        manifests.reduce((sum, { frames }) => sum + frames, 0),
        status.counters.frames,
      );
      assert.deepEqual(manifests[0]!.effective?.bind, "ringbuf");
      assert.equal(manifests[0]!.mode, "host");
      const links = new Map(
        rig.links(4).map((line) => [line.split(",").slice(0, 2).join(), line.split(",")]),
      );
      const out = links.get(`${HOST_ADDRESS},${PEER_ADDRESS}`)!;
      const arp = manifests.reduce((sum, { reasons }) => sum + reasons.arp, 0);
      const back = links.get(`${PEER_ADDRESS},${HOST_ADDRESS}`)!;
      assert.equal(Number(out[2]) + Number(back[2]) + arp, status.counters.frames);
    });
  });

  test("VLAN tags that the stack has stripped are put back; other frames as they are", async () => {
    await withRig({}, async (rig) => {
      const frames = [
        eth().vlan(7).ipv4("10.1.0.1", "10.1.0.2").udp(1, 2, 100).bytes(),
        eth().vlan(7).vlan(8).ipv4("10.1.0.3", "10.1.0.4").udp(1, 2, 10).bytes(),
        eth().ipv4("10.1.0.5", "10.1.0.6").udp(1, 2, 1000).bytes(),
        eth().ipv6("2001:db8::1", "2001:db8::2").udp(1, 2, 64).bytes(),
      ];
      const before = await rig.settled();
      await replayFrames(
        rig.peer,
        "p0",
        frames.map((bytes) => ({ bytes, length: bytes.length, linkType: LINK.ethernet })),
      );
      const after = await rig.settled();
      const bytes = (status: typeof after) => status.host!.interfaces[0]!.figures.in;
      assert.equal(bytes(after).packets - bytes(before).packets, 4);
      assert.equal(
        bytes(after).bytes - bytes(before).bytes,
        frames.reduce((sum, frame) => sum + frame.length, 0),
      );
      assert.equal(await rig.stop(), 0, rig.log);
      const of = (line: number, source: string, destination: string) =>
        `${source},${destination},1,${frames[line]!.length}`;
      const links = rig.links(4);
      assert.ok(links.includes(of(0, "10.1.0.1", "10.1.0.2")), links.join("\n"));
      assert.ok(links.includes(of(1, "10.1.0.3", "10.1.0.4")));
      assert.ok(links.includes(of(2, "10.1.0.5", "10.1.0.6")));
      assert.deepEqual(rig.links(6), [of(3, "2001:db8::1", "2001:db8::2")]);
    });
  });

  for (const directions of ["ingress", "egress"] as const) {
    test(`${directions} alone`, async () => {
      await withRig({ tables: `[host]\ndirections = "${directions}"\n` }, async (rig) => {
        await stream(rig.host, rig.peer, PEER_ADDRESS, 1e6);
        const { host } = await rig.settled();
        const { figures, directions: attached } = host!.interfaces[0]!;
        assert.deepEqual(attached, [directions === "ingress" ? "in" : "out"]);
        assert.equal(figures.in.packets > 0, directions === "ingress");
        assert.equal(figures.out.packets > 0, directions === "egress");
      });
    });
  }

  test("500,000 packets a second: none is lost", async (t) => {
    await withRig({ top: "", tables: "" }, async (rig) => {
      rig.host.exec("ethtool", "-K", "h0", "gro", "on");
      const before = await rig.settled();
      const sent = await generate(rig.peer, "p0", { seconds: 2, rate: 500_000, links: 50_000, nice: -10 });
      const after = await rig.settled();
      const count =
        after.host!.interfaces[0]!.figures.in.packets - before.host!.interfaces[0]!.figures.in.packets;
      t.diagnostic(`${sent.frames} sent at ${Math.round(sent.rate / 1000)} k/s, ${count} counted`);
      t.diagnostic(
        `${(after.workers[0]!.cpu_ns / after.counters.frames).toFixed(0)} ns of the capture thread a packet`,
      );
      assert.deepEqual(after.host!.lost, { packets: 0, bytes: 0 });
      assert.equal(count, sent.frames);
    });
  });

  test("when the sensor cannot keep up, what finds no room is counted: seen = counted + lost", async (t) => {
    const tables =
      '[shedding]\nenabled = false\n[host]\nring_bytes = "64KiB"\n[wake]\nsleep_min = "20ms"\nsleep_max = "20ms"\n';
    await withRig({ tables }, async (rig) => {
      rig.host.exec("ethtool", "-K", "h0", "gro", "on");
      await generate(rig.peer, "p0", { seconds: 1, rate: 200_000 });
      const status = await rig.settled();
      const { seen, lost } = status.host!;
      t.diagnostic(`${seen.packets} seen, ${status.counters.frames} counted, ${lost.packets} lost`);
      assert.ok(lost.packets > seen.packets / 2, "the sensor was outrun");
      assert.equal(status.counters.frames + lost.packets, seen.packets);
      assert.equal(status.counters.frame_bytes + lost.bytes, seen.bytes);
      assert.equal(status.drops.ring_buffer, lost.packets);
      assert.equal(await rig.stop(), 0, rig.log);
      const sum = rig.manifests().reduce((total, { frames, drops }) => total + frames + drops.ring_buffer, 0);
      assert.equal(sum, seen.packets, "over all manifests");
    });
  });

  test("under overload a sample gets records, and what gets none is summed up: seen = counted + shed + lost", async (t) => {
    const tables = '[host]\nring_bytes = "64KiB"\n[wake]\nsleep_min = "20ms"\nsleep_max = "20ms"\n';
    await withRig({ tables }, async (rig) => {
      rig.host.exec("ethtool", "-K", "h0", "gro", "on");
      await generate(rig.peer, "p0", { seconds: 3, rate: 200_000 });
      const status = await rig.settled();
      const { seen, lost } = status.host!;
      const { shed } = status.drops;
      t.diagnostic(
        `${seen.packets} seen, ${status.counters.frames} counted, ${shed} shed, ${lost.packets} lost, now 1/${1 / status.shedding!.sampling}`,
      );
      assert.ok(shed > seen.packets / 2, "it was sampled");
      assert.ok(lost.packets < shed, "and loses less by accident");
      assert.equal(status.counters.frames + shed + lost.packets, seen.packets);
      assert.equal(await rig.stop(), 0, rig.log);
      const manifests = rig.manifests();
      const sampled = manifests.filter(({ sampling }) => sampling < 1);
      assert.ok(sampled.length > 0);
      let bytes = 0;
      for (const { shed: section, drops } of sampled) {
        assert.equal(section!.packets, drops.shed, "what was shed is told with the rate it was shed at");
        bytes += section!.bytes;
      }
      // Roughly: records wait up to 80 ms here, so an interval's sums and its frames are not of the same moments.
      const estimate = manifests.reduce((sum, { frames, sampling }) => sum + frames / sampling, 0);
      assert.ok(
        estimate > seen.packets / 2 && estimate < 1.5 * seen.packets,
        `${estimate} of ${seen.packets}`,
      );
      assert.equal(status.counters.frame_bytes + bytes + lost.bytes, seen.bytes, "bytes too");
      const total = manifests.reduce(
        (sum, { frames, drops }) => sum + frames + drops.shed + drops.ring_buffer,
        0,
      );
      assert.equal(total, seen.packets, "over all manifests");
    });
  });

  test("the host's own work goes on: HTTP and bulk TCP, with and without (the bench measures)", async (t) => {
    for (const load of ["http", "bulk out"] as const) {
      const { ratio, without, watched, lost } = await measureLoad(load, 1, 0.3);
      t.diagnostic(
        `${load}: ${without.toExponential(2)} a second without, ${watched.toExponential(2)} watched, ${ratio.toFixed(3)}`,
      );
      assert.equal(lost, 0);
      assert.ok(watched > 0 && without > 0);
    }
  });
});
