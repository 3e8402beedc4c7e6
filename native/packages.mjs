/**
 * The system packages that a build and its tests need, by the names of Debian and Ubuntu, and which clang of those that
 * apt offers. Plain JavaScript without dependencies.
 */
import { spawnSync } from "node:child_process";
import { CLANG_MIN, findToolchain, fuzzerRuntime } from "./toolchain.mjs";

/** libbpf-dev brings libelf and zlib headers along. All but those of `build` and `package` are for tests and figures. */
const PACKAGES = {
  build: ["libbpf-dev", "g++", "make", "python3", "iproute2", "ethtool"],
  test: ["libgraphblas-dev", "openssl", "curl", "tcpdump", "procps", "dpkg-dev", "groff-base"],
  package: ["dpkg-dev", "binutils"],
  bench: ["libgraphblas-dev", "tcpdump", "pmacct"],
};
const NEEDED = ["build", "package"];

/**
 * What `purposes` ("test", "bench", "package") need beside a build: { needed, optional }, names that a distribution may
 * lack being optional. `offers` gives the versions of clang that apt has; it is asked only where there is no clang.
 */
export function packagesFor(purposes, { env = process.env, offers = clangsOffered } = {}) {
  const found = findToolchain(env);
  const version = found?.version ?? choose(offers());
  const needed = found ? [] : [`clang-${version}`, `lld-${version}`];
  const optional = [];
  for (const purpose of ["build", ...purposes])
    (NEEDED.includes(purpose) ? needed : optional).push(...PACKAGES[purpose]);
  if (purposes.includes("test") && !(found && fuzzerRuntime(found.clang)))
    optional.push(`libclang-rt-${version}-dev`);
  return {
    needed: [...new Set(needed)],
    optional: [...new Set(optional)].filter((name) => !needed.includes(name)),
  };
}

/** The oldest clang that is tested, where it is offered: what most use. Else the newest; with none at all a name to tell. */
export function choose(versions) {
  const fit = versions.filter((version) => version >= CLANG_MIN);
  return fit.length === 0 || fit.includes(CLANG_MIN) ? CLANG_MIN : Math.max(...fit);
}

/** Major versions of which apt offers clang and lld. */
export function clangsOffered() {
  const named = apt("pkgnames", ["clang-"]).match(/^clang-\d+$/gm) ?? [];
  const versions = named.map((name) => Number(name.slice("clang-".length)));
  const names = offered(versions.flatMap((version) => [`clang-${version}`, `lld-${version}`]));
  return versions.filter((version) => names.has(`clang-${version}`) && names.has(`lld-${version}`));
}

/** Those of `names` that apt could install, by its lists. */
export function offered(names) {
  if (names.length === 0) return new Set();
  const blocks = apt("policy", names).split(/^(?=\S)/m);
  const has = blocks.filter((block) => /^ {2}Candidate: (?!\(none\))/m.test(block));
  return new Set(has.map((block) => block.slice(0, block.indexOf(":"))));
}

/** Those of `names` that dpkg does not have installed; null where there is no dpkg. */
export function missing(names) {
  const query = spawnSync("dpkg-query", ["-W", "-f", "${Package} ${Status}\n", ...names], {
    encoding: "utf8",
  });
  if (query.error) return null;
  const lines = query.stdout.split("\n").filter((line) => line.endsWith("install ok installed"));
  const installed = new Set(lines.map((line) => line.split(" ")[0]));
  return names.filter((name) => !installed.has(name));
}

function apt(command, names) {
  const env = { ...process.env, LC_ALL: "C" };
  return spawnSync("apt-cache", [command, ...names], { encoding: "utf8", env }).stdout ?? "";
}
