/** Mode inline with an extension that says what becomes of each frame. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { pathToFileURL } from "node:url";
import { eth, LINK } from "../pcap/packet.js";
import { accounted, InlineRig } from "./inline-rig.js";
import { liveSkipReason } from "./tools/netns.js";
import { replayFrames } from "./tools/replay.js";
import { record, tcpdumpSkipReason } from "./tools/tcpdump.js";
import { repositoryRoot } from "./tools/tool.js";

/** UDP to port 7 is dropped, to port 9 diverted, all else passes. */
const SOURCE = `#include "sparsewire_extension.h"
SW_EXTENSION("sparsewire/1 row=source:ipv4 column=port:port")
SW_BATCH(frames, count) {
  for (uint32_t i = 0; i < count; i++) {
    const uint8_t *p = sw_bytes(&frames[i]);
    if (frames[i].captured < 42 || SW_IS_CONTINUED(&frames[i]) || p[23] != 17) continue;
    uint32_t port = sw_load16(p + 36);
    sw_row(sw_load32(p + 26), port, 1);
    sw_verdict(i, port == 7 ? SW_DROP : port == 9 ? SW_DIVERT : SW_PASS);
  }
}
`;
/** Never comes back from the second batch on. */
const STUCK = `#include "sparsewire_extension.h"
SW_EXTENSION("sparsewire/1")
static volatile uint32_t calls;
SW_BATCH(frames, count) {
  for (uint32_t i = 0; i < count; i++) sw_verdict(i, frames[i].captured > 0 ? SW_PASS : SW_DROP);
  if (calls++ > 0) for (;;) calls |= 1;
}
`;

const folder = mkdtempSync(join(tmpdir(), "sparsewire-verdict-"));
after(() => rmSync(folder, { recursive: true }));

async function compile(name: string, source: string): Promise<string> {
  const module = (await import(pathToFileURL(join(repositoryRoot(), "native/extension/build.mjs")).href)) as {
    buildExtension(source: string, output: string): void;
  };
  const path = join(folder, name);
  writeFileSync(`${path}.c`, source);
  module.buildExtension(`${path}.c`, `${path}.wasm`);
  return `${path}.wasm`;
}

const frameTo = (port: number, number: number) => {
  const bytes = Buffer.from(eth().ipv4("10.0.0.1", "10.0.0.2").udp(1000, port, 100).bytes());
  bytes.writeUInt32BE(number, 60);
  return { bytes, length: bytes.length, linkType: LINK.ethernet };
};

describe("mode inline, verdicts of an extension", { skip: liveSkipReason() ?? tcpdumpSkipReason() }, () => {
  test("pass, drop and divert; every frame has one fate, and order is kept", async () => {
    const file = await compile("ports", SOURCE);
    const rig = new InlineRig({
      divert: true,
      inline: 'verdict = "ports"\n',
      tables: `[[extension]]\nname = "ports"\nfile = "${file}"\n`,
    });
    try {
      await rig.start();
      const recordings = [await record(rig.right, "tx1"), await record(rig.aside!, "tx2")] as const;
      const frames = Array.from({ length: 9000 }, (_, i) => frameTo([80, 7, 9][i % 3]!, i));
      await replayFrames(rig.left, "tx0", frames);
      const direction = await rig.forwarded("rx0", 9000);
      assert.deepEqual(
        [direction.frames, direction.forwarded, direction.diverted, direction.dropped.verdict],
        [9000, 3000, 3000, 3000],
        JSON.stringify(direction),
      );
      const [passed, diverted] = [await recordings[0].stop(), await recordings[1].stop()];
      const wanted = (port: number) => frames.filter(({ bytes }) => bytes.readUInt16BE(36) === port);
      for (const [seen, port] of [
        [passed, 80],
        [diverted, 9],
      ] as const) {
        assert.equal(seen.length, 3000);
        for (const [i, frame] of wanted(port).entries())
          assert.ok(frame.bytes.equals(seen[i]!.bytes), `${port}: ${i}`);
      }
      assert.equal((await rig.status()).counters.frames, 9000, "dropped ones are counted, too");
      assert.equal(await rig.stop(), 0, rig.log);
    } finally {
      rig.close();
    }
  });

  for (const [onExit, fate] of [
    ["open", "forwarded"],
    ["closed", "verdict"],
  ] as const) {
    test(`an extension that is stuck: late frames are ${fate === "verdict" ? "dropped" : "passed"} (${onExit})`, async (t) => {
      const file = await compile("stuck", STUCK);
      const rig = new InlineRig({
        onExit,
        inline: 'verdict = "stuck"\nverdict_timeout = "20ms"\n',
        tables: `[[extension]]\nname = "stuck"\nfile = "${file}"\nbatch_timeout = "100ms"\n`,
      });
      try {
        await rig.start();
        const frames = Array.from({ length: 5000 }, (_, i) => frameTo(80, i));
        await replayFrames(rig.left, "tx0", frames, { rate: 5000 });
        const direction = await rig.forwarded("rx0", 5000);
        t.diagnostic(JSON.stringify(direction));
        assert.equal(accounted(direction), 5000);
        assert.equal(direction.frames, 5000);
        if (fate === "forwarded") assert.equal(direction.forwarded, 5000);
        else assert.ok(direction.dropped.verdict > 4000, "nobody gives verdicts: nothing passes");
        assert.match(rig.log, /suspended/);
      } finally {
        rig.close();
      }
    });
  }
});
