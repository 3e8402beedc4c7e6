#!/usr/bin/env node
/**
 * `npm run package`: the Debian package, dist-package/sparsewire_VERSION_ARCH.deb, out of what is built in the tree. It
 * needs no compiler and no Node.js where it is installed. The same tree gives the same bytes: times are
 * SOURCE_DATE_EPOCH, or else those of the last commit. `--as-built` packs what is built and builds nothing; `--output DIR`; `--level 1` to 9 of compression.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "../native/build.mjs";
import { MAINTAINER, write, writeChangelog, writeCopyright, writeManuals } from "./package/documents.mjs";
import { SCRIPTS } from "./package/scripts.mjs";
import { binariesOf, filesBelow, fillTree } from "./package/tree.mjs";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const ARCHITECTURE = { x64: "amd64", arm64: "arm64" }[process.arch];
const DESCRIPTION = `who talks to whom on a network, exactly, at line rate
 Sparsewire turns the packets of a host or of a mirror port into hypersparse
 traffic matrices: for every interval, how many packets and bytes each source
 sent to each destination, over the whole address space, not sampled, every
 frame accounted for. Frames are received by AF_XDP inside a WebAssembly
 sandbox. Sensors ship their matrices to an aggregator.
 .
 The package brings a Node.js of its own, of a long-term release.`;

const say = (text) => process.stderr.write(`package: ${text}\n`);

/** The word after a flag. */
function argument(flag) {
  const at = process.argv.indexOf(flag);
  return at < 0 ? undefined : process.argv[at + 1];
}

function run(command, args, options = {}) {
  const done = spawnSync(command, args, { encoding: "utf8", maxBuffer: 1 << 26, ...options });
  if (done.error)
    throw new Error(`${command} could not be started (${done.error.code}); apt-get install dpkg-dev has it`);
  if (done.status !== 0)
    throw new Error(`${command} ${args.join(" ")} failed:\n${done.stdout}${done.stderr}`);
  return done.stdout.trim();
}

/** Seconds since 1970 that every file in the package bears. */
function sourceEpoch() {
  const given = process.env.SOURCE_DATE_EPOCH;
  if (given !== undefined && /^\d{1,12}$/.test(given)) return Number(given);
  const commit = spawnSync("git", ["-C", root, "log", "-1", "--format=%ct"], { encoding: "utf8" });
  const seconds = Number(commit.stdout?.trim());
  return commit.status === 0 && seconds > 0
    ? seconds
    : Math.floor(statSync(join(root, "package.json")).mtimeMs / 1000);
}

/** Packages that the binaries' libraries come from, with the versions they need. */
function libraryDependencies(binaries) {
  const folder = mkdtempSync(join(tmpdir(), "sparsewire-shlibs-"));
  try {
    write(join(folder, "debian/control"), "Source: sparsewire\n\nPackage: sparsewire\nArchitecture: any\n");
    const text = run(
      "dpkg-shlibdeps",
      ["-O", "--ignore-missing-info", ...binaries.map((path) => `-e${path}`)],
      { cwd: folder },
    );
    return /^shlibs:Depends=(.*)$/m.exec(text)?.[1] ?? "";
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function copyTo(tree, from, to) {
  const path = join(tree, to);
  mkdirSync(dirname(path), { recursive: true });
  copyFileSync(join(root, from), path);
  chmodSync(path, 0o644);
}

/** Units, users, folders, configurations. */
function fillSystem(tree) {
  for (const name of readdirSync(join(root, "systemd")).filter((file) => file.endsWith(".service")))
    copyTo(tree, `systemd/${name}`, `lib/systemd/system/${name}`);
  copyTo(tree, "systemd/sysusers.d/sparsewire.conf", "usr/lib/sysusers.d/sparsewire.conf");
  copyTo(tree, "systemd/tmpfiles.d/sparsewire.conf", "usr/lib/tmpfiles.d/sparsewire.conf");
  for (const kind of ["sensor", "aggregator"])
    copyTo(tree, `systemd/${kind}.toml`, `etc/sparsewire/${kind}.toml`);
  copyTo(tree, "systemd/README.md", "usr/share/doc/sparsewire/systemd.md");
  mkdirSync(join(tree, "usr/bin"), { recursive: true });
  symlinkSync("../lib/sparsewire/dist/daemon/cli/main.js", join(tree, "usr/bin/sparsewire"));
}

/** Why a check of the package that is right in general does not fit this one. */
const OVERRIDES = [
  [
    "binary-from-other-architecture [usr/lib/sparsewire/bpf/build/*]",
    "programs for the kernel's own machine (BPF)",
  ],
  ["missing-dep-for-interpreter /usr/lib/sparsewire/bin/node *", "Node.js comes along"],
  ["wrong-path-for-interpreter /usr/lib/sparsewire/bin/node *", "Node.js comes along"],
  ["maintainer-script-calls-systemctl *", "instances of a template cannot be named to deb-systemd-invoke"],
  [
    "script-not-executable [usr/lib/sparsewire/node_modules/*]",
    "commands of dependencies, which are not used",
  ],
  [
    "systemd-service-file-refers-to-unusual-wantedby-target sys-subsystem-net-devices-%i.device *",
    "a sensor starts when its interface appears",
  ],
  ["embedded-javascript-library *", "run-time dependencies come along in the versions that were tested"],
  ["hardening-no-pie [usr/lib/sparsewire/bin/node]", "Node.js is linked as its authors build it"],
  ["embedded-library *", "Node.js is linked as its authors build it"],
  ["extra-license-file *", "each dependency keeps the licence it came with"],
];

function fillControl(tree, { version, depends, epoch }) {
  const control = join(tree, "DEBIAN");
  mkdirSync(control, { recursive: true, mode: 0o755 });
  const files = filesBelow(tree, (path) => !path.startsWith(`${control}/`)).sort();
  const kilobytes = files.reduce((sum, path) => sum + Math.ceil(lstatSync(path).size / 1024), 0);
  const fields = {
    Package: "sparsewire",
    Version: version,
    Architecture: ARCHITECTURE,
    Maintainer: MAINTAINER,
    "Installed-Size": String(kilobytes),
    Depends: depends,
    Recommends: "systemd",
    Suggests: "ethtool, iproute2",
    Section: "net",
    Priority: "optional",
    Description: DESCRIPTION,
  };
  const text = Object.entries(fields).map(([name, value]) => `${name}: ${value}\n`);
  write(join(control, "control"), text.join(""));
  write(join(control, "conffiles"), "/etc/sparsewire/aggregator.toml\n/etc/sparsewire/sensor.toml\n");
  const sums = files.map((path) => {
    const digest = createHash("md5").update(readFileSync(path)).digest("hex");
    return `${digest}  ${relative(tree, path)}\n`;
  });
  write(join(control, "md5sums"), sums.join(""));
  for (const [name, script] of Object.entries(SCRIPTS))
    writeFileSync(join(control, name), script, { mode: 0o755 });
  stampTimes(tree, epoch);
}

function stampTimes(path, epoch) {
  if (lstatSync(path).isDirectory()) {
    chmodSync(path, 0o755);
    for (const name of readdirSync(path)) stampTimes(join(path, name), epoch);
  }
  lutimesSync(path, epoch, epoch);
}

async function makePackage() {
  if (ARCHITECTURE === undefined) throw new Error(`there is no Debian architecture for ${process.arch}`);
  if (!process.argv.includes("--as-built")) await build({ say });
  const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const epoch = sourceEpoch();
  const output = argument("--output") ?? join(root, "dist-package");
  const tree = join(output, "tree");
  rmSync(tree, { recursive: true, force: true });
  mkdirSync(tree, { recursive: true });
  const home = join(tree, "usr/lib/sparsewire");
  mkdirSync(home, { recursive: true });
  const modules = fillTree(root, home);
  fillSystem(tree);
  await writeManuals(root, tree);
  writeChangelog(tree, version, epoch);
  writeCopyright(root, tree, modules);
  const overrides = OVERRIDES.map(([tag, why]) => `# ${why}\nsparsewire: ${tag}\n`);
  write(join(tree, "usr/share/lintian/overrides/sparsewire"), overrides.join(""));
  const depends = libraryDependencies(binariesOf(home));
  fillControl(tree, { version, depends, epoch });
  const name = `sparsewire_${version}_${ARCHITECTURE}.deb`;
  const file = join(output, name);
  // gzip: every dpkg reads it, and it is unpacked in a second where xz takes ten for a seventh less.
  run("dpkg-deb", ["--root-owner-group", "-Zgzip", `-z${argument("--level") ?? 9}`, "--build", tree, file], {
    env: { ...process.env, SOURCE_DATE_EPOCH: String(epoch) },
  });
  rmSync(tree, { recursive: true, force: true });
  if (!existsSync(file)) throw new Error(`dpkg-deb made no ${name}`);
  process.stderr.write(
    `package: ${relative(process.cwd(), file)}, ${(statSync(file).size / 2 ** 20).toFixed(1)} MiB; Depends: ${depends}\n`,
  );
}

makePackage().catch((error) => {
  say(error.message);
  process.exit(1);
});
