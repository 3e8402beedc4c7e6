#!/usr/bin/env node
/**
 * The one set-up step of `npm start`, `npm test` and `npm run bench`: system packages, npm packages, builds.
 *
 * Plain JavaScript without dependencies, because it runs before node_modules exists. Idempotent: a second run
 * only compares hashes. `--test`, `--bench` and `--package` add what only the tests, the benchmark and `npm run package` need.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build, hashOf } from "./build.mjs";
import { judgeNode } from "./node-range.mjs";

const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** Debian and Ubuntu package names; libbpf-dev brings libelf and zlib headers along. */
const PACKAGES = {
  build: ["clang-16", "lld-16", "libbpf-dev", "g++", "make", "python3", "iproute2", "ethtool"],
  test: [
    "libclang-rt-16-dev",
    "libgraphblas-dev",
    "openssl",
    "curl",
    "tcpdump",
    "procps",
    "dpkg-dev",
    "groff-base",
  ],
  package: ["dpkg-dev", "binutils"],
  bench: ["libgraphblas-dev", "tcpdump", "pmacct"],
};

function fail(what, mend) {
  process.stderr.write(`setup: ${what}; ${mend}\n`);
  process.exit(1);
}

function say(text) {
  process.stderr.write(`setup: ${text}\n`);
}

function checkNode() {
  if (process.platform !== "linux")
    fail(`Sparsewire runs on Linux, this is ${process.platform}`, "use a Linux machine");
  const { refusal, mend, warning } = judgeNode(process.versions.node);
  if (refusal !== undefined) fail(refusal, mend);
  if (warning !== undefined) say(`warning: ${warning}`);
}

/** Those of `names` that dpkg does not have installed. */
function missingPackages(names) {
  const query = spawnSync("dpkg-query", ["-W", "-f", "${Package} ${Status}\n", ...names], {
    encoding: "utf8",
  });
  if (query.error) return null;
  const installed = new Set(
    query.stdout
      .split("\n")
      .filter((line) => line.endsWith("install ok installed"))
      .map((line) => line.split(" ")[0]),
  );
  return names.filter((name) => !installed.has(name));
}

function run(command, args, options = {}) {
  const done = spawnSync(command, args, { cwd: root, stdio: ["ignore", 2, 2], ...options });
  return done.status === 0;
}

function installPackages(wanted) {
  const missing = missingPackages(wanted);
  if (missing === null) {
    say(`this is not a Debian or Ubuntu system; needed here under other names: ${wanted.join(" ")}`);
    return;
  }
  if (missing.length === 0) return;
  const command = `apt-get install -y --no-install-recommends ${missing.join(" ")}`;
  if (process.getuid() !== 0)
    fail(`system packages are missing: ${missing.join(" ")}`, `run: sudo ${command}`);
  say(`installing system packages: ${missing.join(" ")}`);
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  const [tool, ...args] = ["apt-get", "-qq", ...command.split(" ").slice(1)];
  if (run(tool, args, { env })) return;
  if (!run("apt-get", ["-qq", "update"], { env }) || !run(tool, args, { env })) {
    fail("apt-get could not install them", `look at its messages above, then run: ${command}`);
  }
}

function installModules() {
  const stamp = join(root, "node_modules", ".sparsewire", "lock");
  const wanted = hashOf([
    "package.json",
    "package-lock.json",
    "native/xdp-node/package.json",
    "native/graphblas-wasm/package.json",
  ]);
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === wanted) return;
  say("installing npm packages (npm ci)");
  if (!run("npm", ["ci", "--ignore-scripts", "--no-audit", "--no-fund"])) {
    fail("npm ci failed", "look at its messages above; is the npm registry reachable?");
  }
  mkdirSync(dirname(stamp), { recursive: true });
  writeFileSync(stamp, wanted);
}

checkNode();
const extra = ["test", "bench", "package"].filter((name) => process.argv.includes(`--${name}`));
installPackages([...new Set([...PACKAGES.build, ...extra.flatMap((name) => PACKAGES[name])])]);
installModules();
try {
  await build({ tools: extra.some((name) => name !== "package"), say });
} catch (error) {
  fail(error.message, "mend the error above and run it again");
}
