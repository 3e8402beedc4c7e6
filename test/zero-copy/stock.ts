/**
 * The packaged product on the kernel that Debian 12 comes with: no tcx, no zero-copy on this card, Landlock without
 * ports, a verifier that takes less from those without CAP_PERFMON. Part of `npm run test:guest`, in a machine of its own.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, describe } from "node:test";
import { STOCK } from "../guest/kernel.js";
import { offered } from "../live/rig.js";
import type { IntruderReport } from "../live/tools/intruder.js";
import { repositoryRoot } from "../live/tools/tool.js";
import { makeBatch, truth } from "./frames.js";
import { prepare } from "./prepare.js";
import { AGGREGATOR, INTERFACE, SENSOR, Server } from "./server.js";
import { story } from "./story.js";
import { passing } from "./wire.js";

const FRAMES = 20_000;
const RATE = 8000;
const MODE_HOST = "sparsewire-sensor@host0.service";
const HOST_TOML = `sensor = "old-host"
mode = "host"
interfaces = ["${INTERFACE}", "h0"]

[metrics]
port = 9471
`;
const MIRROR_TOML = `sensor = "old"
interface = "${INTERFACE}"

[spool]
max_bytes = "128MiB"

[aggregator]
url = "http://127.0.0.1:8470"
retry_max = "1s"
`;
const INLINE_TOML = `sensor = "wire"
mode = "inline"

[inline]
peer = "eth2"
`;
/** Serves a download, and takes uploads. */
const SERVER_JS = `import { createServer } from "node:http";
const body = Buffer.alloc(3_000_000, 120);
createServer((request, response) => {
  let bytes = 0;
  request.on("data", (data) => (bytes += data.length));
  request.on("end", () => response.end(request.method === "PUT" ? String(bytes) : body));
}).listen(8000, "0.0.0.0");
`;
/** What loads into a sensor and tries what an intruder would, with where it goes in the package's folder. */
const INTRUDER = {
  "intruder.js": "dist/test/live/tools/",
  "attempt.js": "native/xdp-node/dist/test/",
  "attempt-worker.js": "native/xdp-node/dist/test/",
  "test_syscall.node": "native/xdp-node/build/Release/",
} as const;

const batches = [makeBatch(FRAMES, 4)];
const prepared = await prepare({
  kernel: STOCK,
  batches,
  files: {
    "sensor.toml": MIRROR_TOML,
    "inline.toml": INLINE_TOML,
    "host.toml": HOST_TOML,
    "server.mjs": SERVER_JS,
    ...Object.fromEntries(
      Object.entries(INTRUDER).map(([name, folder]) => [
        name,
        readFileSync(join(repositoryRoot(), folder, name)),
      ]),
    ),
  },
});
const skip = typeof prepared === "string" ? prepared : false;
const server = typeof prepared === "string" ? (undefined as never) : new Server(prepared.machine);
if (typeof prepared !== "string") after(() => prepared.close());
const step = story();
let before = "";

/** What `ip` and `tc` show of the watched interfaces, their counters left out. */
const APPEARANCE = `for name in ${INTERFACE} h0; do
  ip -details link show $name; tc qdisc show dev $name
  tc filter show dev $name ingress; tc filter show dev $name egress
done`;
const appearance = (): Promise<string> => server.machine.sh(APPEARANCE);
const filters = async (): Promise<number> =>
  (await appearance()).split("\n").filter((line) => /handle .* sparsewire_(in|out)\b/.test(line)).length;

const figures = async () => (await server.status()).host!;
/** Packets and bytes that eth1 has sent, and received. */
async function wireCounters(): Promise<number[]> {
  const names = ["tx_packets", "tx_bytes", "rx_packets", "rx_bytes"];
  const paths = names.map((name) => `/sys/class/net/eth1/statistics/${name}`);
  return (await server.machine.sh(`ip netns exec far cat ${paths.join(" ")}`)).trim().split("\n").map(Number);
}

describe("the packaged product on the kernel of Debian 12", { skip }, () => {
  step("boots, and installs", async (t) => {
    const { machine } = server;
    const release = (await machine.sh("uname -r")).trim();
    t.diagnostic(release);
    assert.match(release, /^6\.1\./);
    await machine.sh("dpkg -i /payload/sparsewire.deb 2>&1", 300);
    await machine.sh(`cp /payload/sensor.toml /etc/sparsewire/sensor.toml
      cp /payload/host.toml /etc/sparsewire/sensor-host0.toml
      ip link set eth0 up; ip link set eth1 up`);
  });

  step("the doctor says what this kernel lacks, and that every mode runs without it", async () => {
    const text = await server.machine.sh(`sparsewire doctor ${INTERFACE} --json`);
    const { findings } = JSON.parse(text) as { findings: { check: string; verdict: string }[] };
    const said = (check: string) => findings.find((finding) => finding.check === check)!;
    assert.deepEqual(
      findings.filter(({ verdict }) => verdict === "bad"),
      [],
    );
    assert.match(JSON.stringify(said("tcx")), /clsact/);
    assert.match(JSON.stringify(said("landlock")), /ABI 2/);
    assert.match(JSON.stringify(said("multi_buffer")), /6\.6/);
    for (const mode of ["mirror", "host", "inline"]) assert.equal(said(`mode_${mode}`).verdict, "ok", mode);
  });

  step("mode host by clsact: both directions of a TCP stream, to the packet and the byte", async (t) => {
    const { machine } = server;
    // An operator's own filter on one interface; nothing at all on the other. No IPv6 there either: a card counts the
    // solicitations that it sends, and the other drops them, being no router.
    await machine.sh(`ip netns add far; ip link set eth1 netns far
      ip netns exec far sh -c 'echo 1 > /proc/sys/net/ipv6/conf/eth1/disable_ipv6'
      ip -n far addr add 10.9.0.2/24 dev eth1; ip -n far link set eth1 up; ip addr add 10.9.0.1/24 dev eth0
      ip link add h0 type veth peer name h1; ip link set h0 up; ip link set h1 up
      tc qdisc add dev h0 clsact; tc filter add dev h0 ingress matchall action pass
      setsid /usr/lib/sparsewire/bin/node /payload/server.mjs > /dev/null 2>&1 < /dev/null &
      until curl -s -o /dev/null http://127.0.0.1:8000/; do sleep 0.5; done`);
    before = await appearance();
    await server.start(MODE_HOST);
    assert.equal(await filters(), 4, await appearance());
    // The other card's own counters: frames as they are on the wire, whatever the stack makes of them.
    const [wire, seen] = [await wireCounters(), (await figures()).patterns[INTERFACE]!];
    await machine.sh(`ip netns exec far curl -sS -o /dev/null http://10.9.0.1:8000/
      head -c 2000000 /dev/zero | ip netns exec far curl -sS -T - -o /dev/null http://10.9.0.1:8000/; sleep 2`);
    const truth = (await wireCounters()).map((count, i) => count - wire[i]!);
    const status = await server.until(
      ({ counters, host }) =>
        counters.frames >= host!.seen.packets && host!.seen.packets >= truth[0]! + truth[2]!,
      20,
    );
    const { attach, figures: now } = status.host!.interfaces.find(({ name }) => name === INTERFACE)!;
    assert.equal(attach, "clsact");
    const counted = [
      now.in.packets - seen.in.packets,
      now.in.bytes - seen.in.bytes,
      now.out.packets - seen.out.packets,
      now.out.bytes - seen.out.bytes,
    ];
    t.diagnostic(`packets and bytes in, out: ${truth}`);
    assert.deepEqual(counted, truth);
    assert.equal(status.drops.ring_buffer, 0);
    assert.ok(truth[2]! > 2000, "a stream of thousands of packets");
  });

  step("after SIGTERM, kill -9 of the sensor, and kill -9 of all of it, the host is as it was", async () => {
    const { machine } = server;
    await machine.sh(`systemctl stop ${MODE_HOST}`);
    assert.equal(await appearance(), before, "after SIGTERM");
    await machine.sh(`d=/run/systemd/system/${MODE_HOST}.d; mkdir -p $d
      printf '[Service]\\nRestart=no\\n' > $d/once.conf; systemctl daemon-reload`);
    await server.start(MODE_HOST);
    await machine.sh(`systemctl kill --kill-who=main -s KILL ${MODE_HOST}; sleep 3`);
    assert.equal(await appearance(), before, "after kill -9 of the sensor");
    await server.start(MODE_HOST);
    await machine.sh(`systemctl kill -s KILL ${MODE_HOST}; sleep 1`);
    assert.equal(await filters(), 4, "nobody was left to take them off");
    await server.start(MODE_HOST);
    assert.equal(await filters(), 4, "the dead ones' are gone");
    await machine.sh(`systemctl stop ${MODE_HOST}`);
    assert.equal(await appearance(), before, "after the next start and stop");
    await machine.sh(
      `ip addr flush dev eth0; ip netns exec far ip link set eth1 netns 1; ip link set eth1 up`,
    );
  });

  step("mode mirror: native XDP, copied, the matrix exact", async () => {
    await server.start(AGGREGATOR);
    await server.start(SENSOR);
    const { effective } = await server.status();
    assert.deepEqual(effective, { attach: "native", bind: "copy", queues: 1 });
    await server.send(0, RATE);
    const status = await server.until((now) => offered(now) >= FRAMES, 30);
    assert.equal(status.counters.frames, FRAMES, JSON.stringify(status.drops));
    await server.shipped();
    for (const family of [4, 6] as const)
      assert.deepEqual(await server.sums(family), truth(batches, family), `IPv${family}`);
  });

  step("an intruder in the capturing sensor finds every door shut", async () => {
    const { machine } = server;
    const home = "/usr/lib/sparsewire";
    const copies = Object.entries(INTRUDER).map(
      ([name, folder]) => `mkdir -p ${home}/${folder}; cp /payload/${name} ${home}/${folder}`,
    );
    const report = `/var/lib/sparsewire/sensor-${INTERFACE}/spool/intruder.json`;
    await machine.sh(`${copies.join("\n")}
      d=/run/systemd/system/${SENSOR}.d; mkdir -p $d
      printf '[Service]\\nEnvironment="NODE_OPTIONS=--import ${home}/dist/test/live/tools/intruder.js"\\n' > $d/x.conf
      echo 'Environment=INTRUDER_REPORT=${report}' >> $d/x.conf
      systemctl daemon-reload; systemctl stop ${SENSOR}`);
    await server.start(SENSOR);
    const text = await machine.sh(
      `systemctl kill --kill-who=main -s USR2 ${SENSOR}
       for i in $(seq 150); do [ -e ${report} ] && break; sleep 0.2; done; cat ${report}`,
    );
    const { calls, tries } = JSON.parse(text) as IntruderReport;
    assert.deepEqual(calls, { main: [], early: [], late: [] });
    const open = Object.entries(tries).filter(([, answer]) => answer === "ok");
    assert.deepEqual(open, []);
    assert.equal(tries["read a secret"], "EACCES");
    const { counters } = await server.status();
    await server.send(0, RATE);
    const after = await server.until((now) => offered(now) >= counters.frames + FRAMES, 30);
    assert.equal(after.counters.frames - counters.frames, FRAMES, "it goes on capturing");
  });

  step("mode inline fails open without tcx: XDP redirects by itself when the sensor is gone", async (t) => {
    const { machine } = server;
    await machine.sh(`systemctl stop ${SENSOR}; rm -f /run/systemd/system/${SENSOR}.d/x.conf; systemctl daemon-reload
      cp /payload/inline.toml /etc/sparsewire/sensor.toml; ip link set eth2 up; ip link set eth3 up`);
    await server.start(SENSOR);
    assert.match(await server.journal(SENSOR), /"fallback":"xdp"/);
    assert.equal(await passing(machine, [0, 0]), `${FRAMES} ${FRAMES}`, "through the sensor");
    t.diagnostic(JSON.stringify((await server.status()).forward));
    await machine.sh(`systemctl stop ${SENSOR}`);
    assert.equal(await passing(machine, [0, 0]), `${FRAMES} ${FRAMES}`, "the kernel alone");
    await machine.sh(`sparsewire sensor --release --instance ${INTERFACE}`);
    assert.doesNotMatch(await machine.sh(`ip -details link show ${INTERFACE}`), /xdp|promiscuity [1-9]/);
  });

  step("the kernel has not complained", async () => {
    await server.machine.sh(`systemctl stop ${AGGREGATOR}`, 120);
    const complaints = /BUG:|Oops|WARNING:|general protection|Call Trace/;
    assert.doesNotMatch(await server.machine.sh("dmesg"), complaints);
  });
});
