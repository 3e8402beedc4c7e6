import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  archiveName,
  decodeArchive,
  encodeArchive,
  MEMBERS,
  manifestJson,
  parseArchiveName,
  parseManifest,
} from "../../lib/archive.js";
import { SparsewireError } from "../../lib/errors.js";
import type { ManifestHead } from "../../lib/manifest.js";
import { quoteLongIntegers } from "../../lib/manifest-json.js";
import { readTar, writeTar } from "../../lib/tar.js";
import { exampleHead } from "./example.js";

const members = [
  { name: MEMBERS.packets4, data: Uint8Array.of(1, 2, 3) },
  { name: MEMBERS.quantities, data: new TextEncoder().encode("{}") },
];
const withCode = (code: string) => (error: unknown) =>
  error instanceof SparsewireError && error.code === code;
const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
const manifestText = (): string => text(readTar(encodeArchive(exampleHead(), members)).members[0]!.data);

/** The archive with its manifest's text changed. */
function tampered(change: (manifest: string) => string): Uint8Array {
  const tar = readTar(encodeArchive(exampleHead(), members)).members;
  const data = new TextEncoder().encode(change(text(tar[0]!.data)));
  return writeTar([{ name: "manifest.json", data }, ...tar.slice(1)], { mtime: 0 });
}

test("an archive is read back as it was written, nanoseconds exact", () => {
  const head = exampleHead({ start: 1_700_000_000_123_456_789n, end: 18_446_744_073_709_551_615n });
  const archive = encodeArchive(head, members);
  const decoded = decodeArchive(archive);
  const { format, members: listed, ...rest } = decoded.manifest;
  assert.equal(format, "sparsewire-interval/1");
  assert.deepEqual(rest, head);
  assert.deepEqual(
    listed.map(({ name, size }) => [name, size]),
    [
      [MEMBERS.packets4, 3],
      [MEMBERS.quantities, 2],
    ],
  );
  assert.deepEqual(decoded.member(MEMBERS.packets4), Uint8Array.of(1, 2, 3));
  assert.equal(decoded.member(MEMBERS.dict6), undefined);
  assert.deepEqual(archive, encodeArchive(head, members));
});

test("the manifest is the first member, with times as JSON integers", () => {
  const manifest = manifestText();
  assert.match(manifest, /\n {2}"start": 1700000000000000001,\n/);
  assert.deepEqual(parseManifest(manifest), parseManifest(manifestJson(parseManifest(manifest))));
});

test("integers of any length stay exact, strings stay as they are", () => {
  const exact = (json: string): unknown => JSON.parse(quoteLongIntegers(json));
  assert.deepEqual(exact('{"a":12345678901234567890,"b":9007199254740991}'), {
    a: "12345678901234567890",
    b: 9007199254740991,
  });
  assert.deepEqual(exact('["12345678901234567890", "\\"12345678901234567890", 1.25]'), [
    "12345678901234567890",
    '"12345678901234567890',
    1.25,
  ]);
  fc.assert(
    fc.property(fc.json(), (json) => {
      const parsed = JSON.parse(json, (_, value) =>
        typeof value === "number" && Number.isInteger(value) && !Number.isSafeInteger(value) ? null : value,
      );
      const quoted = JSON.parse(quoteLongIntegers(json), (_, value) =>
        typeof value === "number" && Number.isInteger(value) && !Number.isSafeInteger(value) ? null : value,
      );
      // Strings of digits only come from long integers, which became null above.
      assert.deepEqual(JSON.stringify(quoted).replaceAll(/"-?\d{16,}"/g, "null"), JSON.stringify(parsed));
    }),
    { numRuns: 300 },
  );
});

test("a member that was changed, lost, added or renamed is refused", () => {
  const tar = readTar(encodeArchive(exampleHead(), members)).members;
  const again = (changed: { name: string; data: Uint8Array }[]): Uint8Array =>
    writeTar(changed, { mtime: 0 });
  const [manifest, packets, quantities] = [tar[0]!, tar[1]!, tar[2]!];
  const other = { name: packets.name, data: Uint8Array.of(1, 2, 4) };
  assert.throws(() => decodeArchive(again([manifest, other, quantities])), withCode("BAD_DIGEST"));
  assert.doesNotThrow(() => decodeArchive(again([manifest, other, quantities]), { verify: false }));
  const cases = [
    [manifest, packets],
    [manifest, packets, quantities, { name: "more", data: new Uint8Array() }],
    [manifest, packets, packets],
    [manifest, { name: "renamed", data: packets.data }, quantities],
    [manifest, { name: packets.name, data: packets.data.subarray(1) }, quantities],
    [packets, manifest, quantities],
    [],
  ];
  for (const [i, changed] of cases.entries()) {
    assert.throws(() => decodeArchive(again(changed)), withCode("BAD_ARCHIVE"), `case ${i}`);
  }
});

test("a manifest that contradicts itself is refused", () => {
  const changes: [string, string][] = [
    ['"frames": 4', '"frames": 5'],
    ['"packets": 3', '"packets": 2'],
    ['"end": 1700000001', '"end": 1600000001'],
    ['"sensor": "test-1"', '"sensor": "../../etc"'],
    ['"run": "0123456789abcdef"', '"run": "xyz"'],
    ['"sequence": 7', '"sequence": -7'],
    ['"sequence": 7', '"sequence": 12345678901234567890'],
    ['"start": 17', '"start": 1717171717171717171717171717171717'],
    ['"ipv4": 2', '"ipv4": 2, "surprise": 0'],
    ['"format": "sparsewire-interval/1"', '"format": "sparsewire-interval/2"'],
    ['"sampling": 1', '"sampling": 0'],
    ["{", "[{"],
  ];
  for (const [from, to] of changes) {
    const archive = tampered((manifest) => manifest.replace(from, to));
    assert.throws(() => decodeArchive(archive), withCode("BAD_MANIFEST"), to);
  }
  assert.throws(() => encodeArchive(exampleHead({ frames: 9 }), members), withCode("BAD_MANIFEST"));
});

test("a reason or a cause that an older writer did not know is zero", () => {
  const archive = tampered((manifest) => manifest.replace(/"llc": 0,\n/, ""));
  assert.equal(decodeArchive(archive).manifest.reasons.llc, 0);
});

test("file names carry the identity, and sort by time", () => {
  const identity = {
    start: 1_700_000_000_000_000_001n,
    sensor: "a-b.c_d",
    run: "0123456789abcdef",
    sequence: 42,
  };
  const name = archiveName(identity);
  assert.equal(name, "01700000000000000001-a-b.c_d-0123456789abcdef-000000000042.tar");
  assert.deepEqual(parseArchiveName(name), identity);
  assert.ok(archiveName({ ...identity, start: 5n }) < name);
  for (const other of [
    "x.tar",
    name.slice(1),
    `${name}.tmp`,
    name.replace("000000000042", "42"),
    `../${name}`,
  ]) {
    assert.equal(parseArchiveName(other), undefined, other);
  }
});

test("a head that names an interval fits archiveName", () => {
  const head: ManifestHead = exampleHead();
  assert.deepEqual(parseArchiveName(archiveName(head)), {
    start: head.start,
    sensor: head.sensor,
    run: head.run,
    sequence: head.sequence,
  });
});
