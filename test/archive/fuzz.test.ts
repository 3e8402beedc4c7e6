import assert from "node:assert/strict";
import { test } from "node:test";
import { decodeArchive, encodeArchive, MEMBERS, mergeDicts, writeDict } from "../../lib/archive.js";
import { SparsewireError } from "../../lib/errors.js";
import { readTar, writeTar } from "../../lib/tar.js";
import { fuzz, mutate, type Random } from "../pcap/fuzz.js";
import { exampleHead } from "./example.js";

/** Runs `read`; any error but a typed one is a failure. */
function onlyTyped(codes: string[], read: () => unknown): void {
  try {
    read();
  } catch (error) {
    assert.ok(error instanceof SparsewireError, `untyped: ${String(error)}`);
    assert.ok(codes.includes(error.code) && error.exit === 3, error.code);
  }
}

/** Header checksums set right again, so that mutations reach what lies behind them. */
function mendChecksums(tar: Uint8Array): Uint8Array {
  const bytes = Buffer.from(tar);
  for (let at = 0; at + 512 <= bytes.length; at += 512) {
    if (bytes.toString("latin1", at + 257, at + 262) !== "ustar") continue;
    bytes.fill(" ", at + 148, at + 156);
    const sum = bytes.subarray(at, at + 512).reduce((total, byte) => total + byte, 0);
    bytes.write(`${sum.toString(8).padStart(6, "0")}\0 `, at + 148, "latin1");
  }
  return bytes;
}

test("fuzz: mutated tars end in members or BAD_TAR, and lenient reading never throws", async (t) => {
  const seeds = [
    writeTar(
      [
        { name: "a", data: new Uint8Array(700) },
        { name: `${"d/".repeat(70)}b`, data: new Uint8Array(3) },
      ],
      { mtime: 1 },
    ),
    writeTar([{ name: "pax", data: new TextEncoder().encode("15 path=longer\n12 size=100\n") }], {
      mtime: 1,
    }),
  ];
  seeds[1]![156] = "x".charCodeAt(0);
  await fuzz(t, (random) => {
    const mutated = mutate(random, random.pick(seeds));
    const tar = random.chance(0.7) ? mendChecksums(mutated) : mutated;
    onlyTyped(["BAD_TAR"], () => readTar(tar));
    const { members } = readTar(tar, { lenient: true });
    for (const { data } of members) assert.ok(data.byteLength <= tar.byteLength);
  });
});

test("fuzz: mutated archives end in an archive or a typed error", async (t) => {
  const head = exampleHead({
    ipv6: { hash: "siphash-2-4/60", key_id: "00000000", addresses: 1, collisions: 0 },
  });
  const sound = encodeArchive(head, [
    { name: MEMBERS.packets4, data: new Uint8Array(90) },
    { name: MEMBERS.dict6, data: writeDict([{ index: 5n, address: new Uint8Array(16) }]) },
  ]);
  const codes = ["BAD_TAR", "BAD_ARCHIVE", "BAD_MANIFEST", "BAD_DIGEST"];
  await fuzz(t, (random) => {
    const tar = mendChecksums(mutate(random, sound));
    onlyTyped(codes, () => decodeArchive(tar, { verify: random.chance(0.5) }));
    onlyTyped(codes, () => decodeArchive(withMutatedManifest(random, sound)));
  });
});

/** Valid around a mutated manifest. */
function withMutatedManifest(random: Random, sound: Uint8Array): Uint8Array {
  const [manifest, ...members] = readTar(sound).members;
  return writeTar([{ name: manifest!.name, data: mutate(random, manifest!.data) }, ...members], { mtime: 0 });
}

test("fuzz: mutated dictionaries merge or end in BAD_DICT", async (t) => {
  const entries = [1n, 2n, 77n, 1n << 59n].map((index, i) => ({
    index,
    address: new Uint8Array(16).fill(i),
  }));
  const sound = writeDict(entries);
  await fuzz(
    t,
    (random) => onlyTyped(["BAD_DICT"], () => mergeDicts(mutate(random, sound), mutate(random, sound))),
    1,
  );
});
