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
import { missing, offered, packagesFor } from "./packages.mjs";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
/** Names of packages that tests would use and apt does not have: not looked for at every start. */
const LACKING = join(root, "node_modules", ".sparsewire", "lacking");

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

function run(command, args, options = {}) {
  const done = spawnSync(command, args, { cwd: root, stdio: ["ignore", 2, 2], ...options });
  return done.status === 0;
}

/** Installs what is missing for a build and for `purposes`: all that is needed, and of the rest what there is. */
function installPackages(purposes) {
  if (missing([]) === null) {
    const { needed, optional } = packagesFor(purposes, { offers: () => [] });
    const names = [...needed, ...optional].join(" ");
    say(`this is not a Debian or Ubuntu system; needed here under other names: ${names}`);
    return;
  }
  const isRoot = process.getuid() === 0;
  let { needed, optional } = packagesFor(purposes);
  let wanted = missing([...needed, ...optional]);
  if (wanted.length === 0 || isLacking(wanted)) return;
  // A fresh system has no lists yet, or some that are older than what the mirror has.
  if (isRoot) run("apt-get", ["-qq", "update"]);
  ({ needed, optional } = packagesFor(purposes));
  const there = offered(optional);
  const lacking = missing(optional).filter((name) => !there.has(name));
  wanted = missing([...needed, ...optional]).filter((name) => !lacking.includes(name));
  if (wanted.length > 0) install(wanted, isRoot);
  if (lacking.length === 0) return;
  mkdirSync(dirname(LACKING), { recursive: true });
  writeFileSync(LACKING, lacking.join(" "));
  isLacking(lacking);
}

/** Whether these are what this distribution was found not to have; says so then. */
function isLacking(names) {
  if (!existsSync(LACKING) || readFileSync(LACKING, "utf8") !== names.join(" ")) return false;
  say(`this distribution has no ${names.join(", ")}: the tests that need it say so and are skipped`);
  return true;
}

function install(names, isRoot) {
  const command = `apt-get install -y --no-install-recommends ${names.join(" ")}`;
  if (!isRoot) fail(`system packages are missing: ${names.join(" ")}`, `run: sudo ${command}`);
  say(`installing system packages: ${names.join(" ")}`);
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  if (!run("apt-get", ["-qq", ...command.split(" ").slice(1)], { env }))
    fail("apt-get could not install them", `look at its messages above, then run: ${command}`);
}

/** What npm installs by. The rest of a manifest is no reason to remove node_modules, and all that is kept there. */
function dependenciesOf(manifest) {
  const { workspaces, dependencies, devDependencies, overrides } = JSON.parse(
    readFileSync(join(root, manifest), "utf8"),
  );
  return JSON.stringify({ workspaces, dependencies, devDependencies, overrides });
}

function installModules() {
  const stamp = join(root, "node_modules", ".sparsewire", "lock");
  const manifests = ["package.json", "native/xdp-node/package.json", "native/graphblas-wasm/package.json"];
  const wanted = hashOf(["package-lock.json"], manifests.map(dependenciesOf).join());
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
installPackages(extra);
installModules();
try {
  await build({ tools: extra.some((name) => name !== "package"), say });
} catch (error) {
  fail(error.message, "mend the error above and run it again");
}
