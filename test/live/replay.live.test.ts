/** Real captures through real AF_XDP: the matrices are the captures' own, to the packet and the byte. */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { Rig, sortedLines } from "./rig.js";
import { isEthernet, readCapture } from "./tools/frames.js";
import { liveSkipReason } from "./tools/netns.js";
import { replayFrames } from "./tools/replay.js";

const CAPTURES =
  process.env.SPARSEWIRE_PCAPS ?? fileURLToPath(new URL("../../../../shared/pcaps", import.meta.url));
/** The largest MTU of a veth: nothing of a capture is too long for it. */
const MTU = 65_535;
const names = existsSync(CAPTURES)
  ? readdirSync(CAPTURES).filter((name) => /\.(pcap|pcapng)(\.gz)?$/.test(name))
  : [];

const expected = (name: string, family: 4 | 6): string[] => {
  const path = join(CAPTURES, `${name}.v${family}.csv`);
  return existsSync(path) ? sortedLines(readFileSync(path, "utf8")) : [];
};

/** A capture is replayable when every record of it can travel on Ethernet. */
function replayable(name: string): boolean {
  const frames = readCapture(join(CAPTURES, name));
  return frames.length > 0 && frames.every((frame) => isEthernet(frame) && frame.bytes.length >= 14);
}

const MODES = [
  ["native XDP, copy", 'attach = "native"\nbind = "copy"\n'],
  ["generic XDP", 'attach = "generic"\n'],
] as const;

for (const [title, top] of MODES) {
  const reason = liveSkipReason() ?? (names.length === 0 ? "no captures at ../shared/pcaps" : undefined);
  describe(`captures through AF_XDP, ${title}`, { skip: reason }, () => {
    let rig: Rig;
    before(() => {
      // GRO would merge TCP segments before generic XDP sees them; native needs frames that fit its buffers.
      rig = new Rig({ mtu: MTU, top });
    });
    after(() => rig.close());

    for (const name of names) {
      test(name, async (t) => {
        if (!replayable(name)) return t.skip("has records that cannot travel on Ethernet");
        await rig.start();
        const report = await replayFrames(rig.sender, "tx0", readCapture(join(CAPTURES, name)), {
          mtu: MTU,
          pad: true,
        });
        const status = await rig.settled(report.frames);
        assert.equal(await rig.stop(), 0);
        assert.equal(status.counters.frames, report.frames, "every frame sent is counted");
        for (const family of [4, 6] as const) {
          assert.deepEqual(rig.links(family), expected(name, family), `IPv${family}`);
        }
        const manifests = rig.manifests();
        const frames = manifests.reduce((sum, manifest) => sum + manifest.frames, 0);
        assert.equal(frames, report.frames, "the manifests account for every frame");
        assert.equal(manifests[0]!.effective?.attach, title.startsWith("native") ? "native" : "generic");
        assert.equal(manifests[0]!.effective?.bind, "copy");
        rig.emptySpool();
      });
    }
  });
}
