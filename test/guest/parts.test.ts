/** The parts of the guest that need no machine: which kernel is taken, and the bytes of an initramfs. */
import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { test } from "node:test";
import { cached, cacheFolder, forgetOthers } from "./cache.js";
import { diskModules } from "./image.js";
import { DIRECTORY, EXECUTABLE, initramfs } from "./initramfs.js";
import { best, STOCK, ZERO_COPY } from "./kernel.js";

const image = (release: string): string => `linux-image-${release}-cloud-amd64`;

test("the newest kernel of the wanted series is taken, else the newest after it, else none", () => {
  const older = [image("6.12.9+deb13"), image("6.17.13+deb13")];
  const wanted = [image("6.18.9+deb13"), image("6.18.15+deb13"), image("6.18.5+deb13")];
  const newer = [image("6.19.8+deb13"), image("6.19.14+deb13")];
  const others = ["linux-image-cloud-amd64", "linux-image-6.18.20+deb13-amd64", `${image("6.18.20")}-dbg`];
  assert.equal(best([...older, ...wanted, ...newer, ...others], ZERO_COPY), image("6.18.15+deb13"));
  assert.equal(best([...older, ...newer, ...others], ZERO_COPY), image("6.19.14+deb13"));
  assert.equal(best([...older, ...others], ZERO_COPY), undefined);
});

test("of the stock kernel's builds the newest is taken, and none of another release", () => {
  const builds = [image("6.1.0-9"), image("6.1.0-50"), image("6.1.0-47")];
  const others = [image("6.12.9+deb13"), image("6.10.11+bpo"), "linux-image-6.1.0-60-rt-amd64"];
  assert.equal(best([...builds, ...others], STOCK), image("6.1.0-50"));
  assert.equal(best(others, STOCK), undefined);
});

test("the modules in front of the disk come after those that they need, whether compressed or not", () => {
  const dep = [
    "kernel/drivers/virtio/virtio.ko:",
    "kernel/drivers/virtio/virtio_pci.ko: kernel/drivers/virtio/virtio_ring.ko kernel/drivers/virtio/virtio.ko",
    "kernel/drivers/block/virtio_blk.ko: kernel/drivers/virtio/virtio_ring.ko kernel/drivers/virtio/virtio.ko",
    "kernel/drivers/block/null_blk.ko:",
  ];
  assert.deepEqual(
    diskModules(dep.join("\n")).map((path) => basename(path)),
    ["virtio.ko", "virtio_ring.ko", "virtio_pci.ko", "virtio_blk.ko"],
  );
  assert.deepEqual(diskModules("kernel/drivers/block/virtio_blk.ko.xz:\n"), [
    "kernel/drivers/block/virtio_blk.ko.xz",
  ]);
});

test("an initramfs is a newc archive: headers, names, contents, each on a multiple of four bytes", () => {
  const entries = [
    { name: "dev", mode: DIRECTORY },
    { name: "init", mode: EXECUTABLE, bytes: Buffer.from("hello") },
    { name: "empty", mode: EXECUTABLE },
  ];
  const bytes = Buffer.from(initramfs(entries));
  const found: { name: string; mode: number; text: string }[] = [];
  let at = 0;
  while (at < bytes.length) {
    const field = (i: number): number =>
      Number.parseInt(bytes.toString("latin1", at + 6 + 8 * i, at + 14 + 8 * i), 16);
    assert.equal(bytes.toString("latin1", at, at + 6), "070701");
    const [mode, size, nameSize] = [field(1), field(6), field(11)];
    const name = bytes.toString("latin1", at + 110, at + 110 + nameSize - 1);
    const content = (at + 110 + nameSize + 3) & ~3;
    found.push({ name, mode, text: bytes.toString("latin1", content, content + size) });
    at = (content + size + 3) & ~3;
  }
  assert.deepEqual(found, [
    { name: "dev", mode: DIRECTORY, text: "" },
    { name: "init", mode: EXECUTABLE, text: "hello" },
    { name: "empty", mode: EXECUTABLE, text: "" },
    { name: "TRAILER!!!", mode: 0, text: "" },
  ]);
});

test("what was cut off while it was made is not found in the cache, and others of its kind are forgotten", async () => {
  const folder = mkdtempSync(join(tmpdir(), "sparsewire-cache-"));
  const before = process.env.SPARSEWIRE_GUEST_CACHE;
  process.env.SPARSEWIRE_GUEST_CACHE = folder;
  try {
    await assert.rejects(
      cached("root-1", () => {
        throw new Error("cut off");
      }),
      /cut off/,
    );
    assert.deepEqual(readdirSync(cacheFolder()), []);
    for (const name of ["root-1", "root-2", "linux-image"]) await cached(name, () => {});
    forgetOthers("root-", "root-2");
    assert.deepEqual(readdirSync(cacheFolder()).sort(), ["linux-image", "root-2"]);
  } finally {
    if (before === undefined) delete process.env.SPARSEWIRE_GUEST_CACHE;
    else process.env.SPARSEWIRE_GUEST_CACHE = before;
    rmSync(folder, { recursive: true, force: true });
  }
});
