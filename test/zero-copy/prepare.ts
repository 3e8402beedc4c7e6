/** Everything before the first test: tools, the package, kernel, disks, and the booted machine; it says what it does. */
import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { GuestUnavailable, installTools, ownArchive, run } from "../guest/apt.js";
import { disks, makeDisk } from "../guest/image.js";
import { kernel } from "../guest/kernel.js";
import { Machine } from "../guest/machine.js";
import { writeEthernetPcap } from "../live/tools/frames.js";
import { repositoryRoot, toolsFolder } from "../live/tools/tool.js";
import type { Batch } from "./frames.js";

const MEMORY_MB = 1536;
const BOOT_SECONDS = 240;
const SENSOR_TOML = `sensor = "guest"
bind = "zerocopy"
attach = "native"

[spool]
max_bytes = "128MiB"

[aggregator]
url = "http://127.0.0.1:8470"
retry_max = "1s"
`;

const began = performance.now();
const say = (text: string): void => {
  process.stderr.write(`guest: ${((performance.now() - began) / 1000).toFixed(0).padStart(3)} s  ${text}\n`);
};

/** The machine, booted, with the package and the batches on its payload disk; or why there can be none here. */
export async function prepare(
  batches: readonly Batch[],
): Promise<{ machine: Machine; close(): Promise<void> } | string> {
  const folder = mkdtempSync(join(tmpdir(), "sparsewire-payload-"));
  const clean = (): void => rmSync(folder, { recursive: true, force: true });
  let machine: Machine | undefined;
  try {
    installTools(say);
    const archive = ownArchive();
    const boot = await kernel(archive, say);
    const deb = packageFile();
    const system = await disks(archive, boot, dependenciesOf(deb), say);
    say(`kernel ${boot.release}, package ${deb}`);
    const payload = await payloadDisk(folder, deb, batches);
    say(`booting QEMU (${MEMORY_MB} MB, 2 processors)`);
    machine = new Machine({
      kernel: boot.image,
      initramfs: system.initramfs,
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

async function payloadDisk(folder: string, deb: string, batches: readonly Batch[]): Promise<string> {
  const content = join(folder, "payload");
  mkdirSync(content);
  copyFileSync(deb, join(content, "sparsewire.deb"));
  copyFileSync(join(await toolsFolder(), "replay"), join(content, "replay"));
  writeFileSync(join(content, "sensor.toml"), SENSOR_TOML);
  let bytes = statSync(deb).size;
  for (const [i, { frames }] of batches.entries()) {
    const capture = writeEthernetPcap(frames);
    writeFileSync(join(content, `batch-${i}.pcap`), capture);
    bytes += capture.byteLength;
  }
  const image = join(folder, "payload.img");
  makeDisk(content, image, Math.ceil(bytes / 2 ** 20) + 32);
  return image;
}
