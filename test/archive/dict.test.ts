import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { mergeDicts, readDict, writeDict } from "../../lib/dict.js";
import { SparsewireError } from "../../lib/errors.js";

const entry = fc.record({
  index: fc.bigInt({ min: 0n, max: (1n << 60n) - 1n }),
  address: fc.uint8Array({ minLength: 16, maxLength: 16 }),
});
const few = fc.record({
  index: fc.bigInt({ min: 0n, max: 20n }).map((i) => i << 33n),
  address: fc.constantFrom(...[0, 1, 2].map((byte) => new Uint8Array(16).fill(byte))),
});
const entries = fc.array(fc.oneof(entry, few), { maxLength: 30 });
const asMap = (bytes: Uint8Array): Map<bigint, string> => {
  const dict = readDict(bytes);
  return new Map(
    Array.from({ length: dict.count }, (_, i) => [
      dict.indexAt(i),
      Buffer.from(dict.addressAt(i)).toString("hex"),
    ]),
  );
};

test("a dictionary is read back, sorted, each index found", () => {
  fc.assert(
    fc.property(entries, (list) => {
      const dict = readDict(writeDict(list));
      const first = new Map(list.toReversed().map(({ index, address }) => [index, address]));
      assert.equal(dict.count, first.size);
      for (const [index, address] of first) assert.deepEqual(Uint8Array.from(dict.lookup(index)!), address);
      const other = (1n << 60n) - 7n;
      assert.equal(dict.lookup(other) !== undefined, first.has(other));
    }),
  );
});

test("merging is the union; of two addresses under one index the first stays and it is counted", () => {
  fc.assert(
    fc.property(entries, entries, (a, b) => {
      const [left, right] = [asMap(writeDict(a)), asMap(writeDict(b))];
      const { dict, collisions } = mergeDicts(writeDict(a), writeDict(b));
      const union = [...new Map([...right, ...left])].sort(([x], [y]) => (x < y ? -1 : 1));
      assert.deepEqual([...asMap(dict)], union);
      assert.equal(
        collisions,
        [...left].filter(([index, address]) => (right.get(index) ?? address) !== address).length,
      );
    }),
  );
});

test("what is not whole records in order under 60-bit indices is BAD_DICT", () => {
  const sound = writeDict([
    { index: 1n, address: new Uint8Array(16) },
    { index: 2n, address: new Uint8Array(16) },
  ]);
  const high = sound.slice();
  high[47 - 16] = 0x10;
  const swapped = Uint8Array.from([...sound.subarray(24), ...sound.subarray(0, 24)]);
  const doubled = Uint8Array.from([...sound.subarray(24), ...sound.subarray(24)]);
  for (const bytes of [sound.subarray(1), sound.subarray(0, 47), swapped, doubled, high]) {
    assert.throws(
      () => readDict(bytes),
      (error) => error instanceof SparsewireError && error.code === "BAD_DICT",
    );
  }
  assert.throws(() => writeDict([{ index: 1n << 60n, address: new Uint8Array(16) }]), SparsewireError);
});
