/** Sums over archives that nobody should have acknowledged: the files at fault are set aside by name, the rest is summed. */
import assert from "node:assert/strict";
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { levelFolder } from "../../daemon/aggregator/periods.js";
import type { PlannedFile } from "../../daemon/aggregator/plan.js";
import { SumError } from "../../daemon/aggregator/sum.js";
import { blame } from "../../daemon/aggregator/sum-fault.js";
import { archiveName, MEMBERS } from "../../lib/archive.js";
import { bytesOf, type Draft, diceOf, draftOf, MUTATIONS, soundArchive } from "./hostile.js";
import { config, get, NOON, RUN, SECOND, type Server, start, test } from "./support.js";
import { oneLinkArchive, random } from "./traffic.js";

const DAY = "from=2026-01-31T00:00:00Z&to=2026-02-01T00:00:00Z";

const planned = (names: string): PlannedFile[] => [...names].map((path) => ({ path, intervals: 1 }));

/** A trial that fails for certain sets of files; how often it was made. */
function failing(fails: (names: string) => boolean) {
  const trials: string[] = [];
  const trial = async (files: readonly PlannedFile[]): Promise<void> => {
    const names = files.map(({ path }) => path).join("");
    trials.push(names);
    if (fails(names)) throw new Error(`no sum of ${names}`);
  };
  return { trial, trials };
}

test("files that fail alone are found, all of them", async () => {
  const { trial } = failing((names) => /[cg]/.test(names));
  await assert.rejects(blame(planned("abcdefgh"), trial), (error: SumError) => {
    assert.deepEqual([error.fault, error.path, error.others.map(({ path }) => path)], ["bad", "c", ["g"]]);
    return true;
  });
});

test("of files that cannot be added to each other exactly one is found, in few trials", async () => {
  const names = "abcdefghijklmnopqrstuvwxyz";
  for (const pair of ["ab", "bq", "yz", "az"]) {
    const { trial, trials } = failing((files) => [...pair].every((one) => files.includes(one)));
    await assert.rejects(blame(planned(names), trial), { fault: "bad", path: pair[1] });
    assert.ok(trials.length <= names.length + 7, `${trials.length} trials`);
  }
});

test("a sum that can be made after all is nobody's fault, and what is no file's fault stays so", async () => {
  await blame(planned("abc"), failing(() => false).trial);
  for (const fault of ["memory", "stale", "cancelled"] as const) {
    const trial = () => Promise.reject(new SumError(fault, "no"));
    await assert.rejects(blame(planned("abc"), trial), { fault });
  }
});

/** Puts an archive where an upload would have, before there was a check. */
function store(path: string, { manifest, members, ...draft }: Draft, at: number): string {
  const start = NOON + BigInt(at) * SECOND;
  const identity = { sensor: "old", run: RUN, sequence: at, start };
  const file = join(path, levelFolder("raw", start), archiveName(identity));
  mkdirSync(dirname(file), { recursive: true });
  const bytes = bytesOf({ ...draft, members, manifest: { ...manifest, ...identity, end: start + SECOND } });
  writeFileSync(file, bytes);
  return basename(file);
}

async function rolledUp(server: Server): Promise<void> {
  for (let tries = 0; tries < 600; tries++) {
    const { body } = await get(server.url, "/api/v1/status");
    const { levels } = body.store;
    if (body.rollup_pending_minutes === 0 && levels["1h"].files === 1 && levels["1d"].files === 1) return;
    await sleep(50);
  }
  assert.fail("minute, hour and day were not rolled up");
}

/** One stored archive of each mutation that must be refused today, some more, and honest ones among them. */
function poison(path: string): { bad: string[]; honest: number } {
  const next = random(3);
  const bad: string[] = [];
  const sound = draftOf(oneLinkArchive({}, 3, 300));
  let [at, honest] = [0, 0];
  for (const mutation of MUTATIONS.filter(({ name }) => POISON.includes(name))) {
    store(path, sound, at++);
    honest++;
    for (let tries = 0; tries < 500; tries++) {
      const dice = diceOf(next);
      const draft = draftOf(soundArchive({}, dice));
      if (!mutation.make(draft, dice)) continue;
      bad.push(store(path, draft, at++));
      break;
    }
  }
  return { bad, honest };
}

const POISON = [
  "parts of another sensor",
  "planes of other links",
  "one plane of a pair",
  "a blob that is cut",
  "other dimensions",
  "very many protocols",
  "a dictionary that is not sound",
  "a deep manifest",
];

test("poison that was stored before there was a check is set aside by name, and every other sum is made", async () => {
  for (const first of ["rollups", "queries"]) {
    const settings = config({ rollup: { grace: first === "rollups" ? "0" : "1h" } });
    const { bad, honest } = poison(settings.store.path);
    // Sound as it is read, and no answer can be given of it: an index without its address.
    const six = soundWithIpv6();
    six.members.find(({ name }) => name === MEMBERS.dict6)!.data = new Uint8Array(0);
    const named = store(settings.store.path, six, 50);
    const server = await start(settings);
    if (first === "rollups") await rolledUp(server);
    const { status, body } = await get(server.url, `/api/v1/top?${DAY}`);
    assert.equal(status, 200);
    const csv = await fetch(`${server.url}/api/v1/matrix?${DAY}`);
    assert.match(await csv.text(), new RegExp(`10.0.0.1,10.0.0.2,${3 * honest},${300 * honest}`));
    const sound = await get(server.url, `/api/v1/top?${DAY}&family=6`);
    assert.equal(sound.status, 200);
    const set = readdirSync(join(settings.store.path, "quarantine")).map((name) =>
      name.replace(/^\d+-\d+-/, ""),
    );
    assert.deepEqual(set.sort(), [...bad, named].sort(), `first: ${first}`);
    for (const name of set) {
      assert.ok(
        server.lines.all.some(({ file }) => basename(String(file)) === name),
        `${name} is not in the log`,
      );
    }
    assert.ok(body.intervals >= honest);
    assert.equal(server.lines.all.filter(({ msg }) => msg === "a roll-up is left out").length, 0);
    await server.close();
  }
});

function soundWithIpv6(): Draft {
  const next = random(9);
  for (;;) {
    const draft = draftOf(soundArchive({}, diceOf(next)));
    if (draft.manifest.ipv6 !== null) return draft;
  }
}
