/** Errors of this machine: an interval that cannot be read, listed or deleted now waits, and nothing is forgotten. */
import assert from "node:assert/strict";
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { RunState } from "../../daemon/sensor/run-state.js";
import { Spool } from "../../daemon/sensor/spool.js";
import { config, metric, temporaryFolder, test } from "../aggregator/support.js";
import { fuzz, mutate } from "../pcap/fuzz.js";
import { interval } from "./interval.js";
import { entriesIn, fill, newRun, sensing, serve, until } from "./support.js";

test("an entry that cannot be looked at stops no start, is told, and waits while the others are delivered", async () => {
  const server = await serve(config());
  const spool = join(temporaryFolder(), "spool");
  const { run } = fill(spool, 2);
  // A link to itself can be neither looked at nor read: ELOOP.
  const { name, archive } = interval(run, 9);
  symlinkSync(name, join(spool, name));
  const { delivery, lines } = sensing(spool, server.url);
  await until(
    () => delivery.figures().acknowledged === 2 && (delivery.figures().retries.spool_read ?? 0) > 1,
  );
  assert.deepEqual([entriesIn(spool), delivery.figures().lost], [[name], {}]);
  assert.deepEqual([delivery.figures().waiting, delivery.figures().deferred], [1, 1]);
  for (const told of [/cannot be looked at \(ELOOP\); it stays/, /cannot be read \(ELOOP\); it waits/]) {
    assert.equal(lines.filter(({ msg }) => told.test(String(msg))).length, 1, `${told}`);
  }
  // Mended.
  writeFileSync(join(spool, "mended"), archive);
  renameSync(join(spool, "mended"), join(spool, name));
  await until(() => delivery.figures().acknowledged === 3);
  assert.deepEqual(delivery.figures().lost, {});
});

test("an interval that somebody deletes is lost by name; a folder that is replaced proves nothing", async () => {
  const server = await serve(config());
  const { port } = new URL(server.url);
  await server.close();
  const folder = temporaryFolder();
  const spool = join(folder, "spool");
  const { names } = fill(spool, 3);
  const { delivery } = sensing(spool, server.url);
  await until(() => (delivery.figures().retries.ECONNREFUSED ?? 0) > 0);
  rmSync(join(spool, names[0]!));
  await until(() => delivery.figures().lost.spool_deleted === 1);
  renameSync(spool, join(folder, "elsewhere"));
  mkdirSync(spool);
  await until(() => (delivery.figures().retries.spool_read ?? 0) > 3);
  assert.deepEqual([delivery.figures().lost, delivery.figures().waiting], [{ spool_deleted: 1 }, 2]);
  rmSync(spool, { recursive: true });
  renameSync(join(folder, "elsewhere"), spool);
  const back = await serve({ ...server.config, listen: { ...server.config.listen, port: Number(port) } });
  await until(() => delivery.figures().acknowledged === 2);
  assert.deepEqual(delivery.figures().lost, { spool_deleted: 1 });
  assert.equal(await metric(back.url, 'intervals_received_total{result="stored"}'), 2);
});

test("a spool that cannot be made or listed is an error that says so", () => {
  const folder = temporaryFolder();
  writeFileSync(join(folder, "file"), "");
  for (const path of [join(folder, "file"), join(folder, "file", "spool")]) {
    assert.throws(() => new Spool(path, 1 << 20), {
      code: "SPOOL_UNUSABLE",
      message: /cannot be used \((ENOTDIR|EEXIST)\)/,
    });
  }
  return Promise.resolve();
});

test("a damaged run.json is told and kept; whatever is in it, the next run begins", async (t) => {
  const folder = temporaryFolder();
  const path = join(folder, "run.json");
  const told: string[] = [];
  new RunState(folder, "00000000000000aa", (line) => told.push(line)).spooled(7);
  assert.deepEqual([told, readdirSync(folder)], [[], ["run.json"]]);
  const whole = readFileSync(path);
  for (const text of [
    "",
    "{",
    "null",
    "[]",
    '"x"',
    '{"run":7}',
    '{"run":"zz","sequence":1}',
    "\0".repeat(200),
  ]) {
    writeFileSync(path, text);
    told.length = 0;
    assert.deepEqual(new RunState(folder, newRun(), (line) => told.push(line)).previous, [], text);
    assert.match(told.join("\n"), /^\S+run\.json is damaged \(.+\): .+ it is kept as \S+run\.json\.damaged$/);
    assert.equal(readFileSync(`${path}.damaged`, "utf8"), text);
  }
  mkdirSync(join(folder, "other"));
  mkdirSync(join(folder, "other", "run.json"));
  told.length = 0;
  new RunState(join(folder, "other"), newRun(), (line) => told.push(line));
  assert.match(told.join("\n"), /damaged \(EISDIR\)/);
  await fuzz(
    t,
    (random) => {
      const bytes = mutate(random, whole);
      writeFileSync(path, bytes);
      told.length = 0;
      const { previous } = new RunState(folder, newRun(), (line) => told.push(line));
      assert.equal(told.length, previous.length === 0 ? 1 : 0, Buffer.from(bytes).toString("latin1"));
      for (const { run, sequence } of previous) {
        assert.match(run, /^[0-9a-f]{16}$/);
        assert.ok(sequence === null || Number.isSafeInteger(sequence));
      }
    },
    1,
  );
});
