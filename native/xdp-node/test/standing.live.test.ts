/** Attachments that outlive a process, found again by the next; two interfaces on one UMEM. */
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import {
  holdPromiscuous,
  interfaceIndex,
  isBpfFileSystem,
  linkState,
  probe,
  redirectObject,
  StandingLink,
  setPromiscuous,
  Umem,
  waitForFrames,
  wakeTx,
  XdpProgram,
  XskSocket,
} from "../lib/index.js";
import { enterNamespace, ip } from "./namespace.js";
import { openTap, receiveFrames, sendFrames, sharedMemory, testFrame, UMEM, vethPair } from "./rig.js";

const load = () => XdpProgram.load(redirectObject(), { program: "redirect" });
const attached = (name: string) => probe(name).interface!.xdp?.programId;
const promiscuity = (name: string) =>
  Number(
    /promiscuity (\d+)/.exec(execFileSync("ip", ["-d", "link", "show", name], { encoding: "utf8" }))![1],
  );

/** A BPF file system of the test's own. */
function pins(): string {
  const folder = mkdtempSync(join(tmpdir(), "xdp-node-bpffs-"));
  const mounted = spawnSync("mount", ["-t", "bpf", "bpf", folder], { encoding: "utf8" });
  assert.equal(mounted.status, 0, mounted.stderr);
  after(() => {
    spawnSync("umount", [folder]);
    rmdirSync(folder);
  });
  return folder;
}

/** The program of a link that is pinned. */
function pinnedProgram(path: string, name: string): number {
  const link = StandingLink.open(path, name)!;
  const { programId } = link.facts();
  link.close();
  return programId;
}

if (enterNamespace(import.meta.url)) {
  test("a pinned link stays when it is closed, is found again, and takes another program", () => {
    const { near } = vethPair();
    const path = join(pins(), "link");
    assert.ok(isBpfFileSystem(join(path, "..")) && !isBpfFileSystem(tmpdir()));
    const [first, second] = [load(), load()];
    const link = StandingLink.attach(first, near, "xdp-native");
    link.pin(path);
    link.close();
    link.close();
    assert.equal(attached(near), pinnedProgram(path, near));
    const found = StandingLink.open(path, near)!;
    const before = found.facts();
    assert.equal(before.ifindex, interfaceIndex(near));
    found.update(second);
    assert.notEqual(found.facts().programId, before.programId);
    assert.equal(attached(near), found.facts().programId);
    found.detach();
    assert.equal(attached(near), undefined, "detached although it is pinned");
    assert.throws(() => found.facts(), { code: "XDP_BAD_ARGUMENT" });
    first.close();
    second.close();
  });

  test("a pin whose interface was deleted is removed, also when there is one of that name again", () => {
    const { near } = vethPair();
    const path = join(pins(), "link");
    const program = load();
    const link = StandingLink.attach(program, near, "xdp-generic");
    link.pin(path);
    link.close();
    ip(`link del ${near}`);
    ip(`link add ${near} type veth`);
    assert.equal(StandingLink.open(path, near), undefined);
    assert.ok(!existsSync(path));
    assert.equal(StandingLink.open(path, near), undefined, "none at all");
    program.close();
  });

  test("what cannot be attached or pinned says why", () => {
    const { near } = vethPair();
    const program = load();
    assert.throws(() => StandingLink.attach(program, "none0", "xdp-native"), { code: "XDP_NO_INTERFACE" });
    const link = StandingLink.attach(program, near, "xdp-native");
    assert.throws(() => StandingLink.attach(program, near, "xdp-native"), { code: "XDP_PROGRAM_PRESENT" });
    assert.throws(() => link.pin(join(tmpdir(), "no-bpffs")), /pin a bpf_link/);
    link.close();
    assert.equal(attached(near), undefined, "it was not pinned: closing it detaches");
    program.close();
  });

  test("promiscuous: as long as it is held, or as the flag says", () => {
    const { near } = vethPair();
    const held = holdPromiscuous(near);
    assert.equal(promiscuity(near), 1);
    held.close();
    held.close();
    assert.equal(promiscuity(near), 0);
    setPromiscuous(near, true);
    assert.equal(promiscuity(near), 1);
    setPromiscuous(near, false);
    assert.equal(promiscuity(near), 0);
    assert.throws(() => setPromiscuous("none0", true), /none0 promiscuous/);
  });

  test("linkState tells up and running apart", () => {
    const { near, far } = vethPair();
    ip(`link set dev ${far} down`);
    assert.deepEqual([linkState(near).up, linkState(near).running], [true, false]);
    ip(`link set dev ${near} down`);
    assert.equal(linkState(near).up, false);
  });

  test("two interfaces on one UMEM: what arrives on one leaves by the other without a copy", () => {
    const [a, b] = [vethPair(), vethPair()];
    const memory = sharedMemory();
    const sizes = { rxSize: 64, txSize: 64, fillSize: 64, completionSize: 64 };
    const umem = new Umem(memory, { ...UMEM, ...sizes });
    const common = { memory, umem, queue: 0, bind: "auto", ...sizes } as const;
    const from = new XskSocket({ ...common, interface: a.near, rings: { offset: 64 * 1024 } });
    const to = new XskSocket({ ...common, interface: b.near, rings: { offset: 128 * 1024 } });
    const program = load();
    program.map("xsks").set(0, from);
    const link = program.attach(a.near, "native");
    const tap = openTap(b.far);
    const words = new Uint32Array(memory.buffer);
    const quads = new BigUint64Array(memory.buffer);
    for (let i = 0; i < 64; i++) quads[from.rings.fill.descriptors / 8 + i] = BigInt(2048 * i);
    words[from.rings.fill.producer / 4] = 64;
    const sent = [testFrame(1), testFrame(2, 1000)];
    sendFrames(a.far, sent);
    while (words[from.rings.rx.producer / 4]! < 2) assert.ok(waitForFrames([from.fd, to.fd], 1_000_000) > 0);
    for (let i = 0; i < 4 * 2; i++)
      words[to.rings.tx!.descriptors / 4 + i] = words[from.rings.rx.descriptors / 4 + i]!;
    words[to.rings.tx!.producer / 4] = 2;
    assert.equal(wakeTx(to.fd), 0);
    assert.deepEqual(receiveFrames(tap, 2), sent);
    assert.equal(words[to.rings.completion.producer / 4], 2);
    ip(`link set dev ${b.near} down`);
    words[to.rings.tx!.producer / 4] = 3;
    assert.equal(wakeTx(to.fd), 100, "ENETDOWN passes");
    tap.close();
    to.close();
    from.close();
    link.detach();
    program.close();
    assert.throws(() => wakeTx(-1 >>> 1), { code: "XDP_CLOSED" });
  });
}
