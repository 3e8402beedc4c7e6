/**
 * Hostile extensions beside a healthy one, on real frames: every frame is counted, the healthy one's matrix is exact, capture
 * goes on. Seven at a time, each doing one thing that it should not.
 */
import assert from "node:assert/strict";
import { cpus, loadavg } from "node:os";
import { after, before, describe, test } from "node:test";
import { generate } from "../../bench/generator/generator.js";
import { example, HOSTILE, type Hostile, Modules } from "../extension/modules.js";
import { archivesIn, exportLinks, Rig, sleep } from "./rig.js";
import { liveSkipReason } from "./tools/netns.js";

const FRAMES = 200_000;
const RATE = 100_000;
const FRAME_BYTES = 60;
/** Most that capture may stand still, ms. */
const PAUSE_MS = 50;

/** Eight modules are compiled apart, one after the other. */
const START_MS = 60_000;
/** Its pages cost time of the processor, too; what is to end it is what it takes. */
const BOMB = 'memory_max = "1MiB"\nbatch_timeout = "1s"';

const all = Object.keys(HOSTILE) as Hostile[];
const groups = [all.slice(0, 7), all.slice(7, 14), all.slice(14)];

const table = (name: string, file: string, more = ""): string =>
  `[[extension]]\nname = "${name}"\nfile = "${file}"\n${more}`;

describe("hostile extensions", { skip: liveSkipReason() }, () => {
  const modules = new Modules();
  const files = new Map<Hostile, string>();
  before(async () => {
    for (const name of all) files.set(name, await modules.hostile(HOSTILE[name][0]));
  });
  after(() => modules.close());

  for (const group of groups) {
    test(group.join(", "), async (t) => {
      const tables = [
        ...group.map((name) =>
          // The others' larger memory_max is what the bomb helps itself to.
          table(name.replaceAll("_", "-"), files.get(name)!, name === "bomb" ? BOMB : ""),
        ),
        table("healthy", example("template")),
      ].join("\n");
      const rig = new Rig({ tables, startMs: START_MS });
      try {
        await rig.start();
        const report = await generate(rig.sender, "tx0", { count: FRAMES, rate: RATE, seed: 7 });
        // What looks for pages that were written does so every few seconds.
        await sleep(group.includes("bomb") ? 6000 : 500);
        const status = await rig.settled(report.frames);
        assert.equal(await rig.stop(), 0, rig.log);
        assert.equal(status.counters.frames, report.frames, "every frame is counted");
        for (const name of group) {
          const [, cause] = HOSTILE[name];
          const shown = status.extensions!.find((extension) => extension.name === name.replaceAll("_", "-"))!;
          if (cause === null || (cause.endsWith("?") && shown.status === "running"))
            assert.equal(shown.status, "running", `${name}: ${shown.reason}`);
          else {
            assert.match(
              `${shown.status} ${shown.reason}`,
              new RegExp(`^suspended ${cause.replace("?", "")}: `),
              name,
            );
            assert.match(rig.log, new RegExp(`extension ${shown.name} is suspended`));
          }
        }
        const manifests = rig.manifests();
        // The sensor's figures are those of all intervals up to one of them, whoever was late or suspended.
        let offered = 0;
        const sums = [0, ...manifests.map(({ frames }) => (offered += frames))];
        for (const { name, frames, missed } of status.extensions!)
          assert.ok(
            sums.includes(frames + missed),
            `status of ${name}: ${frames} + ${missed} are not ${sums}`,
          );
        const isBusy = loadavg()[0]! > 1.5 * cpus().length;
        const missing: string[] = [];
        for (const { sequence, frames, extensions } of manifests) {
          for (const [name, record] of Object.entries(extensions!)) {
            assert.equal(record.frames + record.missed, frames, `${name}: seen + missed = frames`);
          }
          const { status: how, missed } = extensions!.healthy!;
          assert.ok(how !== "suspended");
          if (missed > 0) missing.push(`${sequence} (${how}, ${missed})`);
        }
        // It waits for a processor, too, and an interval waits for it for half a second only.
        assert.ok(isBusy || missing.length === 0, `the healthy one missed some of ${missing.join(", ")}`);
        if (missing.length > 0) t.diagnostic(`too busy a machine: it missed some of ${missing.join(", ")}`);
        const total = [...sumOf(rig.links(4), 3).values()].reduce((sum, bytes) => sum + bytes, 0);
        assert.equal(total, FRAMES * FRAME_BYTES);
        checkBytes(
          rig,
          archivesIn(rig.spool).filter((_, at) => manifests[at]!.extensions!.healthy!.missed === 0),
        );
        const pause = Math.max(...status.workers.map(({ pause_ms = 0 }) => pause_ms));
        const said = `capture stood still for ${pause.toFixed(1)} ms at most`;
        // A thread that has to queue for a processor stands still, too; that is not what is judged here.
        t.diagnostic(isBusy ? `${said}; the machine is too busy to judge it` : said);
        assert.ok(isBusy || pause < PAUSE_MS, said);
      } finally {
        rig.close();
      }
    });
  }
});

/** Bytes of each source, of some archives, as the healthy extension has them, and as the links have them. */
function checkBytes(rig: Rig, archives: readonly string[]): void {
  const links = sumOf(exportLinks(archives, 4), 3);
  assert.deepEqual(sumOf(rig.extensionLines("healthy", archives), 2), links, "its matrix is exact");
}

function sumOf(lines: string[], column: number): Map<string, number> {
  const sums = new Map<string, number>();
  for (const line of lines) {
    const cells = line.split(",");
    sums.set(cells[0]!, (sums.get(cells[0]!) ?? 0) + Number(cells[column]));
  }
  return new Map([...sums].sort());
}
