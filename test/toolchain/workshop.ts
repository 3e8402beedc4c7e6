/**
 * This checkout, built by another compiler, and used: in a mount namespace of its own the tree has a layer to write on, so
 * that paths are as ever and nothing of it remains. A compiler of another root file system is run there by a wrapper.
 */
import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { repositoryRoot } from "../live/tools/tool.js";

export interface Compiler {
  version: number;
  /** What people call it. */
  name: string;
  clang: string;
  wasmLd: string;
  /** The root file system it is in; undefined: this machine's. */
  root?: string;
}

/** $1 the checkout, $2 a folder for layers, $3 the compiler's root or nothing, the rest the command. */
const ENTER = `set -e
repo=$1 layers=$2 root=$3; shift 3
mount --make-rprivate /
layer() { mkdir -p "$2/upper" "$2/work"; mount -t overlay overlay -o "lowerdir=$1,upperdir=$2/upper,workdir=$2/work" "$3"; }
if [ -n "$root" ]; then
  mkdir -p "$layers/root"
  layer "$root" "$layers/of-root" "$layers/root"
  mkdir -p "$layers/root$repo"
fi
layer "$repo" "$layers/of-repo" "$repo"
if [ -n "$root" ]; then
  mount --bind "$repo" "$layers/root$repo"
  mount --bind ${tmpdir()} "$layers/root/tmp"
fi
cd "$repo"
exec "$@"`;

export class Workshop {
  readonly #layers = mkdtempSync(join(tmpdir(), "sparsewire-workshop-"));
  readonly #environment: NodeJS.ProcessEnv;

  constructor(readonly compiler: Compiler) {
    const { clang, wasmLd, root } = compiler;
    const via = (program: string): string => (root === undefined ? program : this.#wrapper(program));
    this.#environment = { CLANG: via(clang), WASM_LD: via(wasmLd), SPARSEWIRE_WERROR: "1" };
  }

  /** Runs shell commands in the tree; what they printed. Throws an Error with it when they fail. */
  run(commands: string): string {
    const inside = ["sh", "-c", ENTER, "sh", repositoryRoot(), this.#layers, this.compiler.root ?? ""];
    const done = spawnSync("unshare", ["--mount", ...inside, "sh", "-ec", commands], {
      encoding: "utf8",
      maxBuffer: 1 << 28,
      env: { ...process.env, ...this.#environment },
    });
    if (done.status === 0) return done.stdout;
    throw new Error(
      `${this.compiler.name}: ${commands} failed (${done.status})\n${done.stdout}${done.stderr}`,
    );
  }

  close(): void {
    rmSync(this.#layers, { recursive: true, force: true });
  }

  #wrapper(program: string): string {
    const path = join(this.#layers, "bin", program);
    mkdirSync(join(path, ".."), { recursive: true });
    const inside = `exec chroot ${this.#layers}/root /bin/sh -c 'cd "$0" && exec "$@"' "$PWD" ${program} "$@"`;
    writeFileSync(path, `#!/bin/sh\n${inside}\n`);
    chmodSync(path, 0o755);
    return path;
  }
}
