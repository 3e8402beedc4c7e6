/** What of this repository a machine needs to run Sparsewire, as a tree below /usr/lib/sparsewire. */
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join, relative } from "node:path";
import { fetchNode, PACKAGED_NODE } from "../../native/nodes.mjs";

/** Of dependencies: code, data that code reads, licences. */
const RUN_TIME = /(\.(js|cjs|mjs|json|node|wasm)|^(licen[cs]e|notice|copying)\b.*)$/i;
/** Top-level folders of dependencies that nothing imports. */
const ASIDE = new Set(
  "test tests __tests__ benchmark benchmarks bench example examples docs doc types src integration scripts .github build".split(
    " ",
  ),
);
/** Files of dependencies that nothing imports either. */
const ASIDE_FILE = /^(bench|benchmark|test|eslint\.config)\.(js|cjs|mjs)$/;
/** What g++ and clang make for this machine, with the mode of each. */
const NATIVE = [
  ["native/xdp-node/build/Release/xdp_node.node", 0o644],
  ["native/xdp-node/build/Release/tc-attach", 0o755],
];
/** Built beside the rest, but for development only. */
const NOT_OURS = [/^dist\/daemon\/demo\//, /\.d\.ts$/, /\.map$/, /\.tsbuildinfo$/];
/** Of dependencies, but needed only to build or on other platforms. */
const BUILD_ONLY = new Set(["node-addon-api"]);

function filesBelow(folder, keep, found = []) {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) filesBelow(path, keep, found);
    else if (entry.isFile() && keep(path)) found.push(path);
  }
  return found;
}

function copy(from, to, mode = 0o644) {
  mkdirSync(dirname(to), { recursive: true });
  copyFileSync(from, to);
  chmodSync(to, mode);
}

/** Names and versions of what package.json asks for at run time, with theirs; as [folder, manifest]. */
function productionModules(root) {
  const listed = spawnSync("npm", ["ls", "--omit=dev", "--all", "--parseable"], {
    cwd: root,
    encoding: "utf8",
  });
  // npm also fails for what is merely extraneous; a list that is cut short shows when the result is run.
  return [...new Set(listed.stdout.split("\n"))]
    .filter((path) => path.includes("/node_modules/") && existsSync(join(path, "package.json")))
    .map((path) => [relative(root, path), JSON.parse(readFileSync(join(path, "package.json"), "utf8"))])
    .filter(([, { name }]) => !BUILD_ONLY.has(name))
    .sort(([a], [b]) => (a < b ? -1 : 1));
}

const isRunTime = (name) => !name.startsWith(".") && RUN_TIME.test(name) && !ASIDE_FILE.test(name);

/** Copies one dependency, without what it does not run with. */
function copyModule(root, folder, target) {
  const base = join(root, folder);
  const isAside = (path) => {
    const [top, ...rest] = relative(base, path).split("/");
    // A folder that the package's own entry points lie in is not aside, whatever its name.
    return rest.length > 0 && (top === "node_modules" || (ASIDE.has(top) && !isEntry(base, top)));
  };
  for (const path of filesBelow(base, (path) => isRunTime(basename(path)) && !isAside(path)))
    copy(path, join(target, relative(root, path)));
  if (folder === "node_modules/zod") oneLanguage(join(target, folder, "v4/locales"));
}

/** zod loads its messages in every language, each a module, at each start; ours are in English. */
function oneLanguage(locales) {
  for (const name of readdirSync(locales)) if (!/^en\.c?js$/.test(name)) rmSync(join(locales, name));
  writeFileSync(join(locales, "index.js"), 'export { default as en } from "./en.js";\n');
  writeFileSync(join(locales, "index.cjs"), 'exports.en = require("./en.cjs").default;\n');
}

function isEntry(base, top) {
  const { main = "", exports = {} } = JSON.parse(readFileSync(join(base, "package.json"), "utf8"));
  return new RegExp(`(^|[/"])(\\./)?${top}/`).test(`${main}"${JSON.stringify(exports)}`);
}

/**
 * Fills `target` (…/usr/lib/sparsewire) from the built repository at `root`. Returns the dependencies that went in, as
 * manifests with `folder`.
 */
export function fillTree(root, target) {
  const isWanted = (path) =>
    /\.(js|json)$/.test(path) && !NOT_OURS.some((pattern) => pattern.test(relative(root, path)));
  for (const folder of ["dist/daemon", "dist/lib"]) {
    for (const path of filesBelow(join(root, folder), isWanted)) {
      // Output of sources that have gone since is no part of it.
      if (
        path.endsWith(".js") &&
        !existsSync(join(root, relative(join(root, "dist"), path).replace(/\.js$/, ".ts")))
      )
        continue;
      copy(path, join(target, relative(root, path)));
    }
  }
  for (const name of ["xdp-node", "graphblas-wasm"]) {
    const base = join(root, "native", name);
    for (const path of filesBelow(join(base, "dist/lib"), isWanted))
      copy(path, join(target, relative(root, path)));
    copy(join(base, "package.json"), join(target, "native", name, "package.json"));
    mkdirSync(join(target, "node_modules"), { recursive: true });
    symlinkSync(join("../native", name), join(target, "node_modules", name));
  }
  for (const [name, mode] of NATIVE) copy(join(root, name), join(target, name), mode);
  // What `sparsewire extension new` copies, and the examples as they are built.
  for (const path of filesBelow(join(root, "native/extension"), (path) => !path.endsWith(".mjs")))
    copy(path, join(target, relative(root, path)));
  copy(
    join(root, "native/graphblas-wasm/build/graphblas.wasm"),
    join(target, "native/graphblas-wasm/build/graphblas.wasm"),
  );
  copy(join(root, "native/graphblas-wasm/NOTICE"), join(target, "native/graphblas-wasm/NOTICE"));
  for (const name of readdirSync(join(root, "native/sandbox/build")).filter((file) =>
    file.endsWith(".wasm"),
  )) {
    if (name !== "bench.wasm")
      copy(join(root, "native/sandbox/build", name), join(target, "native/sandbox/build", name));
  }
  for (const name of readdirSync(join(root, "bpf")).filter((file) => file.endsWith(".bpf.c"))) {
    const object = name.replace(/\.c$/, ".o");
    // The mirror port of the demonstration stays out, as the demonstration does.
    if (object !== "mirror.bpf.o") copy(join(root, "bpf/build", object), join(target, "bpf/build", object));
  }
  // For `sparsewire service install --prefix`.
  for (const path of filesBelow(join(root, "systemd"), (path) => /\.(service|conf)$/.test(path)))
    copy(path, join(target, relative(root, path)));
  copyManifest(root, target);
  copyNode(target);
  const modules = productionModules(root).filter(
    ([, { name }]) => !["xdp-node", "graphblas-wasm"].includes(name),
  );
  for (const [folder] of modules) copyModule(root, folder, target);
  return modules.map(([folder, manifest]) => ({ folder, ...manifest }));
}

/** package.json as far as it is read at run time, and the command with the interpreter that comes along. */
function copyManifest(root, target) {
  const { name, version, description, license, type, engines, nodes, exports } = JSON.parse(
    readFileSync(join(root, "package.json"), "utf8"),
  );
  const manifest = { name, version, description, license, type, engines, nodes, exports };
  writeFileSync(join(target, "package.json"), `${JSON.stringify(manifest, null, 2)}\n`);
  copy(join(root, "native/node-range.mjs"), join(target, "native/node-range.mjs"));
  const main = join(target, "dist/daemon/cli/main.js");
  const text = readFileSync(main, "utf8");
  if (!text.startsWith("#!/usr/bin/env node\n"))
    throw new Error("main.js does not begin with the expected first line");
  writeFileSync(main, text.replace("#!/usr/bin/env node", "#!/usr/lib/sparsewire/bin/node"));
  chmodSync(main, 0o755);
}

/**
 * A Node.js goes along, the same whatever builds the package: distributions have older ones, and none of a long-term
 * release in support. Symbols for debuggers stay out.
 */
function copyNode(target) {
  const node = join(target, "bin/node");
  copy(join(fetchNode(PACKAGED_NODE), "bin/node"), node, 0o755);
  for (const file of [node, ...NATIVE.map(([name]) => join(target, name))])
    spawnSync("strip", ["--strip-unneeded", "--remove-section=.comment", "--remove-section=.note", file]);
}

/** The programs and libraries in the tree, for the question what they are linked with. */
export function binariesOf(target) {
  return filesBelow(target, (path) => /\.node$|\/bin\/node$|\/tc-attach$/.test(path));
}

export { filesBelow };
