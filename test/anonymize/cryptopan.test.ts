import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ipv4Text, ipv6Bytes, ipv6TextOfBytes, parseIpv4, parseIpv6 } from "../../lib/address.js";
import { anonymizationKeyId, CryptoPan, parseAnonymizationKey } from "../../lib/cryptopan.js";
import { SAMPLE_KEY, SAMPLE4, SAMPLE6 } from "./vectors.js";

const keys = fc.uint8Array({ minLength: 32, maxLength: 32 });
/** Addresses that share long prefixes, and others. */
const addresses4 = fc.array(
  fc.oneof(
    fc.integer({ min: 0, max: 0xffff_ffff }),
    fc.integer({ min: 0x0a00_0000, max: 0x0a00_0fff }),
    fc.constantFrom(0, 0xffff_ffff, 0x7fff_ffff, 0x8000_0000),
  ),
  { minLength: 1, maxLength: 200 },
);
const address6 = fc
  .tuple(fc.constantFrom(0, 16, 60, 64, 100, 127, 128), fc.bigInt({ min: 0n, max: (1n << 128n) - 1n }))
  .map(([common, low]) => (0x2001_0db8n << 96n) ^ (low & ((1n << BigInt(128 - common)) - 1n)));
const addresses6 = fc.array(address6, { minLength: 1, maxLength: 60 });

const joined = (addresses: bigint[]): Uint8Array => Buffer.concat(addresses.map((a) => ipv6Bytes(a)));
const commonBits = (a: Uint8Array, b: Uint8Array): number => {
  const bits = (bytes: Uint8Array) => [...bytes].map((byte) => byte.toString(2).padStart(8, "0")).join("");
  const [left, right] = [bits(a), bits(b)];
  const at = [...left].findIndex((bit, k) => bit !== right[k]);
  return at < 0 ? left.length : at;
};
const bytes4 = (address: number): Uint8Array =>
  Uint8Array.of(address >>> 24, address >>> 16, address >>> 8, address);

test("the sample trace of the original implementation comes out as it sanitised it", () => {
  const pan = new CryptoPan(SAMPLE_KEY);
  const clear = Uint32Array.from(SAMPLE4, ([text]) => parseIpv4(text)!);
  const expected = SAMPLE4.map(([, text]) => text);
  assert.deepEqual([...pan.anonymize4(clear)].map(ipv4Text), expected);
  for (const [text, anonymised] of SAMPLE4) {
    assert.equal(ipv4Text(pan.anonymize4(Uint32Array.of(parseIpv4(text)!))[0]!), anonymised);
  }
  const back = pan.deanonymize4(Uint32Array.from(expected, (text) => parseIpv4(text)!));
  assert.deepEqual([...back], [...clear]);
});

test("IPv6 addresses come out as other implementations have them", () => {
  const pan = new CryptoPan(SAMPLE_KEY);
  const result = pan.anonymize6(joined(SAMPLE6.map(([text]) => parseIpv6(text)!)));
  assert.deepEqual(
    SAMPLE6.map((_, at) => ipv6TextOfBytes(result, at * 16)),
    SAMPLE6.map(([, text]) => text),
  );
});

test("IPv4: common prefixes stay as long as they were, whatever is beside an address, and the inverse undoes it", () => {
  fc.assert(
    fc.property(keys, addresses4, (key, list) => {
      const pan = new CryptoPan(key);
      const sorted = Uint32Array.from(list).sort();
      const mapped = pan.anonymize4(sorted);
      sorted.forEach((address, at) => {
        assert.equal(pan.anonymize4(Uint32Array.of(address))[0], mapped[at], "alone or in a list");
        if (at === 0) return;
        const before = commonBits(bytes4(sorted[at - 1]!), bytes4(address));
        assert.equal(commonBits(bytes4(mapped[at - 1]!), bytes4(mapped[at]!)), before);
      });
      assert.deepEqual(
        pan.anonymize4(Uint32Array.from(list)),
        Uint32Array.from(list, (a) => mapped[sorted.indexOf(a)]!),
      );
      assert.deepEqual(pan.deanonymize4(mapped), sorted);
    }),
    { numRuns: 60 },
  );
});

test("IPv6: the same over all 128 bits", () => {
  fc.assert(
    fc.property(keys, addresses6, (key, list) => {
      const pan = new CryptoPan(key);
      const clear = joined(list.toSorted((a, b) => (a < b ? -1 : a > b ? 1 : 0)));
      const mapped = pan.anonymize6(clear);
      const at = (bytes: Uint8Array, k: number) => bytes.subarray(k * 16, k * 16 + 16);
      for (let k = 0; k < list.length; k++) {
        assert.deepEqual(pan.anonymize6(at(clear, k)), Uint8Array.from(at(mapped, k)), "alone or in a list");
        if (k === 0) continue;
        assert.equal(
          commonBits(at(mapped, k - 1), at(mapped, k)),
          commonBits(at(clear, k - 1), at(clear, k)),
        );
      }
      assert.deepEqual(pan.deanonymize6(mapped), Uint8Array.from(clear));
    }),
    { numRuns: 25 },
  );
});

test("prefixes of any two addresses, not only of neighbours, and lists longer than a batch", () => {
  const pan = new CryptoPan(SAMPLE_KEY);
  const clear = Uint32Array.from({ length: 20_000 }, (_, at) => Math.imul(at, 0x9e37_79b1) >>> 0).sort();
  const mapped = pan.anonymize4(clear);
  assert.equal(new Set(mapped).size, clear.length, "different addresses stay different");
  for (let k = 0; k < 5000; k++) {
    const [i, j] = [(k * 7919) % clear.length, (k * 104_729) % clear.length];
    assert.equal(
      Math.clz32(mapped[i]! ^ mapped[j]!),
      Math.clz32(clear[i]! ^ clear[j]!),
      `${clear[i]} and ${clear[j]}`,
    );
  }
  assert.deepEqual(pan.deanonymize4(mapped), clear);
});

test("a truncated address is the anonymised one without its last bits", () => {
  fc.assert(
    fc.property(addresses4, addresses6, fc.nat(32), fc.nat(128), (four, six, bits4, bits6) => {
      const pan = new CryptoPan(SAMPLE_KEY);
      const clear = Uint32Array.from(four).sort();
      const cut = 2 ** (32 - bits4);
      assert.deepEqual(
        pan.anonymize4(clear, bits4),
        pan.anonymize4(clear).map((a) => a - (a % cut)),
      );
      const whole = pan.anonymize6(joined(six));
      const part = pan.anonymize6(joined(six), bits6);
      six.forEach((_, k) => {
        const value = (bytes: Uint8Array) =>
          BigInt(`0x${Buffer.from(bytes).toString("hex", k * 16, k * 16 + 16)}`);
        const dropped = BigInt(128 - bits6);
        assert.equal(value(part), (value(whole) >> dropped) << dropped);
      });
    }),
    { numRuns: 40 },
  );
});

test("every bit of a key matters; lists may be empty", () => {
  const clear = Uint32Array.from({ length: 64 }, (_, at) => at * 0x0400_0000);
  const before = new CryptoPan(SAMPLE_KEY).anonymize4(clear);
  for (let bit = 0; bit < 256; bit += 5) {
    const key = SAMPLE_KEY.slice();
    key[bit >>> 3]! ^= 1 << (bit & 7);
    assert.notDeepEqual(new CryptoPan(key).anonymize4(clear), before, `bit ${bit}`);
    assert.notEqual(anonymizationKeyId(key), anonymizationKeyId(SAMPLE_KEY));
  }
  assert.equal(new CryptoPan(SAMPLE_KEY).anonymize4(new Uint32Array(0)).length, 0);
  assert.equal(new CryptoPan(SAMPLE_KEY).anonymize6(new Uint8Array(0)).length, 0);
  assert.equal(new CryptoPan(SAMPLE_KEY).deanonymize6(new Uint8Array(0)).length, 0);
});

test("a key is 64 hexadecimal digits, or an error that does not repeat it", () => {
  const text = Buffer.from(SAMPLE_KEY).toString("hex");
  assert.deepEqual(parseAnonymizationKey(` ${text.toUpperCase()}\n`, "k"), SAMPLE_KEY);
  for (const wrong of ["", text.slice(2), `${text}00`, `${text.slice(1)}g`, `0x${text.slice(2)}`]) {
    assert.throws(
      () => parseAnonymizationKey(wrong, "k"),
      (error: Error & { code?: string }) => {
        assert.equal(error.code, "BAD_ANONYMIZATION_KEY");
        assert.ok(wrong === "" || !error.message.includes(wrong.slice(0, 8)));
        return true;
      },
    );
  }
  assert.throws(() => new CryptoPan(SAMPLE_KEY.subarray(1)), { code: "BAD_ANONYMIZATION_KEY" });
});
