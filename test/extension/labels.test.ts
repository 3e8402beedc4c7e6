/** Labels of an interval are bounded in bytes and number; what an archive has no room for goes by name, links never. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Labels } from "../../daemon/extension/labels.js";
import { Lateness, STARVED_MAX } from "../../daemon/extension/lateness.js";
import {
  LABEL_HEAD_BYTES,
  type Label,
  readExtensionDict,
  writeExtensionDict,
} from "../../lib/extension-dict.js";
import type { Manifest } from "../../lib/manifest.js";
import { type ExtensionPart, shedRecord, withoutLargest } from "../../lib/shed-extensions.js";
import { fuzz, type Random } from "../pcap/fuzz.js";

const words = (index: bigint): [number, number] => [Number(index & 0xffffffffn), Number(index >> 32n)];

test("any labels: the dictionary has the first of each that there was room for, the rest is counted", (t) =>
  fuzz(t, (random) => {
    const [bytesMax, countMax] = [random.pick([100, 5000, 1 << 20]), random.pick([3, 200, 1 << 16])];
    const labels = new Labels(bytesMax, countMax);
    for (let interval = 0; interval < 2; interval++) {
      const expected = new Map<bigint, Label>();
      let [bytes, lost] = [0, 0];
      for (let i = random.int(3000); i > 0; i--) {
        // Of few indices, so that many come again; some differ in their high words alone.
        const index = (BigInt(random.int(40)) << 54n) | BigInt(random.int(60));
        const label = labelOf(random);
        labels.add(...words(index), label.kind, label.bytes);
        const size = LABEL_HEAD_BYTES + label.bytes.length;
        if (expected.has(index)) continue;
        if (expected.size === countMax || bytes + size > bytesMax) lost++;
        else {
          expected.set(index, label);
          bytes += size;
        }
      }
      const sealed = labels.seal();
      assert.equal(sealed.lost, lost);
      assert.ok(sealed.dict.length <= bytesMax);
      assert.deepEqual(Buffer.from(sealed.dict), Buffer.from(writeExtensionDict(expected)));
      assert.equal(readExtensionDict(sealed.dict).size, expected.size);
    }
  }));

function labelOf(random: Random): Label {
  const kind = random.pick(["number", "text", "ipv6"] as const);
  const length = { number: 8, text: random.pick([0, 1, 255]), ipv6: 16 }[kind];
  return { kind, bytes: random.bytes(length) };
}

test("271,700 labels of 255 bytes: a dictionary of 16 MiB, and the others counted", () => {
  const labels = new Labels(16 << 20, 1 << 21);
  const text = new Uint8Array(255);
  for (let i = 0; i < 271_700; i++) labels.add(i, 0, "text", text);
  const { dict, lost } = labels.seal();
  assert.ok(dict.length <= 16 << 20);
  assert.equal(dict.length / 265 + lost, 271_700);
});

test("what is too large for an archive: the largest goes first, and nothing that need not", (t) =>
  fuzz(
    t,
    (random) => {
      const parts = Array.from({ length: random.int(9) }, (_, i) => ({
        name: `e${i}`,
        members: Array.from({ length: 1 + random.int(2) }, () => ({
          name: "x",
          data: new Uint8Array(random.int(1000)),
        })),
      }));
      const size = (all: readonly ExtensionPart[]): number =>
        all.reduce(
          (sum, { members }) => sum + members.reduce((bytes, { data }) => bytes + data.length, 0),
          0,
        );
      const excess = random.int(3000);
      const left = withoutLargest(parts, excess);
      const gone = parts.filter((part) => !left.includes(part));
      assert.ok(left.length === 0 || size(gone) >= excess);
      for (const part of gone) {
        assert.ok(left.every((other) => size([other]) <= size([part])));
        if (size([part]) === Math.min(...gone.map((each) => size([each]))))
          assert.ok(size(gone) - size([part]) < excess, "one fewer would not do");
      }
    },
    0.5,
  ));

test("what was left out is missed, and lost, and told", () => {
  const record = {
    ...{ status: "running", frames: 90, missed: 10, rows: 7, rows_lost: 3, events: 2 },
    ...{
      row: { name: "a", kind: "number" },
      column: { name: "b", kind: "number" },
      value: "n",
      combine: "plus",
    },
  } as NonNullable<Manifest["extensions"]>[string];
  const { frames, missed, rows, rows_lost, shed, reason } = shedRecord(record, 4096);
  assert.deepEqual([frames, missed, rows, rows_lost, shed], [0, 100, 0, 10, 1]);
  assert.equal(reason, "shed: too large for an archive of 4096 bytes");
});

test("late once is told, late twice in a row is the end; who waits for a processor has longer", () => {
  const lateness = new Lateness();
  assert.equal(lateness.late(500, 0), "tell");
  lateness.inTime();
  assert.equal(lateness.late(500, 0), "tell");
  assert.equal(lateness.late(500, 300), "told");
  assert.equal(lateness.late(500, 200), "suspend");
  const starved = new Lateness();
  assert.equal(starved.late(500, 400), "tell");
  for (let i = 2; i < STARVED_MAX; i++) assert.equal(starved.late(500, 400), "told");
  assert.equal(starved.late(500, 400), "suspend");
});
