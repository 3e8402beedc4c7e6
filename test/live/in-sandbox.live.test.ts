/**
 * The claim the product is built on: frames are received inside the sandbox's WebAssembly.Memory, nobody in user space
 * copies them, and no JavaScript runs per frame.
 */
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { closeSync, openSync, readFileSync, readSync } from "node:fs";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { generate } from "../../bench/generator/generator.js";
import { eth, LINK } from "../pcap/packet.js";
import { Rig } from "./rig.js";
import { liveSkipReason } from "./tools/netns.js";
import { replayFrames } from "./tools/replay.js";

const WASM = fileURLToPath(new URL("../../../native/sandbox/build/capture.wasm", import.meta.url));
const CHUNK = 1 << 22;

interface Mapping {
  start: number;
  end: number;
  name: string;
}

/** Writable mappings of a process, and where `needle` occurs in them. */
function search(pid: number, needle: Buffer): { mapping: Mapping; address: number }[] {
  const found: { mapping: Mapping; address: number }[] = [];
  const memory = openSync(`/proc/${pid}/mem`, "r");
  const buffer = Buffer.alloc(CHUNK + needle.length);
  for (const line of readFileSync(`/proc/${pid}/maps`, "latin1").split("\n")) {
    const match = /^([0-9a-f]+)-([0-9a-f]+) rw.{2} \S+ \S+ \S+ *(.*)$/.exec(line);
    if (match === null) continue;
    const mapping = {
      start: Number.parseInt(match[1]!, 16),
      end: Number.parseInt(match[2]!, 16),
      name: match[3]!,
    };
    for (let at = mapping.start; at < mapping.end; at += CHUNK) {
      let bytes = 0;
      try {
        bytes = readSync(memory, buffer, 0, Math.min(buffer.length, mapping.end - at), at);
      } catch {
        continue; // a guard page, or a mapping of a device
      }
      for (let hit = buffer.subarray(0, bytes).indexOf(needle); hit >= 0 && hit < CHUNK; ) {
        found.push({ mapping, address: at + hit });
        hit = buffer.subarray(0, bytes).indexOf(needle, hit + 1);
      }
    }
  }
  closeSync(memory);
  return found;
}

describe("frames inside the sandbox", { skip: liveSkipReason() }, () => {
  test("a payload lies once in the process, inside the sandbox's memory, at a frame of the UMEM", async (t) => {
    const rig = new Rig();
    try {
      await rig.start();
      // A payload that nobody but the sender knows: it can be in the sensor only by being received.
      const secret = createHash("sha512").update(randomBytes(32)).digest();
      const bytes = eth().ipv4("10.0.0.1", "10.0.0.2").udp(1, 2, secret.length).bytes();
      bytes.set(secret, bytes.length - secret.length);
      await replayFrames(rig.sender, "tx0", [{ bytes, length: bytes.length, linkType: LINK.ethernet }]);
      const status = await rig.settled(1);
      assert.equal(status.counters.packets, 1);
      const found = search(rig.child!.pid!, secret);
      t.diagnostic(found.map(({ address, mapping }) => `${address.toString(16)} ${mapping.name}`).join(", "));
      assert.equal(found.length, 1, "the payload is in user space once: no copy was made");
      const { address } = found[0]!;
      const [sandbox] = status.sandboxes;
      const start = Number(BigInt(sandbox!.address));
      assert.ok(address >= start && address < start + sandbox!.bytes, "inside the WebAssembly.Memory");
      const [queue] = sandbox!.queues;
      const offset = address - start - queue!.umem_offset;
      assert.ok(offset >= 0 && offset < queue!.umem_bytes, "inside the UMEM");
      // The frame begins behind the kernel's headroom of 256 bytes; the secret behind Ethernet, IPv4 and UDP.
      assert.equal(offset % queue!.chunk_bytes, 256 + 14 + 20 + 8, "at a frame's payload");
    } finally {
      rig.close();
    }
  });

  test("the sandbox can call nothing: its only import is its memory", () => {
    const imports = WebAssembly.Module.imports(new WebAssembly.Module(readFileSync(WASM)));
    assert.deepEqual(imports, [{ module: "env", name: "memory", kind: "memory" }]);
  });

  test("JavaScript runs per batch, never per frame", async (t) => {
    const rig = new Rig();
    try {
      await rig.start();
      const before = await rig.status();
      const sent = await generate(rig.sender, "tx0", { count: 600_000, rate: 300_000 });
      const after = await rig.settled(sent.frames);
      assert.equal(after.counters.frames, 600_000);
      // Calls into the sandbox are breaths and slices of seals; it cannot call out (above).
      const calls = after.counters.breaths - before.counters.breaths;
      const frames = after.counters.frames - before.counters.frames;
      t.diagnostic(`${calls} calls for ${frames} frames`);
      assert.ok(calls * 20 < frames, `${calls} calls for ${frames} frames`);
    } finally {
      rig.close();
    }
  });
});
