/** The spool on a disk that is full: a clear error, nothing half-written, and recovery when there is room again. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { generate } from "../../bench/generator/generator.js";
import { decodeArchive } from "../../lib/archive.js";
import { archivesIn, Rig, sleep } from "./rig.js";
import { liveSkipReason } from "./tools/netns.js";

describe("a spool in trouble", { skip: liveSkipReason() }, () => {
  test("a full disk delays intervals in memory and loses none that fit", async () => {
    const rig = new Rig({ top: 'interval = "100ms"\n' });
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=2m", "tmpfs", rig.spool]);
    try {
      const filler = join(rig.spool, "filler");
      await rig.start();
      await sleep(400);
      writeFileSync(filler, Buffer.alloc(4 << 20), { flag: "a" });
    } catch (error) {
      assert.equal((error as NodeJS.ErrnoException).code, "ENOSPC");
    }
    try {
      const sent = await generate(rig.sender, "tx0", { count: 20_000, rate: 20_000, links: 5000 });
      await rig.until(async () => (await rig.status()).spool!.waiting > 3);
      assert.match(rig.log, /the spool cannot be written \(ENOSPC\).*free space/);
      // What an attempt that is under way has written goes with it.
      await rig.until(() => !readdirSync(rig.spool).some((name) => name.startsWith(".tmp-")));
      rmSync(join(rig.spool, "filler"));
      await rig.until(async () => (await rig.status()).spool!.waiting <= 1);
      assert.match(rig.log, /the spool can be written again/);
      const { intervals } = await rig.status();
      assert.deepEqual(intervals.lost, {});
      assert.equal(await rig.stop(), 0);
      const manifests = archivesIn(rig.spool).map((path) => decodeArchive(readFileSync(path)).manifest);
      assert.deepEqual(
        manifests.map(({ sequence }) => sequence),
        manifests.map((_, i) => i),
      );
      const dropped = ({ drops }: (typeof manifests)[0]): number =>
        Object.values(drops).reduce((sum, count) => sum + count, 0);
      assert.equal(
        manifests.reduce((sum, manifest) => sum + manifest.frames + dropped(manifest), 0),
        sent.frames,
      );
    } finally {
      rig.lab.close();
      execFileSync("umount", [rig.spool]);
      rig.close();
    }
  });

  test("a spool that outgrows its bound drops its oldest intervals, counted, and says so in every manifest", async () => {
    const rig = new Rig({ top: 'interval = "100ms"\n', spoolBytes: "1MiB" });
    try {
      await rig.start();
      for (let i = 0; i < 6; i++)
        await generate(rig.sender, "tx0", { count: 60_000, rate: 200_000, distribution: "distinct" });
      await rig.until(async () => ((await rig.status()).intervals.lost.spool_full ?? 0) > 0);
      assert.equal(await rig.stop(), 0);
      const manifests = rig.manifests();
      const bytes = archivesIn(rig.spool).reduce((sum, path) => sum + readFileSync(path).length, 0);
      assert.ok(bytes <= 1 << 20, `${bytes} bytes in the spool`);
      const last = manifests.at(-1)!;
      const dropped = manifests[0]!.sequence;
      assert.ok(dropped > 0, "the oldest went");
      assert.ok(last.lost!.spool_full! > 0 && last.lost!.spool_full! <= dropped);
      assert.match(rig.log, /interval lost \(spool_full\)/);
    } finally {
      rig.close();
    }
  });
});
