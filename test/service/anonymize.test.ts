import assert from "node:assert/strict";
import { chmodSync, existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { TrafficMatrix } from "sparsewire";
import { ipv4Text, ipv6TextOfBytes } from "../../lib/address.js";
import { CryptoPan } from "../../lib/cryptopan.js";
import { temporaryFolder, test } from "../aggregator/support.js";
import { Collected } from "./support.js";

const KEY = Uint8Array.from({ length: 32 }, (_, k) => 7 * k + 1);

function keyFile(mode = 0o600): string {
  const path = join(temporaryFolder(), "key");
  writeFileSync(path, Buffer.from(KEY).toString("hex"));
  chmodSync(path, mode);
  return path;
}

test("addresses are CryptoPAN's before an interval is handed out, of both families and mixed pairs", async () => {
  const collected = new Collected({ anonymize: { keyFile: keyFile() } });
  collected.matrix.observe("10.1.2.3", "192.0.2.1", 5);
  collected.matrix.observe("2001:db8::7", "192.0.2.1", 6);
  await collected.matrix.close();
  const pan = new CryptoPan(KEY);
  const [source, destination] = [...pan.anonymize4(Uint32Array.of(0x0a010203, 0xc0000201))].map(ipv4Text);
  const mapped = Uint8Array.of(...new Uint8Array(10), 0xff, 0xff, 192, 0, 2, 1);
  const client = Uint8Array.of(0x20, 0x01, 0x0d, 0xb8, ...new Uint8Array(11), 7);
  const six = [client, mapped].map((bytes) => ipv6TextOfBytes(pan.anonymize6(bytes)));
  assert.deepEqual(
    collected.links(),
    new Map([
      [`${source} ${destination}`, [1, 5]],
      [six.join(" "), [1, 6]],
    ]),
  );
  const { anonymization, ipv6 } = collected.intervals.at(-1)!.manifest;
  assert.match(anonymization.scheme, /^cryptopan-/);
  assert.equal(ipv6?.addresses, 2);
});

test("truncation holds for an IPv4 address in an IPv6 pair, too", async () => {
  const collected = new Collected({ anonymize: { truncate4: 24 } });
  collected.matrix.observe("10.1.2.3", "10.1.2.9", 1);
  collected.matrix.observe("2001:db8::1234", "10.1.2.3", 1);
  await collected.matrix.close();
  assert.deepEqual([...collected.links().keys()], ["10.1.2.0 10.1.2.0", "2001:db8::1200 ::ffff:10.1.2.0"]);
});

test("a key that others can read, or a spool with clear addresses, is refused by the constructor", async () => {
  const onInterval = () => undefined;
  const open = keyFile(0o644);
  assert.throws(() => new TrafficMatrix({ onInterval, anonymize: { keyFile: open } }), {
    code: "KEY_PERMISSIONS",
  });
  const spool = { path: join(temporaryFolder(), "spool") };
  const options = { aggregator: { url: "http://127.0.0.1:9" }, spool, onError: () => undefined };
  const clear = new TrafficMatrix(options);
  clear.observe("10.1.2.3", "192.0.2.1", 5);
  await clear.close({ timeoutMs: 1000 });
  const anonymize = { keyFile: keyFile() };
  assert.throws(() => new TrafficMatrix({ ...options, anonymize }), { code: "SPOOL_CLEAR" });
  assert.ok(!existsSync(join(spool.path, "lock")));
});
