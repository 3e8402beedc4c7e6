/** Places and connections: who gets in, and who makes room. With a clock of the test's own. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { connectionsMax, descriptorLimit } from "../../daemon/http/descriptors.js";
import { type Held, victimOf } from "../../daemon/http/eviction.js";
import { SharedAnswer } from "../../daemon/http/shared-answer.js";
import { type Place, Slots, SlotsError } from "../../daemon/http/slots.js";

function rig(max: number, rateMin = 1024) {
  const clock = { ms: 0 };
  const slots = new Slots({ max, patienceMs: 5000, rateMin }, () => clock.ms);
  const pass = (ms: number): void => {
    clock.ms += ms;
    slots.turn();
  };
  return { slots, pass };
}

const reasonOf = ({ ended }: Place): string => (ended.aborted ? (ended.reason as SlotsError).why : "has it");

test("who is waited for makes room for a newcomer; who is quick keeps its place", async () => {
  const { slots, pass } = rig(2);
  const [slow, quick] = await Promise.all([slots.enter({ peer: "a" }), slots.enter({ peer: "a" })]);
  slow.waits();
  slow.works(1);
  slow.waits();
  quick.waits();
  const third = slots.enter({ peer: "a" });
  pass(200);
  assert.equal(slots.waiting, 1, "nobody has been waited for long enough");
  quick.works(1 << 20);
  quick.waits();
  pass(100);
  assert.deepEqual([reasonOf(slow), reasonOf(quick)], ["yielded", "has it"]);
  assert.equal((await third).peer, "a");
});

test("a peer that brings less than the least rate loses its place, also without others", async () => {
  const { slots, pass } = rig(4);
  const place = await slots.enter({ peer: "a" });
  for (let second = 0; second < 6 && !place.ended.aborted; second++) {
    place.waits();
    pass(1000);
    place.works(1);
  }
  assert.equal(reasonOf(place), "slow");
  assert.equal(slots.held, 0);
});

test("time that we take is not held against a peer", async () => {
  const { slots, pass } = rig(1);
  const place = await slots.enter({ peer: "a" });
  place.works(1);
  const other = slots.enter({ peer: "b" });
  pass(4000);
  assert.equal(reasonOf(place), "has it");
  pass(2000);
  await assert.rejects(other, (error) => error instanceof SlotsError && error.why === "busy");
});

test("of those who wait, who is ready comes first, then the peer with the least", async () => {
  const { slots } = rig(1);
  const first = await slots.enter({ peer: "a" });
  const order: string[] = [];
  const enter = (peer: string, isReady: boolean) =>
    slots.enter({ peer, ready: () => isReady }).then((place) => {
      order.push(`${peer} ${isReady}`);
      place.leave();
    });
  const all = [enter("b", false), enter("c", true), enter("d", false)];
  first.leave();
  await Promise.all(all);
  assert.deepEqual(order, ["c true", "b false", "d false"]);
});

test("a queue that is full drops who has waited longest without being ready", async () => {
  const { slots } = rig(1);
  await slots.enter({ peer: "a" });
  const dropped: number[] = [];
  const waiting = Array.from({ length: 300 }, (_, nth) =>
    slots.enter({ peer: "a", ready: () => nth % 2 === 0 }).catch(() => dropped.push(nth)),
  );
  await Promise.resolve();
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(slots.waiting, 256);
  assert.deepEqual(
    dropped,
    Array.from({ length: 44 }, (_, i) => 2 * i + 1),
  );
  assert.equal(waiting.length, 300);
});

test("the idle make room first, of the greediest peer, strangers before those who ship", () => {
  const peer = fc.constantFrom("a", "b", "c");
  const held = fc.record({
    peer,
    rank: fc.integer({ min: 0, max: 2 }),
    busy: fc.integer({ min: 0, max: 1 }),
    active: fc.nat(),
  });
  fc.assert(
    fc.property(fc.array(held, { minLength: 1, maxLength: 30 }), peer, (all: Held[], newcomer) => {
      const counts = new Map<string, number>();
      for (const each of all) counts.set(each.peer, (counts.get(each.peer) ?? 0) + 1);
      const victim = victimOf(all, counts, newcomer);
      const idle = all.filter(({ busy }) => busy === 0);
      if (idle.length === 0) {
        // Nobody at work ends for a peer that would then have as much.
        assert.ok(victim === undefined || counts.get(victim.peer)! > (counts.get(newcomer) ?? 0) + 1);
        return;
      }
      assert.equal(victim!.busy, 0);
      for (const each of idle) {
        assert.ok(counts.get(each.peer)! <= counts.get(victim!.peer)!);
        if (counts.get(each.peer) !== counts.get(victim!.peer)) continue;
        assert.ok(each.rank > victim!.rank || (each.rank === victim!.rank && each.active >= victim!.active));
      }
    }),
  );
});

test("an answer is made once for all who ask, anew for each who asks now and then, seldom in a rush", async () => {
  const clock = { ms: 0 };
  let made = 0;
  const answer = new SharedAnswer(
    () => {
      clock.ms += 20;
      return ++made;
    },
    () => clock.ms,
  );
  assert.deepEqual(await Promise.all([answer.get(), answer.get(), answer.get()]), [1, 1, 1]);
  for (let second = 0; second < 10; second++) {
    clock.ms += 1000;
    assert.equal(await answer.get(), second + 2, "fresh");
  }
  for (let ms = 0; ms < 10_000; ms++) {
    clock.ms += 1;
    await answer.get();
  }
  assert.ok(made < 11 + 45, `${made} made in 10 s of rush: a twentieth of the time, and what was saved`);
});

test("connections leave three quarters of the descriptors to files", () => {
  const limits =
    "Limit                     Soft Limit           Hard Limit           Units\nMax open files            1000                 1000                 files\n";
  assert.equal(descriptorLimit(limits), 1000);
  assert.equal(descriptorLimit(""), Number.POSITIVE_INFINITY);
  assert.deepEqual(
    [connectionsMax(2048, 1000), connectionsMax(64, 1000), connectionsMax(64, 20)],
    [250, 64, 16],
  );
});
