import assert from "node:assert/strict";
import { isIPv4, isIPv6 } from "node:net";
import { test } from "node:test";
import fc from "fast-check";
import * as address from "../../lib/address.js";
import { SparsewireError } from "../../lib/errors.js";
import { ipv6Index, keyId, keyWords, sipHash24 } from "../../lib/ipv6-index.js";

test("IPv4 text and numbers are each other's inverse", () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 0xffffffff }), (number) => {
      assert.equal(address.parseIpv4(address.ipv4Text(number)), number);
      assert.equal(
        address.indexToText4(address.address4ToIndex(number, "little"), "little"),
        address.ipv4Text(number),
      );
    }),
  );
  assert.equal(address.indexToText4(0x0a000001n, "big"), "10.0.0.1");
  assert.equal(address.indexToText4(0x0100000an, "little"), "10.0.0.1");
});

test("a text is an IPv4 or IPv6 address exactly when Node says so", () => {
  const digits = fc.stringMatching(/^[0-9a-f:.]{0,20}$/);
  fc.assert(
    fc.property(fc.oneof(digits, fc.ipV4(), fc.ipV6()), (text) => {
      assert.equal(address.parseIpv4(text) !== undefined, isIPv4(text), text);
      assert.equal(address.parseIpv6(text) !== undefined, isIPv6(text), text);
    }),
    { numRuns: 2000 },
  );
});

test("IPv6 numbers survive text and bytes", () => {
  const group = fc.constantFrom(0, 0, 0, 1, 0xffff, 0xdb8);
  fc.assert(
    fc.property(fc.array(group, { minLength: 8, maxLength: 8 }), (groups) => {
      const number = groups.reduce((value, part) => (value << 16n) | BigInt(part), 0n);
      assert.equal(address.parseIpv6(address.ipv6Text(number)), number);
      assert.equal(address.ipv6Value(address.ipv6Bytes(number)), number);
    }),
    { numRuns: 500 },
  );
});

/** The examples of RFC 5952 and what inet_ntop makes of addresses with an IPv4 tail. */
const TEXTS = {
  "2001:0db8:0:0:0:0:2:1": "2001:db8::2:1",
  "2001:db8:0:1:1:1:1:1": "2001:db8:0:1:1:1:1:1",
  "2001:0:0:1:0:0:0:1": "2001:0:0:1::1",
  "2001:db8:0:0:1:0:0:1": "2001:db8::1:0:0:1",
  "2001:DB8::ABCD": "2001:db8::abcd",
  "0:0:0:0:0:0:0:0": "::",
  "0:0:0:0:0:0:0:1": "::1",
  "0:0:0:0:0:ffff:c000:201": "::ffff:192.0.2.1",
  "::c000:201": "::192.0.2.1",
  "64:ff9b::192.0.2.33": "64:ff9b::c000:221",
  "1:2:3:4:5:6:7::": "1:2:3:4:5:6:7:0",
};
for (const [given, canonical] of Object.entries(TEXTS)) {
  test(`${given} is written ${canonical}`, () => {
    assert.equal(address.ipv6Text(address.parseIpv6(given)!), canonical);
  });
}

test("CIDR blocks are half-open ranges; host bits and nonsense are refused with a mend", () => {
  assert.deepEqual(address.parseCidr("10.0.0.0/8"), {
    family: 4,
    lo: 0x0a000000n,
    hi: 0x0b000000n,
    prefix: 8,
  });
  assert.deepEqual(address.parseCidr("0.0.0.0/0"), { family: 4, lo: 0n, hi: 1n << 32n, prefix: 0 });
  assert.equal(address.parseCidr("2001:db8::/32").hi - address.parseCidr("2001:db8::/32").lo, 1n << 96n);
  assert.equal(address.cidrText(address.parseCidr("192.0.2.7")), "192.0.2.7/32");
  for (const text of [
    "10.0.0.1/8",
    "10.0.0.0/33",
    "10.0.0/8",
    "::/129",
    "",
    "x",
    "1.2.3.4/5/6",
    "1.2.3.4/-1",
  ]) {
    assert.throws(
      () => address.parseCidr(text),
      (error) => error instanceof SparsewireError && error.code === "BAD_ADDRESS" && error.exit === 3,
      text,
    );
  }
  assert.throws(() => address.parseCidr("10.0.0.1/8"), /bits set beyond/);
});

test("addresses sort as numbers, IPv4 first", () => {
  const texts = ["::1", "10.0.0.10", "10.0.0.9", "2.0.0.0", "2001:db8::", "fe80::1"];
  assert.deepEqual(texts.toSorted(address.compareAddressText), [
    "2.0.0.0",
    "10.0.0.9",
    "10.0.0.10",
    "::1",
    "2001:db8::",
    "fe80::1",
  ]);
});

test("SipHash-2-4 gives the reference vectors", () => {
  // From the appendix of the paper and the vectors of its reference implementation, key 00 01 .. 0f.
  const key = Uint8Array.from({ length: 16 }, (_, i) => i);
  const vectors: [length: number, hash: bigint][] = [
    [0, 0x726fdb47dd0e0e31n],
    [1, 0x74f839c593dc67fdn],
    [7, 0xab0200f58b01d137n],
    [8, 0x93f5f5799a932462n],
    [15, 0xa129ca6149be45e5n],
    [16, 0x3f2acc7f57c29bdbn],
  ];
  for (const [length, hash] of vectors) assert.equal(sipHash24(key, key.subarray(0, length)), hash);
  assert.equal(ipv6Index(key, key), 0x0f2acc7f57c29bdbn);
  assert.deepEqual(keyWords(key), [0x0706050403020100n, 0x0f0e0d0c0b0a0908n]);
  assert.equal(keyId(key), "be45cb26");
});
