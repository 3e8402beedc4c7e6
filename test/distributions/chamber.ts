/**
 * A machine of its own kind: a root file system with a layer to write on, in mount and PID namespaces of its own, so that
 * everything in it, mounts and processes, ends with the command. The network is this machine's.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run } from "../guest/apt.js";
import { repositoryRoot } from "../live/tools/tool.js";

const HOME = "/root";
/** Where the clone lies; captures, where there are any, beside it, as in development. */
const CLONE = `${HOME}/sparsewire`;
const CAPTURES = "../shared/pcaps";
const NODE = "/opt/node";
const AUTHORITIES = "/etc/ssl/certs/of-this-machine.crt";

/** Set up by a shell in the new namespaces: $1 the root below, $2 the folder with the layer, the rest the command. */
const ENTER = `set -e
base=$1 layer=$2; shift 2
mount --make-rprivate /
root=$layer/root
mount -t overlay overlay -o "lowerdir=$base,upperdir=$layer/upper,workdir=$layer/work" "$root"
mount -t proc proc "$root/proc"
mount --rbind /sys "$root/sys"
mount --rbind /dev "$root/dev"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
mount -t tmpfs -o mode=755 tmpfs "$root/run"
[ ! -d "$layer/node" ] || { mkdir -p "$root${NODE}"; mount --bind "$(readlink -f "$layer/node")" "$root${NODE}"; }
exec chroot "$root" "$@"`;

export class Chamber {
  readonly #layer = mkdtempSync(join(tmpdir(), "sparsewire-chamber-"));

  /** `node`: a folder with another Node.js, which comes first in the path. */
  constructor(
    readonly root: string,
    readonly node?: string,
  ) {
    for (const name of ["upper", "work", "root"]) mkdirSync(join(this.#layer, name));
    if (node !== undefined) run("ln", ["-s", node, join(this.#layer, "node")]);
    this.#write("/etc/resolv.conf", readFileSync("/etc/resolv.conf"));
    this.#write("/etc/hosts", "127.0.0.1 localhost\n::1 localhost\n");
    this.#write(`${HOME}/.npmrc`, npmSettings());
    if (process.env.NODE_EXTRA_CA_CERTS)
      this.#write(AUTHORITIES, readFileSync(process.env.NODE_EXTRA_CA_CERTS));
  }

  /** The files of this checkout as git knows them, changes included: what a clone would have. */
  clone(): void {
    const target = join(this.#layer, "upper", CLONE);
    mkdirSync(target, { recursive: true });
    const listed = run("git", ["ls-files", "--cached", "--others", "--exclude-standard"], repositoryRoot());
    const list = join(this.#layer, "files");
    writeFileSync(list, listed);
    run("sh", ["-c", `tar -C "$1" -T "$2" -c | tar -C "$3" -x`, "sh", repositoryRoot(), list, target]);
    const captures = join(repositoryRoot(), CAPTURES);
    const beside = join(target, CAPTURES);
    run("sh", ["-c", `[ ! -d "$1" ] || { mkdir -p "$2" && cp -r "$1/." "$2"; }`, "sh", captures, beside]);
  }

  /** Runs a shell command in the clone; its processes end with the child that is returned. */
  start(command: string, variables: Readonly<Record<string, string>> = {}): ChildProcess {
    const path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    const environment = {
      HOME,
      PATH: this.node === undefined ? path : `${NODE}/bin:${path}`,
      TERM: "xterm",
      LANG: "C.UTF-8",
      ...(process.env.NODE_EXTRA_CA_CERTS ? { NODE_EXTRA_CA_CERTS: AUTHORITIES } : {}),
      ...variables,
    };
    const inside = ["/bin/sh", "-c", `cd ${CLONE} && ${command}`];
    const namespaces = ["--mount", "--pid", "--fork", "--kill-child"];
    return spawn("unshare", [...namespaces, "sh", "-c", ENTER, "sh", this.root, this.#layer, ...inside], {
      env: environment,
      stdio: ["pipe", "pipe", "pipe"],
    });
  }

  /** Copies a file out of the chamber. */
  take(path: string, to: string): void {
    copyFileSync(join(this.#layer, "upper", path), to);
  }

  close(): void {
    rmSync(this.#layer, { recursive: true, force: true });
  }

  #write(path: string, content: string | Uint8Array): void {
    const full = join(this.#layer, "upper", path);
    mkdirSync(join(full, ".."), { recursive: true });
    writeFileSync(full, content);
  }
}

/** How this machine's npm reaches its registry; handed over at run time only. */
function npmSettings(): string {
  const settings = JSON.parse(run("npm", ["config", "list", "--json"])) as Record<string, unknown>;
  const lines = ["registry", "proxy", "https-proxy", "strict-ssl"]
    .filter((key) => settings[key] !== null && settings[key] !== undefined)
    .map((key) => `${key}=${String(settings[key])}`);
  if (process.env.NODE_EXTRA_CA_CERTS) lines.push(`cafile=${AUTHORITIES}`);
  return `${lines.join("\n")}\n`;
}
