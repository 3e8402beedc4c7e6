/**
 * The guests' disks: a root file system of this machine's own Debian release with systemd, all kernels' modules and the
 * agent, and a payload disk with what a run brings along. Both are ext4 images made by mke2fs -d.
 */
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { repositoryRoot } from "../live/tools/tool.js";
import { toolchainModule } from "../toolchain/module.js";
import { type Archive, run, sourceLine } from "./apt.js";
import { cached, forgetOthers, keyOf } from "./cache.js";
import { DIRECTORY, EXECUTABLE, FILE, initramfs } from "./initramfs.js";
import type { Kernel } from "./kernel.js";

/** What a small server has; the product's own dependencies come beside them. No compiler, no Node.js, no Python. */
const PACKAGES = [
  ...["systemd", "systemd-sysv", "udev", "kmod", "iproute2", "ethtool", "procps", "curl"],
  // Witnesses that are not ours.
  "tcpdump",
];
/** Log-ins that nobody makes, jobs of the night, and a wait for networks that there are none of. */
const MASKED = [
  "getty.target",
  "serial-getty@ttyS0.service",
  "apt-daily.timer",
  "apt-daily-upgrade.timer",
  "systemd-networkd.service",
  "systemd-networkd.socket",
  "systemd-networkd-wait-online.service",
];
const ROOT_MB = 2048;
const SOURCES = ["agent.sh", "agent.service", "init.c"];
/** What stands in front of the root disk; kernels that have it built in list no such module. */
const DISK_MODULES = ["virtio_pci", "virtio_blk"];

export interface Disks {
  root: string;
  /** By release of the kernel. */
  initramfs: (release: string) => string;
}

/** Root disk and an initramfs a kernel, from the cache where nothing that they are made of has changed. */
export async function disks(
  archive: Archive,
  kernels: readonly Kernel[],
  dependencies: readonly string[],
  say: (text: string) => void,
): Promise<Disks> {
  const packages = [...new Set([...PACKAGES, ...dependencies])].sort();
  const sources = SOURCES.map((name) => readFileSync(join(repositoryRoot(), "test/guest", name)));
  const own = readFileSync(new URL(import.meta.url));
  const key = keyOf([archive.suite, ...kernels.map(({ release }) => release), ...packages, ...sources, own]);
  const name = `root-${key}`;
  forgetOthers("root-", name);
  const folder = await cached(name, async (target) => {
    say(`making a root file system of ${archive.suite} with ${packages.join(", ")}`);
    await makeRoot(archive, kernels, packages, target);
  });
  const initramfs = (release: string): string => join(folder, `initramfs-${release}.cpio`);
  return { root: join(folder, "root.img"), initramfs };
}

async function makeRoot(
  archive: Archive,
  kernels: readonly Kernel[],
  packages: readonly string[],
  target: string,
): Promise<void> {
  const root = mkdtempSync(join(tmpdir(), "sparsewire-root-"));
  try {
    const include = `--include=${packages.join(",")}`;
    run("mmdebstrap", [
      "--quiet",
      "--mode=root",
      "--variant=minbase",
      include,
      archive.suite,
      root,
      sourceLine(archive),
    ]);
    for (const { release, modules } of kernels) {
      const folder = join(root, "usr/lib/modules", release);
      cpSync(modules, folder, { recursive: true });
      run("chroot", [root, "depmod", release]);
      writeFileSync(join(target, `initramfs-${release}.cpio`), await makeInitramfs(folder));
    }
    configure(root);
    makeDisk(root, join(target, "root.img"), ROOT_MB);
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

/** Host name, an agent at boot, silent network cards, and nothing that waits for what is not there. */
function configure(root: string): void {
  const source = join(repositoryRoot(), "test/guest");
  const units = join(root, "etc/systemd/system");
  cpSync(join(source, "agent.sh"), join(root, "usr/local/sbin/agent"));
  chmodSync(join(root, "usr/local/sbin/agent"), 0o755);
  cpSync(join(source, "agent.service"), join(units, "agent.service"));
  symlinkSync("../agent.service", join(units, "multi-user.target.wants/agent.service"));
  for (const unit of MASKED) symlinkSync("/dev/null", join(units, unit));
  writeFileSync(join(root, "etc/hostname"), "guest\n");
  writeFileSync(join(root, "etc/hosts"), "127.0.0.1 localhost guest\n");
  writeFileSync(join(root, "etc/machine-id"), "uninitialized\n");
  writeFileSync(join(root, "etc/sysctl.d/quiet.conf"), "net.ipv6.conf.default.disable_ipv6 = 1\n");
  writeFileSync(join(root, "etc/resolv.conf"), "");
  mkdirSync(join(root, "payload"), { recursive: true });
}

/** An ext4 image of a folder. No journal: a guest's disk does not outlive it. */
export function makeDisk(folder: string, image: string, megabytes: number): void {
  const options = ["-q", "-F", "-t", "ext4", "-O", "^has_journal", "-E", "root_owner=0:0", "-d", folder];
  run("mke2fs", [...options, image, `${megabytes}M`]);
}

/** clang: the tool chain's own; static, for an initramfs has no libraries. */
async function makeInitramfs(modules: string): Promise<Uint8Array> {
  const output = join(mkdtempSync(join(tmpdir(), "sparsewire-init-")), "init");
  try {
    const source = join(repositoryRoot(), "test/guest/init.c");
    const { clang } = (await toolchainModule()).toolchain();
    run(clang, ["-static", "-s", "-O2", "-Wall", "-Wextra", "-o", output, source]);
    return initramfs([
      { name: "dev", mode: DIRECTORY },
      { name: "root", mode: DIRECTORY },
      { name: "modules", mode: DIRECTORY },
      ...diskModules(readFileSync(join(modules, "modules.dep"), "utf8")).map((path, i) => ({
        // init loads them in the order of their names.
        name: `modules/${String(i).padStart(2, "0")}-${basename(path)}`,
        mode: FILE,
        bytes: readFileSync(join(modules, path)),
      })),
      { name: "init", mode: EXECUTABLE, bytes: readFileSync(output) },
    ]);
  } finally {
    rmSync(join(output, ".."), { recursive: true, force: true });
  }
}

/** Paths of the modules that stand in front of the disk, each after those that it needs; `dep` is depmod's modules.dep. */
export function diskModules(dep: string): string[] {
  const found: string[] = [];
  for (const name of DISK_MODULES) {
    const line = dep.split("\n").find((each) => new RegExp(`/${name}\\.ko[^/]*:`).test(each));
    if (line === undefined) continue;
    const [path, needs] = line.split(":") as [string, string];
    const first = needs.split(" ").filter((each) => each !== "");
    // depmod writes what is needed last first.
    found.push(...first.reverse(), path);
  }
  return [...new Set(found)];
}
