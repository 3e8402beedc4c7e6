/**
 * Which clang, wasm-ld and C++ compiler build what is in C: any clang from CLANG_MIN on, the newest that is there.
 *
 * CLANG, WASM_LD and CXX name others, by name or path. Plain JavaScript without dependencies, like all that builds.
 */
import { spawnSync } from "node:child_process";
import { accessSync, constants, existsSync, readdirSync, statSync } from "node:fs";
import { delimiter, isAbsolute, join, resolve } from "node:path";

/** The oldest major version of clang whose output is tested. */
export const CLANG_MIN = 16;

/**
 * What wasm modules may use beyond the first WebAssembly: named, because each clang has other defaults, and what a newer
 * one uses unasked (multi-value, reference types) an older Node.js, or our own reader of modules, need not know.
 */
export const WASM_FEATURES = ["-mcpu=mvp", "-mmutable-globals", "-msign-ext", "-mbulk-memory"];

/** A newer clang warns of what an older did not know: that stops nobody's build, but ours (SPARSEWIRE_WERROR=1). */
export const warningFlags = (env = process.env) => [
  "-Wall",
  "-Wextra",
  ...(env.SPARSEWIRE_WERROR === "1" ? ["-Werror"] : []),
];

const known = new Map();

/**
 * The toolchain of this environment: { clang, wasmLd, version, identity }; clang and wasmLd are absolute paths, version is
 * clang's major one, identity is what changes when another comes in its place.
 * @throws {Error} when there is none, or one that a variable names does not fit; the message says what to do
 */
export function toolchain(env = process.env) {
  const key = [env.CLANG, env.WASM_LD, env.PATH].join("\0");
  if (!known.has(key)) known.set(key, env.CLANG ? named(env) : newest(env));
  return known.get(key);
}

/** Like toolchain, but undefined where there is none and no variable names one. */
export function findToolchain(env = process.env) {
  return env.CLANG ? toolchain(env) : toolchains(env)[0];
}

/** Every clang of the path that is new enough and has its wasm-ld, the newest first. */
export function toolchains(env = process.env) {
  const names = new Set(
    folders(env)
      .flatMap(list)
      .filter((name) => /^clang-\d+$/.test(name)),
  );
  const found = [...names, "clang"].map((name) => complete(name, env)).filter(Boolean);
  // The plain name comes last, and only as what no numbered one is.
  const versions = new Set();
  return found
    .sort((a, b) => b.version - a.version)
    .filter(({ version }) => !versions.has(version) && versions.add(version));
}

/** libFuzzer's library of this clang, or undefined: libclang-rt-NN-dev is not installed. */
export function fuzzerRuntime(clang) {
  const arch = { x64: "x86_64", arm64: "aarch64" }[process.arch] ?? process.arch;
  // By folder of architecture since clang 19, by name before.
  return [`libclang_rt.fuzzer-${arch}.a`, "libclang_rt.fuzzer.a"]
    .map((name) => ask(clang, `-print-file-name=${name}`))
    .find((path) => path !== undefined && isAbsolute(path) && existsSync(path));
}

function newest(env) {
  const [found] = toolchains(env);
  if (found) return found;
  throw new Error(
    `no clang from ${CLANG_MIN} on with its wasm-ld is in the path; run npm run setup, or set CLANG and WASM_LD`,
  );
}

function named(env) {
  const path = find(env.CLANG, env);
  const version = path && versionOf(path);
  if (!version) throw new Error(`CLANG=${env.CLANG} is no clang that runs; name one, or unset it`);
  if (version.major < CLANG_MIN)
    throw new Error(
      `CLANG=${env.CLANG} is clang ${version.major}; name one from ${CLANG_MIN} on, or unset it`,
    );
  const found = complete(env.CLANG, env);
  if (found) return found;
  throw new Error(`CLANG=${env.CLANG} has no wasm-ld; install lld-${version.major}, or set WASM_LD`);
}

/** The toolchain around a clang; undefined where it is missing, too old, or without a linker. */
function complete(name, env) {
  const clang = find(name, env);
  const version = clang && versionOf(clang);
  if (!version || version.major < CLANG_MIN) return undefined;
  const wasmLd = linkerOf(clang, version.major, env);
  if (wasmLd === undefined) return undefined;
  return { clang, wasmLd, version: version.major, identity: `${version.text} ${wasmLd}` };
}

/** WASM_LD, else the one that came with the clang. */
function linkerOf(clang, major, env) {
  if (env.WASM_LD) {
    const path = find(env.WASM_LD, env);
    if (path === undefined) throw new Error(`WASM_LD=${env.WASM_LD} is not there; name another, or unset it`);
    return path;
  }
  const own = ask(clang, "-print-prog-name=wasm-ld");
  return (own && find(own, env)) ?? find(`wasm-ld-${major}`, env) ?? find("wasm-ld", env);
}

function versionOf(clang) {
  const text = ask(clang, "--version")?.split("\n")[0];
  const major = Number(/clang version (\d+)/.exec(text ?? "")?.[1]);
  return major > 0 ? { major, text } : undefined;
}

function ask(command, question) {
  const done = spawnSync(command, [question], { encoding: "utf8" });
  return done.status === 0 ? done.stdout.trim() : undefined;
}

/** Absolute path of a program that can be run, by name or path. */
function find(name, env) {
  const paths = name.includes("/") ? [resolve(name)] : folders(env).map((folder) => join(folder, name));
  return paths.find(canRun);
}

function canRun(path) {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

const folders = (env) => (env.PATH ?? "").split(delimiter).filter((folder) => folder !== "");

function list(folder) {
  try {
    return readdirSync(folder);
  } catch {
    return []; // paths name folders that are not there
  }
}
