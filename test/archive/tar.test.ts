import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { SparsewireError } from "../../lib/errors.js";
import { readTar, writeTar } from "../../lib/tar.js";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const isBadTar = (error: unknown): boolean => error instanceof SparsewireError && error.code === "BAD_TAR";

/** A header block, checksum included. */
function header(
  name: string,
  size: string | Uint8Array,
  type = "0",
  more: (block: Buffer) => void = () => {},
): Buffer {
  const block = Buffer.alloc(512);
  block.write(name, 0, "utf8");
  block.write("0000644\0", 100);
  if (typeof size === "string") block.write(size, 124);
  else block.set(size, 124);
  block.write("00000000000\0", 136);
  block.write(type, 156, "latin1");
  block.write("ustar\x0000", 257, "latin1");
  more(block);
  block.fill(" ", 148, 156);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return block;
}
const octal = (size: number): string => `${size.toString(8).padStart(11, "0")}\0`;
const body = (data: Uint8Array): Buffer =>
  Buffer.concat([data, Buffer.alloc((512 - (data.length % 512)) % 512)]);
const END = Buffer.alloc(1024);

const member = fc.record(
  { name: fc.stringMatching(/^[a-z0-9]{1,90}$/), data: fc.uint8Array({ maxLength: 1500 }) },
  { noNullPrototype: true },
);

test("what is written is read back, whatever the sizes", () => {
  fc.assert(
    fc.property(fc.array(member), (members) => {
      const read = readTar(writeTar(members, { mtime: 1 })).members;
      assert.deepEqual(
        read.map(({ name, data }) => ({ name, data: Uint8Array.from(data) })),
        members,
      );
    }),
    { numRuns: 100 },
  );
});

test("the same members give the same bytes; members are views, not copies", () => {
  const members = [{ name: "a", data: bytes("one") }];
  const tar = writeTar(members, { mtime: 1_700_000_000 });
  assert.deepEqual(tar, writeTar(members, { mtime: 1_700_000_000 }));
  assert.equal(readTar(tar).members[0]!.data.buffer, tar.buffer);
});

test("tar(1) lists what is written, and what tar(1) writes in each of its formats is read", (t) => {
  if (spawnSync("tar", ["--version"]).status !== 0) return t.skip("no tar(1) on this machine");
  const folder = mkdtempSync(join(tmpdir(), "tar-"));
  try {
    const long = `${"folder/".repeat(20)}${"x".repeat(120)}.grb`;
    const file = join(folder, "ours.tar");
    writeFileSync(
      file,
      writeTar([{ name: "p/".repeat(70).concat("name"), data: bytes("abc") }], { mtime: 5 }),
    );
    const listed = spawnSync("tar", ["tvf", file], { encoding: "utf8" });
    assert.match(listed.stdout, /^-rw-r--r-- 0\/0 +3 1970-01-01 00:00 (p\/)+name\n$/);
    spawnSync("mkdir", ["-p", join(folder, "in", long, "..")]);
    writeFileSync(join(folder, "in", long), "content");
    for (const format of ["gnu", "pax", "posix", "oldgnu"]) {
      const foreign = spawnSync("tar", [
        "cf",
        "-",
        `--format=${format}`,
        "-C",
        join(folder, "in"),
        "./folder",
      ]);
      assert.deepEqual(
        readTar(foreign.stdout).members.map(({ name, data }) => [name, new TextDecoder().decode(data)]),
        [[long, "content"]],
        format,
      );
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("base-256 sizes, old headers, links and folders", () => {
  const binary = Uint8Array.of(0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3);
  const tar = Buffer.concat([
    header("folder/", octal(0), "5"),
    header("link", octal(3), "2"),
    header("old", octal(1), "\0", (block) => void block.fill(0, 257, 265)),
    body(bytes("x")),
    header("binary", binary),
    body(bytes("abc")),
    END,
  ]);
  assert.deepEqual(
    readTar(tar).members.map(({ name, data }) => [name, data.length]),
    [
      ["old", 1],
      ["binary", 3],
    ],
  );
});

const FAULTY: [what: string, tar: Uint8Array][] = [
  ["nothing", new Uint8Array()],
  ["no end marker", Buffer.concat([header("a", octal(1)), body(bytes("x"))])],
  ["a cut member", Buffer.concat([header("a", octal(2000)), body(bytes("x"))])],
  ["an absurd size", Buffer.concat([header("a", "77777777777\0"), END])],
  ["a negative size", Buffer.concat([header("a", new Uint8Array(12).fill(255)), END])],
  [
    "a size over 2^53",
    Buffer.concat([header("a", Uint8Array.of(0x80, 0, 0, 0, 255, 255, 255, 255, 0, 0, 0, 0)), END]),
  ],
  ["a size that is no number", Buffer.concat([header("a", "12x\0"), END])],
  ["an absolute name", Buffer.concat([header("/etc/passwd", octal(0)), END])],
  ["a name that climbs", Buffer.concat([header("a/../../b", octal(0)), END])],
  ["an empty name", Buffer.concat([header("./", octal(0), "0", (block) => void block.fill(0, 0, 2)), END])],
  [
    "a name that is not UTF-8",
    Buffer.concat([header("a", octal(0), "0", (block) => void block.fill(0xff, 0, 3)), END]),
  ],
  ["a wrong checksum", Buffer.concat([header("a", octal(0)).fill("b", 0, 1), END])],
  ["a sparse member", Buffer.concat([header("a", octal(0), "S"), END])],
  ["a malformed pax record", Buffer.concat([header("p", octal(9), "x"), body(bytes("99 path=a")), END])],
  [
    "an absurd pax size",
    Buffer.concat([
      header("p", octal(20), "x"),
      body(bytes("20 size=99999999999\n")),
      header("a", octal(0)),
      END,
    ]),
  ],
];
for (const [what, tar] of FAULTY) {
  test(`${what} is BAD_TAR`, () => {
    assert.throws(() => readTar(tar), isBadTar);
    assert.ok(readTar(tar, { lenient: true }).damage !== undefined);
  });
}

test("lenient: a tar cut anywhere yields the members that are whole", () => {
  const members = ["a", "bb", "ccc"].map((name, i) => ({
    name,
    data: new Uint8Array(i * 400 + 1).fill(i + 1),
  }));
  const tar = writeTar(members, { mtime: 0 });
  const ends = [1024, 1024 + 1024, 1024 + 1024 + 1536];
  for (let cut = 0; cut < tar.length - 1024 + 512; cut++) {
    const { members: read, damage } = readTar(tar.subarray(0, cut), { lenient: true });
    // The padding of a member is not its content.
    const whole = members.filter((member, i) => ends[i]! - padding(member.data.length) <= cut).length;
    assert.equal(read.length, whole, `cut at ${cut}`);
    assert.equal(damage === undefined, cut >= ends[2]! + 512, `cut at ${cut}`);
  }
});
const padding = (size: number): number => (512 - (size % 512)) % 512;
