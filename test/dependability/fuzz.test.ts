/** Damaged state files: whatever is in them, the daemon starts, measures, and writes a sound one. */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { pino } from "pino";
import { Fleet } from "../../daemon/dependability/fleet.js";
import { SensorDependability, STATE_FILE } from "../../daemon/dependability/sensor-dependability.js";
import { ARCHIVE_FORMAT } from "../../lib/manifest.js";
import { exampleHead } from "../archive/example.js";
import { fuzz, mutate, type Random } from "../pcap/fuzz.js";

const logger = pino({ level: "silent" });
const it = exampleHead();

/** Digits and brackets in the wrong place; sometimes any byte. */
function damage(random: Random, text: string): Uint8Array {
  if (random.chance(0.3)) return mutate(random, Buffer.from(text));
  let damaged = text;
  for (let changes = 1 + random.int(4); changes > 0; changes--) {
    const at = random.int(damaged.length);
    const put = random.pick(["9", "-", "0", "[", "]", "null", "1e308", '"', ",", "99999999999", "\n", "{}"]);
    damaged = damaged.slice(0, at) + put + damaged.slice(at + random.int(3));
  }
  return Buffer.from(damaged);
}

for (const kind of ["sensor", "fleet"] as const) {
  test(`fuzz: a damaged state file of a ${kind}`, async (t) => {
    const folder = mkdtempSync(join(tmpdir(), "sparsewire-dependability-"));
    t.after(() => rmSync(folder, { recursive: true, force: true }));
    let wall = Number(it.end / 1_000_000n);
    const options = { folder, logger, graceMs: 30_000, wall: () => wall, monotonic: () => wall };
    const open = () =>
      kind === "fleet"
        ? new Fleet(options)
        : new SensorDependability({ ...options, intervalMs: 1000, waiting: [] });
    const work = (service: Fleet | SensorDependability): void => {
      for (let sequence = 0; sequence < 5; sequence++) {
        wall += 1000;
        if (service instanceof Fleet) {
          const end = BigInt(wall) * 1_000_000n;
          const times = { sequence, end, start: end - 1_000_000_000n };
          service.arrived({ ...it, ...times, format: ARCHIVE_FORMAT, members: [] });
        } else {
          service.sealed({ ...it, sequence });
          service.counted({ ...it, sequence });
          service.delivered({ ...it, sequence });
        }
      }
    };
    const first = open();
    work(first);
    await first.stop();
    const sound = readFileSync(join(folder, STATE_FILE), "utf8");
    await fuzz(
      t,
      async (random) => {
        writeFileSync(join(folder, STATE_FILE), damage(random, sound));
        const service = open();
        work(service);
        const windows = service instanceof Fleet ? service.all() : service.status().windows;
        for (const { availability, reliability, performability, covered_s } of Object.values(windows)) {
          for (const share of [availability, reliability, performability])
            assert.ok(share === null || (share >= 0 && share <= 1), JSON.stringify(windows));
          assert.ok(covered_s >= 0);
        }
        await service.stop();
      },
      1.5,
    );
  });
}
