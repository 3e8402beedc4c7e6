/**
 * Node.js releases as npm packages, in node_modules/.sparsewire/nodes: those that the tests run on, and the one that the
 * Debian package brings. Their versions are in package.json, "nodes".
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const { nodes } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
const PACKAGE = `node-linux-${process.arch}`;
const cache = join(root, "node_modules/.sparsewire/nodes");

/** Versions, oldest first. */
export const TRIED_NODES = nodes.tried;
export const PACKAGED_NODE = nodes.packaged.version;

/** The folder of a release with bin/node and LICENSE, whether it is there or not. */
export const nodeFolder = (version) => join(cache, version, "node_modules", PACKAGE);

/** Those of the releases that are in the cache: [version, path of the binary]. */
export function cachedNodes() {
  return TRIED_NODES.map((version) => [version, join(nodeFolder(version), "bin/node")]).filter(([, path]) =>
    existsSync(path),
  );
}

/**
 * Brings a release into the cache with npm, which checks it against its digest; that of the packaged release is ours.
 * @param {string} version
 * @returns {string} its folder
 */
export function fetchNode(version) {
  const folder = nodeFolder(version);
  if (existsSync(join(folder, "bin/node"))) return folder;
  const base = join(cache, version);
  // Whole or not at all: who is interrupted begins anew, and two at once do not meet.
  const fresh = `${base}.${process.pid}`;
  rmSync(fresh, { recursive: true, force: true });
  mkdirSync(fresh, { recursive: true });
  const integrity = version === PACKAGED_NODE ? nodes.packaged.integrity[process.arch] : undefined;
  const dependencies = { [PACKAGE]: version };
  const about = { name: "nodes", version: "0.0.0" };
  writeFileSync(join(fresh, "package.json"), JSON.stringify({ ...about, private: true, dependencies }));
  const entry = { version, ...(integrity === undefined ? {} : { integrity }) };
  const packages = { "": { ...about, dependencies }, [`node_modules/${PACKAGE}`]: entry };
  writeFileSync(
    join(fresh, "package-lock.json"),
    JSON.stringify({ ...about, lockfileVersion: 3, requires: true, packages }),
  );
  const args = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
  const done = spawnSync("npm", args, { cwd: fresh, encoding: "utf8" });
  if (done.status !== 0) {
    rmSync(fresh, { recursive: true, force: true });
    throw new Error(`npm could not fetch ${PACKAGE}@${version}:\n${done.error?.message ?? done.stderr}`);
  }
  rmSync(base, { recursive: true, force: true });
  renameSync(fresh, base);
  return folder;
}
