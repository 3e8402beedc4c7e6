/** Programs of several compilers on the kernel of Debian 12, whose verifier takes the least: a virtual machine for them alone. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { installTools, ownArchive, run } from "../guest/apt.js";
import { DIRECTORY, EXECUTABLE, FILE, initramfs } from "../guest/initramfs.js";
import { kernel, STOCK } from "../guest/kernel.js";
import { repositoryRoot } from "../live/tools/tool.js";
import { toolchainModule } from "./module.js";

const SOURCE = "test/toolchain/load.c";
const MEMORY_MB = 512;
const SECONDS_MAX = 900;
/** CAP_NET_ADMIN and CAP_BPF, as /proc writes a set. */
const CAPABILITIES = "0000008000001000";

export interface StockReport {
  release: string;
  loaded: number;
  refused: { program: string; why: string }[];
}

/**
 * Loads the objects in each folder of `objects`, which are named by compiler; reports by those names. Throws
 * GuestUnavailable where there can be no guest, an Error when it does not come to its end.
 */
export async function loadOnStockKernel(
  objects: string,
  say: (text: string) => void,
): Promise<[string, StockReport][]> {
  installTools(say);
  const { image } = await kernel(ownArchive(), STOCK, say);
  const folder = mkdtempSync(join(tmpdir(), "sparsewire-stock-"));
  try {
    const archive = join(folder, "initramfs.cpio");
    const names = readdirSync(objects).sort();
    writeFileSync(archive, initramfs(await content(objects, names, folder)));
    say(`booting QEMU with the objects of ${names.join(", ")}`);
    const console = boot(image, archive);
    return names.map((name) => [name, read(console, name)]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** /init and /objects: COMPILER-OBJECT. */
async function content(objects: string, names: readonly string[], folder: string) {
  const init = join(folder, "init");
  const { clang } = (await toolchainModule()).toolchain();
  const libraries = ["-lbpf", "-lelf", "-lz"];
  run(clang, ["-static", "-s", "-O2", "-Wall", "-o", init, join(repositoryRoot(), SOURCE), ...libraries]);
  const files = names.flatMap((name) =>
    readdirSync(join(objects, name)).map((object) => ({
      name: `objects/${name}-${object}`,
      mode: FILE,
      bytes: readFileSync(join(objects, name, object)),
    })),
  );
  const folders = ["dev", "objects"].map((name) => ({ name, mode: DIRECTORY }));
  return [...folders, ...files, { name: "init", mode: EXECUTABLE, bytes: readFileSync(init) }];
}

/** The console's words, from the boot to the power switch. */
function boot(image: string, archive: string): string {
  const machine = ["-m", String(MEMORY_MB), "-nodefaults", "-nographic", "-no-reboot", "-serial", "stdio"];
  const system = ["-kernel", image, "-initrd", archive, "-append", "console=ttyS0 panic=-1 quiet nowatchdog"];
  const done = spawnSync("qemu-system-x86_64", [...machine, ...system], {
    encoding: "utf8",
    timeout: SECONDS_MAX * 1000,
    killSignal: "SIGKILL",
    maxBuffer: 1 << 26,
  });
  const words = done.stdout.replaceAll("\r", "");
  if (/^end$/m.test(words)) return words;
  throw new Error(
    `the guest did not come to its end (${done.signal ?? done.status}): ${words.slice(-2000)}${done.stderr}`,
  );
}

function read(console: string, name: string): StockReport {
  const set = /^capabilities (\w+)$/m.exec(console)?.[1];
  if (set !== CAPABILITIES) throw new Error(`the loader had the capabilities ${set}`);
  const blocks = console
    .split(/^(?=(?:loaded|refused|end)\b)/m)
    .filter((block) => block.includes(` ${name}-`));
  const refused = blocks.filter((block) => block.startsWith("refused "));
  return {
    release: /^guest (\S+)$/m.exec(console)![1]!,
    loaded: blocks.filter((block) => block.startsWith("loaded ")).length,
    refused: refused.map((block) => {
      const [line, ...why] = block.trim().split("\n");
      return { program: line!.slice("refused ".length), why: why.join("\n") };
    }),
  };
}
