/** The example extensions on the real captures, through real AF_XDP: exact, and no frame missed. */
import assert from "node:assert/strict";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { EXAMPLES } from "../extension/expected.js";
import { example } from "../extension/modules.js";
import { Rig } from "./rig.js";
import { isEthernet, readCapture } from "./tools/frames.js";
import { liveSkipReason } from "./tools/netns.js";
import { replayFrames } from "./tools/replay.js";

const CAPTURES =
  process.env.SPARSEWIRE_PCAPS ?? fileURLToPath(new URL("../../../../shared/pcaps", import.meta.url));
/** The largest MTU of a veth: nothing of a capture is too long for it. */
const MTU = 65_535;
/** Those with something to find; the offline test has all. */
const WANTED = ["nDPI__anyconnect-vpn.pcap", "mercury__capture2.pcap", "PcapPlusPlus__example.pcap"];
const names = existsSync(CAPTURES) ? readdirSync(CAPTURES).filter((name) => WANTED.includes(name)) : [];
const reason = liveSkipReason() ?? (names.length === 0 ? "no captures at ../shared/pcaps" : undefined);

describe("example extensions through AF_XDP", { skip: reason }, () => {
  let rig: Rig;
  before(() => {
    const tables = Object.keys(EXAMPLES).map(
      (name) => `[[extension]]\nname = "${name}"\nfile = "${example(name)}"\n`,
    );
    rig = new Rig({ mtu: MTU, tables: tables.join("") });
  });
  after(() => rig.close());

  for (const name of names) {
    test(name, async () => {
      const frames = readCapture(join(CAPTURES, name));
      assert.ok(frames.every(isEthernet));
      await rig.start();
      const report = await replayFrames(rig.sender, "tx0", frames, { mtu: MTU, pad: true });
      const status = await rig.settled(report.frames);
      assert.equal(await rig.stop(), 0, rig.log);
      assert.equal(status.counters.frames, report.frames);
      const sum: Record<string, number> = {};
      for (const { extensions } of rig.manifests()) {
        for (const [extension, record] of Object.entries(extensions!)) {
          assert.deepEqual([record.status, record.missed, record.rows_lost], ["running", 0, 0], extension);
          sum[extension] = (sum[extension] ?? 0) + record.frames;
        }
      }
      for (const [extension, expected] of Object.entries(EXAMPLES)) {
        // A frame in several buffers is several descriptors.
        assert.ok(sum[extension]! >= report.frames, `${extension} saw every frame`);
        assert.deepEqual(rig.extensionLines(extension).sort(), expected(frames), extension);
      }
      rig.emptySpool();
    });
  }
});

/** Mode host has the first 128 bytes: enough for what looks at headers. */
const HEADERS = ["port-source", "tcp-handshake"] as const;

describe("example extensions in mode host", { skip: reason }, () => {
  test("headers of every packet, in a copy of their own", async () => {
    const tables = HEADERS.map((name) => `[[extension]]\nname = "${name}"\nfile = "${example(name)}"\n`);
    const rig = new Rig({ mtu: MTU, top: 'mode = "host"\n', tables: tables.join("") });
    try {
      const frames = readCapture(join(CAPTURES, names[0]!));
      await rig.start();
      const report = await replayFrames(rig.sender, "tx0", frames, { mtu: MTU, pad: true });
      const status = await rig.settled(report.frames);
      assert.equal(await rig.stop(), 0, rig.log);
      assert.equal(status.counters.frames, report.frames);
      for (const extension of HEADERS) {
        const { missed } = status.extensions!.find(({ name }) => name === extension)!;
        assert.equal(missed, 0);
        assert.deepEqual(rig.extensionLines(extension).sort(), EXAMPLES[extension](frames), extension);
      }
    } finally {
      rig.close();
    }
  });
});
