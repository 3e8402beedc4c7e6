/** Plain, gzip and zstd captures, files and pipes: the same bytes, and damage that costs no more than it must. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { openSource } from "../../daemon/ingest/file-source.js";
import { SparsewireError } from "../../lib/errors.js";
import { fuzz, mutate } from "../pcap/fuzz.js";
import { exampleCapture } from "./example-capture.js";
import { EXAMPLE_ZST } from "./example-zst.js";

const folder = mkdtempSync(join(tmpdir(), "source-"));
after(() => rmSync(folder, { recursive: true }));
const capture = exampleCapture();

interface ReadResult {
  bytes: Buffer;
  damage: string | undefined;
  format: string;
}

/** Reads a file to its end, `step` bytes at a time. */
async function readAll(content: Uint8Array, step = 1 << 16): Promise<ReadResult> {
  const path = join(folder, "file");
  writeFileSync(path, content);
  const source = await openSource(path);
  assert.equal(source.bytesTotal, content.length);
  const pieces: Buffer[] = [];
  const view = new Uint8Array(new SharedArrayBuffer(step));
  for (let bytes = -1; bytes !== 0; ) {
    bytes = await source.fill(view);
    pieces.push(Buffer.from(view.slice(0, bytes)));
  }
  source.close();
  assert.ok(source.bytesRead <= content.length);
  return { bytes: Buffer.concat(pieces), damage: source.damage, format: source.format };
}

/** A zstd frame of raw and run-length blocks, made by hand; single segment, with its content size. */
function zstdFrame(content: Uint8Array, run = 0): Buffer {
  const size = content.length + run;
  const header = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0xa0, 0, 0, 0, 0]);
  header.writeUInt32LE(size, 5);
  const block = (isLast: boolean, type: number, bytes: number): Buffer => {
    const three = Buffer.alloc(3);
    three.writeUIntLE((isLast ? 1 : 0) | (type << 1) | (bytes << 3), 0, 3);
    return three;
  };
  return Buffer.concat([
    header,
    block(run === 0, 0, content.length),
    content,
    ...(run === 0 ? [] : [block(true, 1, run), Buffer.of(7)]),
  ]);
}
const skippable = Buffer.from([0x53, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3]);

const SOUND: [name: string, content: Uint8Array, format: string, expected: Uint8Array][] = [
  ["plain", capture, "plain", capture],
  ["empty", new Uint8Array(), "plain", new Uint8Array()],
  ["one byte", Uint8Array.of(0x1f), "plain", Uint8Array.of(0x1f)],
  ["gzip", gzipSync(capture), "gzip", capture],
  [
    "two gzip members",
    Buffer.concat([gzipSync(capture), gzipSync(capture)]),
    "gzip",
    Buffer.concat([capture, capture]),
  ],
  ["an empty gzip member", gzipSync(new Uint8Array()), "gzip", new Uint8Array()],
  ["a gzip that expands 1000 times", gzipSync(Buffer.alloc(5 << 20)), "gzip", Buffer.alloc(5 << 20)],
  ["zstd", EXAMPLE_ZST, "zstd", capture],
  ["two zstd frames", Buffer.concat([EXAMPLE_ZST, EXAMPLE_ZST]), "zstd", Buffer.concat([capture, capture])],
  ["zstd by hand", zstdFrame(capture, 3), "zstd", Buffer.concat([capture, Buffer.of(7, 7, 7)])],
  ["skippable zstd frames", Buffer.concat([skippable, EXAMPLE_ZST, skippable]), "zstd", capture],
  [
    "a thousand zstd frames",
    Buffer.concat(Array(1000).fill(zstdFrame(Buffer.of(9)))),
    "zstd",
    Buffer.alloc(1000, 9),
  ],
];
for (const [name, content, format, expected] of SOUND) {
  test(`${name}: all of it, in steps of any size`, async () => {
    for (const step of [1 << 20, 1000, 37]) {
      if (step === 37 && expected.length > 1 << 20) continue;
      const read = await readAll(content, step);
      assert.ok(read.bytes.equals(expected), `${read.bytes.length} bytes, wanted ${expected.length}`);
      assert.equal(read.damage, undefined);
      assert.equal(read.format, format);
    }
  });
}

test("a gzip or zstd that is cut anywhere gives what it had, and says that it is cut", async () => {
  const zstd = Buffer.concat([zstdFrame(capture.subarray(0, 1000)), EXAMPLE_ZST]);
  for (const [whole, content] of [
    [gzipSync(capture), capture],
    [zstd, Buffer.concat([capture.subarray(0, 1000), capture])],
  ] as const) {
    let most = 0;
    for (let cut = 5; cut < whole.length; cut += cut < 40 ? 1 : 7) {
      const read = await readAll(whole.subarray(0, cut));
      assert.ok(read.bytes.equals(content.subarray(0, read.bytes.length)), `cut at ${cut}`);
      assert.ok(read.bytes.length >= most, `cut at ${cut}`);
      most = read.bytes.length;
      const isFrameEnd = whole === zstd && cut === zstd.length - EXAMPLE_ZST.length;
      assert.equal(read.damage === undefined, isFrameEnd, `cut at ${cut}: ${read.damage}`);
    }
    assert.ok(most > 900);
  }
});

test("a gzip whose last bytes are lost loses no content", async () => {
  const random = Buffer.from(Array.from({ length: 300_000 }, (_, i) => (i * i * 31 + (i >> 3)) & 255));
  const whole = gzipSync(random);
  const read = await readAll(whole.subarray(0, whole.length - 8));
  assert.ok(read.bytes.equals(random));
  assert.match(read.damage!, /gzip stream is damaged/);
});

test("zstd frames that ask for absurd windows, dictionaries or blocks are damage, not memory", async () => {
  const frame = (...bytes: number[]): Buffer =>
    Buffer.from([0x28, 0xb5, 0x2f, 0xfd, ...bytes, ...Array(40).fill(0)]);
  const cases: [string, Buffer][] = [
    ["window", frame(0x00, 0xff)],
    ["window", frame(0xe0, 0, 0, 0, 0, 0, 1, 0, 0)],
    ["dictionary", frame(0x01, 0x58, 5)],
    ["reserved", frame(0x08, 0x58)],
    ["block", frame(0x00, 0x58, 0x06, 0, 0)],
    ["block", frame(0x00, 0x58, 0xff, 0xff, 0xff)],
  ];
  for (const [what, content] of cases) assert.match((await readAll(content)).damage!, new RegExp(what));
});

test("fuzz: mutated gzip and zstd files end in content or damage", async (t) => {
  const seeds = [
    gzipSync(capture),
    EXAMPLE_ZST,
    zstdFrame(capture, 50),
    Buffer.concat([skippable, EXAMPLE_ZST]),
  ];
  await fuzz(t, async (random) => {
    const read = await readAll(mutate(random, random.pick(seeds)));
    // An RLE block of 128 KiB costs four bytes.
    assert.ok(read.bytes.length < 8 << 20);
  });
});

test("what cannot be opened is one clear error", async (t) => {
  const codeOf = async (path: string): Promise<[string, number]> => {
    try {
      (await openSource(path)).close();
    } catch (error) {
      assert.ok(error instanceof SparsewireError && error.mend !== "");
      return [error.code, error.exit];
    }
    return ["opened", 0];
  };
  assert.deepEqual(await codeOf(join(folder, "none.pcap")), ["CANNOT_READ", 3]);
  assert.deepEqual(await codeOf(folder), ["CANNOT_READ", 3]);
  if (process.getuid?.() === 0) return t.diagnostic("root may read everything: permissions not tried");
  const secret = join(folder, "secret.pcap");
  writeFileSync(secret, capture);
  chmodSync(secret, 0);
  assert.deepEqual(await codeOf(secret), ["CANNOT_READ", 4]);
});

const reader = fileURLToPath(new URL("./read-source.js", import.meta.url));

/** What a child that reads `name` makes of `content`, which `write` gives it. */
async function readByChild(name: string, write: (child: ChildProcess) => Promise<void>): Promise<Buffer> {
  const child = spawn(process.execPath, [reader, name], {
    stdio: ["pipe", "pipe", "inherit"],
    timeout: 20_000,
  });
  const output: Buffer[] = [];
  child.stdout!.on("data", (piece: Buffer) => output.push(piece));
  const closed = new Promise((resolve) => child.on("close", resolve));
  await write(child);
  await closed;
  return Buffer.concat(output);
}

test("standard input, in slow pieces", async () => {
  const zipped = gzipSync(capture);
  const read = await readByChild("-", async ({ stdin }) => {
    for (let at = 0; at < zipped.length; at += 300) {
      stdin!.write(zipped.subarray(at, at + 300));
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    stdin!.end();
  });
  assert.ok(read.equals(capture));
});

test("a FIFO, whose writer comes later", async () => {
  const fifo = join(folder, "fifo");
  assert.equal(spawnSync("mkfifo", [fifo]).status, 0);
  const read = await readByChild(fifo, async () => {
    await new Promise((resolve) => setTimeout(resolve, 100));
    await writeFile(fifo, capture);
  });
  assert.ok(read.equals(capture));
});
