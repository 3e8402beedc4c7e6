/** Extensions that make more than an archive may have: it goes without their parts, and its links are exact. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, describe, test } from "node:test";
import { generate } from "../../bench/generator/generator.js";
import { decodeArchive } from "../../lib/archive.js";
import { example, HOSTILE, LABELS, Modules } from "../extension/modules.js";
import { archivesIn, exportLinks, Rig } from "./rig.js";
import { liveSkipReason } from "./tools/netns.js";

const FRAMES = 100_000;
const FRAME_BYTES = 60;
const ARCHIVE_BYTES_MAX = 256 << 10;

const table = (name: string, file: string): string => `[[extension]]\nname = "${name}"\nfile = "${file}"\n`;

describe("archives of bounded size", { skip: liveSkipReason() }, () => {
  const modules = new Modules();
  after(() => modules.close());

  test("a flood of labels and one of rows are left out and told; the links and a small extension stay", async () => {
    const labels = await modules.hostile(LABELS);
    const rows = await modules.hostile(HOSTILE.rows[0]);
    const tables = `archive_bytes_max = ${ARCHIVE_BYTES_MAX}
${table("labels", labels)}${table("rows", rows)}${table("healthy", example("template"))}`;
    const rig = new Rig({ tables });
    try {
      await rig.start();
      const report = await generate(rig.sender, "tx0", { count: FRAMES, rate: 100_000, seed: 7 });
      await rig.settled(report.frames);
      const shed = ({ name, shed: times, status }: { name: string; shed: number; status: string }): boolean =>
        name === "healthy" || times > 0 || status === "suspended";
      const status = await rig.statusWhen(({ extensions }) => extensions!.every(shed));
      const metrics = await rig.metrics();
      assert.equal(await rig.stop(), 0, rig.log);
      assert.equal(status.counters.frames, report.frames, "every frame is counted");
      for (const path of archivesIn(rig.spool)) {
        const archive = readFileSync(path);
        // On a busy host an interval may have so many links that they alone are more.
        const { members } = decodeArchive(archive);
        const isBare = !members.some(({ name }) => name.startsWith("ext."));
        assert.ok(archive.length <= ARCHIVE_BYTES_MAX || isBare, `${path} is within the bound`);
      }
      const total = exportLinks([rig.spool], 4).reduce((sum, line) => sum + Number(line.split(",")[3]), 0);
      assert.equal(total, FRAMES * FRAME_BYTES, "the links are exact");
      const counted: Record<string, number> = {};
      for (const { frames, extensions, members } of rig.manifests()) {
        for (const [name, record] of Object.entries(extensions!)) {
          assert.equal(record.frames + record.missed, frames, name);
          if (record.shed === undefined) continue;
          if (name === "healthy")
            assert.ok(!members.some((member) => member.name.startsWith("ext.")), "the last one");
          counted[name] = (counted[name] ?? 0) + record.shed;
          assert.deepEqual([record.frames, record.rows, record.reason?.slice(0, 5)], [0, 0, "shed:"]);
          assert.ok(!members.some((member) => member.name.startsWith(`ext.${name}.`)));
        }
      }
      assert.ok((counted.rows ?? 0) > 0, "rows");
      assert.match(rig.log, /extension rows is shed: too large for an archive of 262144 bytes/);
      assert.match(metrics, /sparsewire_extension_shed_total\{extension="rows"\} [1-9]/);
      // On a host that is slow it is late with them, and suspended for that.
      const flood = status.extensions!.find(({ name }) => name === "labels")!;
      assert.ok((counted.labels ?? 0) > 0 || /^late: /.test(flood.reason ?? ""), rig.log);
    } finally {
      rig.close();
    }
  });
});
