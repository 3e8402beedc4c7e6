/** The doctor on a veth with faults planted, one after the other; it must find each and change nothing. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import type { Finding } from "../../daemon/cli/doctor/finding.js";
import { CLI } from "../live/rig.js";
import { liveSkipReason, type Namespace, NetworkLab } from "../live/tools/netns.js";

const TC_OBJECT = fileURLToPath(new URL("../../../bpf/build/mirror.bpf.o", import.meta.url));
const XDP_OBJECT = TC_OBJECT.replace("mirror.bpf.o", "redirect.bpf.o");
const LIBRARY = new URL("../../../native/xdp-node/dist/lib/index.js", import.meta.url).href;

interface Report {
  code: number;
  findings: Map<string, Finding>;
  best: { best: string; why: string };
}

describe("doctor on a veth", { skip: liveSkipReason() }, () => {
  let lab: NetworkLab;
  let space: Namespace;
  before(() => {
    lab = new NetworkLab("swdoc-");
    space = lab.namespace("rx");
    lab.veth(lab.namespace("tx"), "tx0", space, "rx0", { queues: 2 });
  });
  after(() => lab.close());

  /** Asks in the namespace; the exit code travels behind the JSON. */
  function ask(...args: string[]): Report {
    const command = '"$@"; echo "code $?"';
    const out = space.exec(
      "sh",
      "-c",
      command,
      "sh",
      process.execPath,
      CLI,
      "doctor",
      "rx0",
      "--json",
      ...args,
    );
    const [json, code] = out.split(/^code /m);
    const { findings, best } = JSON.parse(json!) as { findings: Finding[]; best: Report["best"] };
    return { code: Number(code), findings: new Map(findings.map((each) => [each.check, each])), best };
  }

  const ip = (...args: string[]): string => space.exec("ip", ...args);
  /** What must be the same before and after: the interface with all that hangs on it. */
  const state = (): string =>
    ip("-d", "link", "show", "dev", "rx0") + ip("address") + space.exec("ethtool", "-k", "rx0");

  test("as it should be: mode mirror, exit 0, both queues, and nothing is changed by looking", () => {
    const untouched = state();
    const { code, findings, best } = ask();
    assert.equal(code, 0);
    assert.equal(best.best, "mirror");
    assert.match(findings.get("queues")!.text, /^2 RX queues/);
    assert.deepEqual((findings.get("driver")!.value as { driver: string }).driver, "veth");
    for (const check of ["link", "mtu", "addresses", "xdp_program", "tc_programs", "lro"])
      assert.equal(findings.get(check)!.verdict, "ok", check);
    assert.equal(state(), untouched);
  });

  test("--try: copy mode is to be had, zero-copy is not, and the interface is left as it was", () => {
    const untouched = state();
    const { findings } = ask("--try");
    assert.equal(findings.get("bind_copy")!.verdict, "ok", findings.get("bind_copy")!.text);
    assert.equal(findings.get("bind_zerocopy")!.verdict, "warn");
    assert.equal(state(), untouched);
  });

  test("link down", () => {
    ip("link", "set", "rx0", "down");
    const { code, findings, best } = ask();
    assert.equal(findings.get("link")!.mend, "ip link set dev rx0 up");
    assert.match(findings.get("mode_mirror")!.text, /the link is down/);
    assert.deepEqual([code, best.best], [0, "host"]);
    ip("link", "set", "rx0", "up");
  });

  test("an address, and a default route", () => {
    ip("address", "add", "192.0.2.1/24", "dev", "rx0");
    const { findings, best } = ask();
    assert.match(findings.get("addresses")!.text, /^has 192\.0\.2\.1: /);
    assert.match(findings.get("mode_inline")!.text, /the host uses the interface/);
    assert.equal(best.best, "host");
    ip("address", "del", "192.0.2.1/24", "dev", "rx0");
    ip("route", "add", "default", "dev", "rx0");
    assert.match(ask().findings.get("addresses")!.text, /^carries a default route/);
    ip("route", "del", "default", "dev", "rx0");
  });

  test("a jumbo MTU, promiscuous mode, rxvlan", () => {
    ip("link", "set", "rx0", "mtu", "9000");
    ip("link", "set", "rx0", "promisc", "on");
    space.exec("ethtool", "-K", "rx0", "rxvlan", "off");
    const { findings } = ask();
    assert.equal(findings.get("mtu")!.value, 9000);
    assert.match(findings.get("mtu")!.text, /several chunks/);
    assert.equal(findings.get("promiscuous")!.value, 1);
    assert.equal(findings.get("rxvlan")!.verdict, "ok");
    space.exec("ethtool", "-K", "rx0", "rxvlan", "on");
    const { verdict, mend } = ask().findings.get("rxvlan")!;
    assert.deepEqual([verdict, mend], ["warn", "ethtool -K rx0 rxvlan off"]);
    ip("link", "set", "rx0", "promisc", "off");
    ip("link", "set", "rx0", "mtu", "1500");
  });

  test("one queue of two", () => {
    space.exec("ethtool", "-L", "rx0", "rx", "1", "tx", "2");
    const { text, value } = ask().findings.get("queues")!;
    assert.match(text, /^1 RX queue of at most 2/);
    assert.equal((value as { rx: number }).rx, 1);
    space.exec("ethtool", "-L", "rx0", "rx", "2", "tx", "2");
  });

  test("a bridge that it belongs to", () => {
    ip("link", "add", "br0", "type", "bridge");
    ip("link", "set", "rx0", "master", "br0");
    const { findings, best } = ask();
    assert.match(findings.get("link")!.text, /part of br0$/);
    assert.match(findings.get("addresses")!.text, /^br0 lives on its frames: mode mirror would take/);
    assert.equal(best.best, "host");
    ip("link", "del", "br0");
  });

  test("an XDP program of somebody else, native or generic: the command takes it off", (t) => {
    if (!existsSync(XDP_OBJECT)) return t.skip("bpf/build is not built");
    for (const keyword of ["xdpdrv", "xdpgeneric"]) {
      ip("link", "set", "dev", "rx0", keyword, "obj", XDP_OBJECT, "sec", "xdp");
      const { verdict, mend } = ask().findings.get("xdp_program")!;
      assert.equal(verdict, "bad");
      const command = /ip link set [^,]+/.exec(mend)![0].split(" ");
      space.exec(command[0]!, ...command.slice(1));
      assert.equal(ask().findings.get("xdp_program")!.verdict, "ok", mend);
    }
  });

  test("a tc filter of somebody else", (t) => {
    if (!existsSync(TC_OBJECT)) return t.skip("bpf/build is not built");
    space.exec("tc", "qdisc", "add", "dev", "rx0", "clsact");
    space.exec("tc", "filter", "add", "dev", "rx0", "egress", "bpf", "da", "obj", TC_OBJECT, "sec", "tc");
    const { findings, best } = ask();
    const { verdict, text, value } = findings.get("tc_programs")!;
    assert.equal(verdict, "warn");
    assert.match(text, /1 tc program or filter: egress bpf /);
    assert.equal((value as { kind: string }[])[0]!.kind, "bpf");
    assert.equal(best.best, "mirror", "it is in nobody's way");
    space.exec("tc", "qdisc", "del", "dev", "rx0", "clsact");
    assert.equal(ask().findings.get("tc_programs")!.verdict, "ok");
  });

  test("programs and sockets of another process: XDP, tcx, AF_XDP", async () => {
    const holder = space.spawn(process.execPath, ["--input-type=module", "-e", HOLDER], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    try {
      const said = await new Promise<string>((resolve, reject) => {
        holder.stdout!.once("data", (data: Buffer) => resolve(data.toString()));
        holder.once("exit", (code) => reject(new Error(`the holder ended: ${code}`)));
      });
      const { code, findings, best } = ask("--try");
      const xdp = findings.get("xdp_program")!;
      assert.equal(xdp.verdict, "bad");
      assert.match(xdp.text, /^XDP program \d+ \(redirect\w*\) is attached in native mode$/);
      assert.match(findings.get("mode_mirror")!.text, /another XDP program is attached/);
      assert.equal(findings.get("bind_copy")!.verdict, "bad", "its queue is taken");
      const sockets = findings.get("xdp_sockets")!;
      if (sockets.verdict !== "unseen") assert.match(sockets.text, /^1 AF_XDP socket: queue 0 \(copy\)$/);
      if (said.includes("tcx")) assert.match(findings.get("tc_programs")!.text, /ingress tcx mirror id \d+/);
      assert.deepEqual([code, best.best], [0, "host"]);
    } finally {
      const gone = new Promise((resolve) => holder.once("exit", resolve));
      holder.kill("SIGKILL");
      await gone;
    }
  });

  test("without rights: it looks all the same, and says what it could not see", async () => {
    const command = `setpriv --reuid 65534 --clear-groups ${process.execPath} ${CLI} doctor rx0`;
    const child = spawn("ip", ["netns", "exec", space.name, "sh", "-c", command]);
    let out = "";
    child.stdout.on("data", (data: Buffer) => void (out += data.toString()));
    const code = await new Promise((resolve) => child.once("exit", resolve));
    assert.equal(code, 5);
    assert.match(out, /^unseen +tc_programs /m);
    assert.match(out, /with the rights that it lacks: mirror$/m);
  });
});

/** A process that takes queue 0, attaches an XDP program and, where the kernel has tcx, a tc program. */
const HOLDER = `
  import { redirectObject, StandingLink, TcPrograms, XdpProgram, XskSocket } from ${JSON.stringify(LIBRARY)};
  const memory = new WebAssembly.Memory({ initial: 64, maximum: 64, shared: true });
  const socket = new XskSocket({ memory, umem: { offset: 0, size: 64 * 4096, chunkSize: 4096 }, interface: "rx0",
    queue: 0, rings: { offset: 65536 * 8 }, rxSize: 64, fillSize: 64, completionSize: 64, bind: "copy" });
  const program = XdpProgram.load(redirectObject(), { program: "redirect" });
  const link = program.attach("rx0", "native");
  let tcx;
  try {
    const both = { in: "mirror", out: "mirror" };
    const tc = TcPrograms.load(${JSON.stringify(TC_OBJECT)}, { programs: { 2: both, 3: both } });
    tcx = StandingLink.attach({ fd: tc.fd(2, "in") }, "rx0", "tcx-ingress");
  } catch (error) {
    // A kernel before 6.6.
    if (error.code !== "XDP_UNSUPPORTED") throw error;
  }
  console.log(tcx === undefined ? "up" : "up with tcx");
  setInterval(() => [socket, link], 1000);
`;
