/** What the aggregator itself refuses: which intervals leave the spool for it, which wait, and what is kept of them. */
import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Spool } from "../../daemon/sensor/spool.js";
import { archiveName } from "../../lib/archive.js";
import { archive, config, head, NOON, put, SECOND, temporaryFolder, test } from "../aggregator/support.js";
import { interval } from "./interval.js";
import { asideIn, entriesIn, newRun, sensing, serve, until } from "./support.js";

/** Writes a file into a spool as if it were an interval. */
function place(spool: string, run: string, sequence: number, bytes: Uint8Array): string {
  const name = archiveName(head({ run, sequence, start: NOON + BigInt(sequence) * SECOND }));
  writeFileSync(join(spool, name), bytes);
  return name;
}

test("what is damaged or refused for good is set aside under its name, and counted; the rest goes by", async () => {
  const server = await serve(config());
  const spool = join(temporaryFolder(), "spool");
  mkdirSync(spool);
  const run = newRun();
  const good = interval(run, 9).archive;
  const members = [{ name: "links4.packets.grb", data: new Uint8Array(100) }];
  const flipped = archive({ run, sequence: 3, start: NOON + 3n * SECOND }, members);
  flipped[flipped.length - 1500] = 1;
  const damaged = [
    place(spool, run, 0, new Uint8Array(0)),
    place(spool, run, 1, new Uint8Array(2048)),
    place(spool, run, 2, good.subarray(0, good.length - 600)),
    place(spool, run, 3, flipped),
  ];
  // Sound archives that are not what their names say, and one whose interval is there with other bytes.
  const mismatch = place(spool, run, 4, interval(run, 5).archive);
  const known = interval(run, 6);
  assert.equal((await put(server.url, known.archive, { run, sequence: 6 })).status, 201);
  const conflict = place(
    spool,
    run,
    6,
    archive({ run, sequence: 6, start: NOON + 6n * SECOND, software: "x" }),
  );
  const fine = place(spool, run, 7, interval(run, 7).archive);
  const { delivery, lines } = sensing(spool, server.url);
  const lostOnes = () => Object.values(delivery.figures().lost).reduce((sum, count) => sum + count, 0);
  await until(() => delivery.figures().acknowledged + lostOnes() === 7);
  const aside = [
    ...damaged.map((name) => `${name}.damaged`),
    `${mismatch}.refused`,
    `${conflict}.refused`,
  ].sort();
  assert.deepEqual(asideIn(spool).sort(), aside);
  const { lost, acknowledged } = delivery.figures();
  assert.deepEqual(lost, { spool_unreadable: 4, refused_bad_archive: 1, refused_conflict: 1 });
  assert.equal(acknowledged, 1, fine);
  assert.ok(lines.some(({ msg }) => /it is kept as .*\.damaged$/.test(String(msg))));
  await delivery.close(100);
  await server.close();
});

test("an interval that a mend of the aggregator would let in waits, and others go ahead of it", async () => {
  const settings = config({ limits: { max_archive_bytes: "16KiB" } });
  let server = await serve(settings);
  const spool = join(temporaryFolder(), "spool");
  mkdirSync(spool);
  const run = newRun();
  const member = { name: "quantities.json", data: new Uint8Array(40_000) };
  const large = place(spool, run, 0, archive({ run, sequence: 0 }, [member]));
  for (let sequence = 1; sequence < 4; sequence++)
    place(spool, run, sequence, interval(run, sequence).archive);
  const first = sensing(spool, server.url);
  await until(() => first.delivery.figures().acknowledged === 3);
  await until(() => (first.delivery.figures().retries.too_large ?? 0) > 1 && entriesIn(spool).length === 1);
  assert.deepEqual([entriesIn(spool), first.delivery.figures().lost], [[large], {}]);
  assert.equal(first.delivery.figures().deferred, 1);
  assert.match(first.delivery.figures().lastError ?? "", /limits\.max_archive_bytes/);
  await first.delivery.close(100);
  await server.close();

  server = await serve({ ...settings, limits: { ...settings.limits, max_archive_bytes: 1 << 20 } });
  const second = sensing(spool, server.url);
  await until(() => entriesIn(spool).length === 0);
  assert.deepEqual(second.delivery.figures().lost, {});
  await second.delivery.close(100);
  await server.close();
});

test("what is set aside gives way to intervals, and never takes more than its share", async () => {
  const path = join(temporaryFolder(), "spool");
  const spool = new Spool(path, 160_000);
  const run = newRun();
  const dropped: string[] = [];
  for (let sequence = 0; sequence < 30; sequence++) {
    const { name, archive } = interval(run, sequence);
    await spool.put(name, archive, (one) => dropped.push(one));
    if (sequence < 10) await spool.setAside(name, "refused");
    assert.ok(spool.aside.bytes <= 20_000, `${spool.aside.bytes}`);
    assert.ok(spool.aside.bytes + spool.bytes <= 160_000);
  }
  const { archive } = interval(run, 30);
  assert.equal(dropped.length, 0);
  assert.ok(spool.aside.depth > 0 && asideIn(path).length === spool.aside.depth);
  // The next start finds both.
  const again = new Spool(path, 160_000);
  assert.deepEqual([again.depth, again.aside.depth], [spool.depth, spool.aside.depth]);
  const big = new Uint8Array(160_000 - again.bytes - archive.length / 2);
  await again.put(archiveName(head({ run, sequence: 31, start: NOON + 40n * SECOND })), big, (one) =>
    dropped.push(one),
  );
  assert.deepEqual([again.aside.depth, dropped.length], [0, 0]);
  assert.equal(readFileSync(join(path, again.oldest()!)).length, archive.length);
});
