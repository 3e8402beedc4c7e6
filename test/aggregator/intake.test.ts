/** Whatever passes the check of an upload can be added to honest archives, and written as their sum; the rest has a name. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { loadSync } from "graphblas-wasm";
import { checkUpload } from "../../daemon/aggregator/check-upload.js";
import { Refusal } from "../../daemon/aggregator/refusal.js";
import { decodeArchive } from "../../lib/archive.js";
import type { Manifest } from "../../lib/manifest.js";
import { sumManifests } from "../../lib/sum-manifests.js";
import { addTraffic, encodeTraffic, quantitiesOf, trafficOf } from "../../lib/traffic.js";
import { NOON, RUN, SECOND } from "./client.js";
import { bytesOf, diceOf, draftOf, hostileArchive, MUTATIONS, soundArchive } from "./hostile.js";
import { oneLinkArchive, random } from "./traffic.js";

const seed = Number(process.env.SPARSEWIRE_FUZZ_SEED ?? Date.now() % 1e9);
const milliseconds = 1000 * Number(process.env.SPARSEWIRE_FUZZ_SECONDS ?? 4);

const LINKS_MAX = 1 << 20;
const MEMORY_BYTES = 128 << 20;
const identity = { sensor: "hostile", run: RUN, sequence: 5 };
const limits = { identity, linksMax: LINKS_MAX };
const SUM = { sensor: "sum", run: RUN, sequence: 0, mode: "sum", software: "test" } as const;

const grb = loadSync({ maximumBytes: MEMORY_BYTES });
const honest = decodeArchive(oneLinkArchive({ sensor: "honest", start: NOON }, 7, 700));

/** Adds an archive to an honest one, and opens the sum again. */
function addToHonest(bytes: Uint8Array): void {
  const archive = decodeArchive(bytes);
  const [a, b] = [trafficOf(grb, honest), trafficOf(grb, archive)];
  const sum = addTraffic(a, b);
  try {
    const head = sumManifests([honest.manifest, archive.manifest], SUM);
    if (head.ipv6 !== null && sum.v6 !== undefined) head.ipv6.addresses = sum.v6.dict.length / 24;
    quantitiesOf(sum);
    const again = decodeArchive(encodeTraffic(grb, sum, head).archive);
    trafficOf(grb, again).dispose();
    assert.equal(again.manifest.intervals, 2);
  } finally {
    for (const traffic of [a, b, sum]) traffic.dispose();
  }
}

function refusalOf(bytes: Uint8Array): Refusal | undefined {
  try {
    checkUpload(grb, bytes, limits);
    return undefined;
  } catch (error) {
    if (error instanceof Refusal) return error;
    throw error;
  }
}

test("sound archives pass, whatever is in them", () => {
  const dice = diceOf(random(1));
  for (let k = 0; k < 100; k++) {
    const bytes = soundArchive({ ...identity, start: NOON }, dice);
    assert.equal(refusalOf(bytes)?.message, undefined);
    assert.equal(refusalOf(bytesOf(draftOf(bytes)))?.message, undefined, "taken apart and put together");
    addToHonest(bytes);
  }
});

test("every mutation that must be refused is refused, by name", () => {
  const next = random(2);
  for (const mutation of MUTATIONS) {
    let made = 0;
    for (let tries = 0; made < 3 && tries < 500; tries++) {
      const dice = diceOf(next);
      const draft = draftOf(soundArchive({ ...identity, start: NOON }, dice));
      if (!mutation.make(draft, dice)) continue;
      made++;
      const bytes = bytesOf(draft);
      const refusal = refusalOf(bytes);
      if (mutation.refused) assert.ok(refusal !== undefined, `${mutation.name} passed`);
      else if (refusal === undefined) addToHonest(bytes);
    }
    assert.ok(made > 0, `${mutation.name} was never made`);
  }
});

test("hostile archives are refused by name, or can be added to honest ones", (t) => {
  const next = random(seed);
  const end = performance.now() + milliseconds;
  const refused = new Map<string, number>();
  let [runs, slowest] = [0, 0];
  for (; performance.now() < end; runs++) {
    const { names, mustRefuse, bytes } = hostileArchive(
      { ...identity, start: NOON, end: NOON + SECOND },
      next,
    );
    const what = `seed ${seed}, run ${runs}: ${names.join(" and ")}`;
    const began = performance.now();
    const refusal = refusalOf(bytes);
    slowest = Math.max(slowest, performance.now() - began);
    if (refusal !== undefined) {
      assert.ok([400, 413, 422].includes(refusal.status), `${what}: ${refusal.status}`);
      refused.set(refusal.code, (refused.get(refusal.code) ?? 0) + 1);
      continue;
    }
    assert.ok(!mustRefuse, `${what} passed`);
    assert.doesNotThrow(() => addToHonest(bytes), what);
  }
  assert.ok(!grb.panicked);
  t.diagnostic(`seed ${seed}, ${runs} archives, slowest check ${slowest.toFixed(0)} ms`);
  t.diagnostic(JSON.stringify(Object.fromEntries(refused)));
});

test("the sum of saturated counters says so, and stays a sum", () => {
  const most = 2 ** 53 - 1;
  const manifests = [1, 2, 3].map((sequence) => {
    const reasons = { ipv4: 7, arp: most - 7 } as never;
    return decodeArchive(oneLinkArchive({ sequence, frames: most, reasons }, 7, 700)).manifest;
  });
  const head = sumManifests(manifests, SUM);
  assert.deepEqual(head.saturated, ["frames", "reasons.arp"]);
  assert.deepEqual([head.frames, head.packets, head.bytes], [most, 21, 2100]);
  const again = sumManifests(
    [{ ...head, members: [], format: manifests[0]!.format } as Manifest, manifests[0]!],
    SUM,
  );
  assert.deepEqual([again.saturated, again.packets, again.intervals], [head.saturated, 28, 4]);
});

test("values of matrices stop short of 2^64 and say so", () => {
  const big = (bytes: number) => trafficOf(grb, decodeArchive(oneLinkArchive({}, 1, bytes)));
  let sum = addTraffic(big(2 ** 53 - 1), big(1));
  assert.deepEqual(sum.cut, []);
  const cut = new Set<string>();
  // Doubling passes 2^64 after a dozen steps.
  for (let step = 0; step < 14; step++) {
    const doubled = addTraffic(sum, sum);
    for (const name of doubled.cut) cut.add(name);
    assert.ok(BigInt(doubled.v4!.bytes.reduce("max")) >= BigInt(sum.v4!.bytes.reduce("max")));
    sum = doubled;
  }
  assert.deepEqual([...cut], ["links4.bytes"]);
  assert.equal(sum.v4!.packets.reduce("plus"), 2n ** 15n);
  sum.dispose();
});
