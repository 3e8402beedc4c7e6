/**
 * Packages for the guest, through the machine's own apt: the mirror is the one that the machine itself uses, lists and
 * downloads are private, and nothing is installed here but the tools that make and run the guest.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Programs that make a root file system, and the package each comes with. */
export const ROOT_TOOLS = { mmdebstrap: "mmdebstrap", chroot: "coreutils" };
/** Those that a guest needs. */
const GUEST_TOOLS = { ...ROOT_TOOLS, "qemu-system-x86_64": "qemu-system-x86", mke2fs: "e2fsprogs" };
const KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg";

/** Why there can be no guest here; a test skips with it. */
export class GuestUnavailable extends Error {}

/** A Debian archive as one line of sources.list has it. */
export interface Archive {
  uri: string;
  suite: string;
}

export function run(command: string, args: readonly string[], cwd?: string): string {
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive", LC_ALL: "C" };
  const done = spawnSync(command, args, { encoding: "utf8", maxBuffer: 1 << 28, env, cwd });
  if (done.error !== undefined) throw new Error(`${command} could not be started (${done.error.message})`);
  if (done.status === 0) return done.stdout;
  throw new Error(
    `${command} ${args.join(" ")} failed (${done.status ?? done.signal}): ${done.stderr.trim()}`,
  );
}

/** Installs the tools that are missing. Throws GuestUnavailable where that is not possible. */
export function installTools(
  say: (text: string) => void,
  tools: Readonly<Record<string, string>> = GUEST_TOOLS,
): void {
  if (process.arch !== "x64")
    throw new GuestUnavailable(`the guest is x86-64, this machine is ${process.arch}`);
  if (process.getuid?.() !== 0) throw new GuestUnavailable("making a root file system needs root");
  const missing = Object.entries(tools)
    .filter(([tool]) => spawnSync("which", [tool], { stdio: "ignore" }).status !== 0)
    .map(([, name]) => name);
  if (missing.length === 0) return;
  say(`installing system packages: ${missing.join(" ")}`);
  const install = ["-qq", "install", "-y", "--no-install-recommends", ...missing];
  try {
    run("apt-get", install);
  } catch {
    try {
      run("apt-get", ["-qq", "update"]);
      run("apt-get", install);
    } catch (error) {
      throw new GuestUnavailable(`${missing.join(", ")} could not be installed: ${(error as Error).message}`);
    }
  }
}

/** The archive this machine, a Debian, is installed from. */
export function ownArchive(): Archive {
  const suite = /^VERSION_CODENAME=(\w+)/m.exec(readFileSync("/etc/os-release", "utf8"))?.[1];
  const format = "$(REPO_URI) $(CODENAME) $(LABEL)";
  const sources = run("apt-get", ["indextargets", "--format", format, "Created-By: Packages"]);
  const line = sources.split("\n").find((source) => source.endsWith(` ${suite} Debian`));
  if (suite === undefined || line === undefined || !existsSync(KEYRING))
    throw new GuestUnavailable("no Debian archive among the apt sources of this machine");
  return { uri: line.split(" ")[0]!, suite };
}

/** A line of sources.list for a suite of the same mirror. */
export const sourceLine = ({ uri, suite }: Archive): string =>
  `deb [signed-by=${KEYRING}] ${uri} ${suite} main`;

/** apt-get and apt-cache with lists of their own for one archive. */
export class PrivateApt {
  readonly #options: string[];

  /** Fetches the archive's lists into `folder`. */
  constructor(folder: string, archive: Archive) {
    const lists = join(folder, "lists");
    mkdirSync(join(lists, "partial"), { recursive: true });
    writeFileSync(join(folder, "sources.list"), `${sourceLine(archive)}\n`);
    this.#options = [
      `Dir::Etc::sourcelist=${join(folder, "sources.list")}`,
      "Dir::Etc::sourceparts=/dev/null",
      `Dir::State::lists=${lists}`,
      "Dir::Cache::pkgcache=",
      "Dir::Cache::srcpkgcache=",
      "APT::Sandbox::User=root",
      // A mirror may be some weeks behind, which apt refuses for a suite that changes every day.
      "Acquire::Check-Valid-Until=false",
    ].flatMap((option) => ["-o", option]);
    run("apt-get", [...this.#options, "-qq", "update"]);
  }

  /** Names of packages that match. */
  names(pattern: string): string[] {
    return run("apt-cache", [...this.#options, "search", "--names-only", pattern])
      .split("\n")
      .map((line) => line.split(" ")[0]!)
      .filter((name) => name !== "");
  }

  /** Downloads a package into `folder`; its path. */
  download(name: string, folder: string): string {
    run("apt-get", [...this.#options, "-qq", "download", name], folder);
    const file = readdirSync(folder).find((entry) => entry.startsWith(`${name}_`));
    if (file === undefined) throw new Error(`apt-get downloaded no ${name}`);
    return join(folder, file);
  }
}
