/** Mutated archives and headers: every answer is a refusal with a code, never a failure, and nothing is left behind. */
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { config, NOON, put, SECOND, start, test } from "./support.js";
import { random, trafficArchive } from "./traffic.js";

const seed = Number(process.env.SPARSEWIRE_FUZZ_SEED ?? Date.now() % 1e9);
const milliseconds = 1000 * Number(process.env.SPARSEWIRE_FUZZ_SECONDS ?? 2);

test("uploads of damaged archives", async (t) => {
  t.diagnostic(`seed ${seed}`);
  const next = random(seed);
  const pick = (below: number): number => Math.floor(next() * below);
  const server = await start(config());
  const end = Date.now() + milliseconds;
  let runs = 0;
  for (let sequence = 0; Date.now() < end; sequence++, runs++) {
    const bytes = trafficArchive({ sequence, start: NOON + BigInt(sequence) * SECOND }, 5, next, new Map());
    const damaged = next() < 0.2 ? bytes.subarray(0, pick(bytes.length)) : bytes.slice();
    // Most of the manifest's text is digits and letters: change them to others, so that the damage goes deep.
    for (let changes = pick(6); changes > 0 && damaged.length > 0; changes--) {
      damaged[pick(Math.min(damaged.length, next() < 0.7 ? 3000 : damaged.length))] =
        next() < 0.7 ? 48 + pick(10) : pick(256);
    }
    const answer = await put(server.url, damaged, { sequence });
    const text = await answer.text();
    assert.ok(
      [200, 201, 400, 409, 422].includes(answer.status),
      `seed ${seed}, run ${runs}: ${answer.status} ${text}`,
    );
    if (answer.status >= 400) assert.match(JSON.parse(text).error.code, /^[A-Z0-9_]+$/);
  }
  t.diagnostic(`${runs} uploads`);
  assert.deepEqual(readdirSync(join(server.config.store.path, "tmp")), []);
  assert.equal(server.lines.all.filter(({ msg }) => msg === "a request failed").length, 0);
  await server.close();
  const again = await start(server.config);
  assert.equal(again.lines.all.filter(({ why }) => why !== undefined).length, 0, "the store is sound");
  await again.close();
});
