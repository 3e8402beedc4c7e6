import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { AddressCache } from "../../daemon/service/addresses.js";
import { forwardedFor } from "../../daemon/service/client-address.js";
import { Ipv6Table } from "../../daemon/service/ipv6-table.js";
import { ipv6TextOfBytes } from "../../lib/address.js";
import { readDict } from "../../lib/archive.js";
import { IPV6_HASH_KEY_DEFAULT, ipv6Index, keyWords } from "../../lib/ipv6-index.js";

const KEY = keyWords(Uint8Array.from(IPV6_HASH_KEY_DEFAULT));

describe("address cache", () => {
  it("takes every form of an address to one value", () => {
    const cache = new AddressCache();
    const four = [
      0xc0000201,
      "192.0.2.1",
      "::ffff:192.0.2.1",
      "::ffff:c000:201",
      Uint8Array.of(192, 0, 2, 1),
    ];
    for (const one of [...four, ...four]) assert.equal(cache.of(one), 0xc0000201);
    const six = new Uint32Array(Uint8Array.of(0xfe, 0x80, ...new Uint8Array(13), 1).buffer);
    for (const one of ["fe80::1", "FE80:0::1", "fe80::1%eth0", new Uint8Array(six.buffer)])
      assert.deepEqual(cache.of(one), six);
  });

  it("stays bounded, whatever texts come", () => {
    const cache = new AddressCache();
    for (let i = 0; i < 100_000; i++) {
      assert.equal(cache.of(`10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`), 0x0a000000 + i);
      assert.equal(cache.of(`no address ${i}`), undefined);
      assert.equal(cache.of("192.0.2.1"), 0xc0000201);
    }
    assert.ok(cache.size <= 1 << 14, `${cache.size} texts`);
  });
});

describe("X-Forwarded-For", () => {
  const cases: [header: string | undefined, depth: number, client: string | undefined][] = [
    [undefined, 1, undefined],
    ["203.0.113.7", 1, "203.0.113.7"],
    ["6.6.6.6, 203.0.113.7", 1, "203.0.113.7"],
    ["6.6.6.6, 203.0.113.7, 10.0.0.9", 2, "203.0.113.7"],
    ["6.6.6.6,203.0.113.7 ,10.0.0.9,10.0.0.8", 3, "203.0.113.7"],
    ["203.0.113.7", 5, "203.0.113.7"],
    ["203.0.113.7:49152", 1, "203.0.113.7"],
    ["[2001:db8::7]:443", 1, "2001:db8::7"],
    ["[2001:db8::7]", 1, "2001:db8::7"],
    ["2001:db8::7", 1, "2001:db8::7"],
    ["::ffff:192.0.2.1", 1, "::ffff:192.0.2.1"],
    ["", 1, ""],
    [",", 1, ""],
    [",,,", 3, ""],
    [", 203.0.113.7", 2, ""],
    ["unknown", 1, "unknown"],
    ["[::1", 1, "[::1"],
  ];
  for (const [header, depth, client] of cases) {
    it(`${JSON.stringify(header)} behind ${depth} is ${JSON.stringify(client)}`, () => {
      assert.equal(forwardedFor(header, depth), client);
    });
  }

  it("is the depth-th entry from the right of any list, and never throws", () => {
    const entry = fc.stringMatching(/^[^,]{0,12}$/);
    fc.assert(
      fc.property(
        fc.array(entry, { minLength: 1, maxLength: 6 }),
        fc.integer({ min: 1, max: 8 }),
        (list, depth) => {
          const text = forwardedFor(list.join(","), depth)!;
          const expected = list[Math.max(0, list.length - depth)]!.trim();
          assert.ok(
            expected === text || expected.includes(text),
            `${JSON.stringify(list)} ${depth}: ${text}`,
          );
        },
      ),
      { numRuns: 2000 },
    );
  });
});

describe("table of IPv6 addresses", () => {
  it("numbers each address once and has the index of lib/ipv6-index.ts, however many there are", () => {
    const table = new Ipv6Table(KEY);
    const numbers = new Map<string, number>();
    const address = new Uint8Array(16);
    const words = new Uint32Array(address.buffer);
    for (let i = 0; i < 5000; i++) {
      address.fill(0);
      new DataView(address.buffer).setUint32(i % 3 === 0 ? 0 : 12, Math.imul(i % 3500, 2654435761));
      const text = ipv6TextOfBytes(address);
      const number = table.number(words, 0);
      assert.equal(number, numbers.get(text) ?? numbers.size);
      numbers.set(text, number);
      if (i % 97 === 0) assert.equal(table.indices()[number], ipv6Index(IPV6_HASH_KEY_DEFAULT, address));
    }
    const { dict, collisions } = table.dictionary();
    assert.equal(collisions, 0);
    const read = readDict(dict);
    assert.equal(read.count, numbers.size);
    for (let k = 0; k < read.count; k += 101)
      assert.equal(read.indexAt(k), ipv6Index(IPV6_HASH_KEY_DEFAULT, read.addressAt(k)));
    table.clear();
    assert.deepEqual([table.count, table.number(words, 0)], [0, 0]);
  });
});
