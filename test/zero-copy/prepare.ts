/** Everything before the first test: tools, the package, kernels, disks, and a booted machine; it says what it does. */
import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Archive, GuestUnavailable, installTools, ownArchive, run } from "../guest/apt.js";
import { disks, makeDisk } from "../guest/image.js";
import { type Kernel, kernel, type Series, STOCK, ZERO_COPY } from "../guest/kernel.js";
import { Machine } from "../guest/machine.js";
import { writeEthernetPcap } from "../live/tools/frames.js";
import { repositoryRoot, toolsFolder } from "../live/tools/tool.js";
import type { Batch } from "./frames.js";

const MEMORY_MB = 1536;
const BOOT_SECONDS = 240;

export interface Preparation {
  kernel: Series;
  /** Written to the payload disk as batch-0.pcap, batch-1.pcap ... */
  batches: readonly Batch[];
  /** Further files of the payload disk, by name. */
  files: Readonly<Record<string, string | Uint8Array>>;
}

/** The root disk serves all of them. */
const ALL: readonly Series[] = [ZERO_COPY, STOCK];

const began = performance.now();
const say = (text: string): void => {
  process.stderr.write(`guest: ${((performance.now() - began) / 1000).toFixed(0).padStart(3)} s  ${text}\n`);
};

/** The machine, booted, with the package and the batches on its payload disk; or why there can be none here. */
export async function prepare(
  preparation: Preparation,
): Promise<{ machine: Machine; close(): Promise<void> } | string> {
  const folder = mkdtempSync(join(tmpdir(), "sparsewire-payload-"));
  const clean = (): void => rmSync(folder, { recursive: true, force: true });
  let machine: Machine | undefined;
  try {
    installTools(say);
    const archive = ownArchive();
    const kernels = await kernelsFor(archive, preparation.kernel);
    const boot = kernels.get(preparation.kernel)!;
    const deb = packageFile();
    const system = await disks(archive, [...kernels.values()], dependenciesOf(deb), say);
    say(`kernel ${boot.release}, package ${deb}`);
    const payload = await payloadDisk(folder, deb, preparation);
    say(`booting QEMU (${MEMORY_MB} MB, 2 processors)`);
    machine = new Machine({
      kernel: boot.image,
      initramfs: system.initramfs(boot.release),
      disk: system.root,
      payload,
      memoryMb: MEMORY_MB,
    });
    await machine.boot(BOOT_SECONDS);
    await machine.sh("mount -r /dev/vdb /payload");
    say("booted");
  } catch (error) {
    await machine?.close();
    clean();
    if (error instanceof GuestUnavailable) return error.message;
    throw error;
  }
  const opened = machine;
  return {
    machine: opened,
    async close() {
      if (process.env.SPARSEWIRE_GUEST_CONSOLE)
        writeFileSync(process.env.SPARSEWIRE_GUEST_CONSOLE, opened.console);
      await opened.close();
      clean();
      say("the guest is gone");
    },
  };
}

/** All kernels that are to be had: the root disk is the same whichever guest is made first. Throws without `wanted`. */
async function kernelsFor(archive: Archive, wanted: Series): Promise<Map<Series, Kernel>> {
  const kernels = new Map<Series, Kernel>();
  for (const series of ALL) {
    try {
      kernels.set(series, await kernel(archive, series, say));
    } catch (error) {
      if (!(error instanceof GuestUnavailable) || series === wanted) throw error;
      say(`without Linux ${series.release.join(".")}: ${error.message}`);
    }
  }
  return kernels;
}

/** SPARSEWIRE_DEB, or the newest package that `npm run package` has built. */
function packageFile(): string {
  if (process.env.SPARSEWIRE_DEB) return process.env.SPARSEWIRE_DEB;
  const folder = join(repositoryRoot(), "dist-package");
  say("building the package (npm run package)");
  const done = spawnSync("npm", ["run", "--silent", "package"], { cwd: repositoryRoot(), encoding: "utf8" });
  if (done.status !== 0) throw new Error(`npm run package failed:\n${done.stdout}${done.stderr}`);
  const packages = readdirSync(folder)
    .filter((name) => name.endsWith(".deb"))
    .map((name) => join(folder, name))
    .sort((a, b) => statSync(a).mtimeMs - statSync(b).mtimeMs);
  if (packages.length === 0) throw new Error(`npm run package left no package in ${folder}`);
  return packages.at(-1)!;
}

/** What the package needs on the guest; of alternatives the first. */
function dependenciesOf(deb: string): string[] {
  return run("dpkg-deb", ["--field", deb, "Depends", "Pre-Depends"])
    .replaceAll(/^(Pre-)?Depends:/gm, ",")
    .split(",")
    .map((one) => one.trim().split(/[\s|(:]/)[0]!)
    .filter((name) => name !== "");
}

async function payloadDisk(folder: string, deb: string, { batches, files }: Preparation): Promise<string> {
  const content = join(folder, "payload");
  mkdirSync(content);
  copyFileSync(deb, join(content, "sparsewire.deb"));
  copyFileSync(join(await toolsFolder(), "replay"), join(content, "replay"));
  let bytes = statSync(deb).size;
  for (const [name, text] of Object.entries(files)) {
    writeFileSync(join(content, name), text);
    bytes += text.length;
  }
  for (const [i, { frames }] of batches.entries()) {
    const capture = writeEthernetPcap(frames);
    writeFileSync(join(content, `batch-${i}.pcap`), capture);
    bytes += capture.byteLength;
  }
  const image = join(folder, "payload.img");
  makeDisk(content, image, Math.ceil(bytes / 2 ** 20) + 32);
  return image;
}
