/** The npm packages as somebody else gets them: packed, unpacked in a project elsewhere, imported, and type-checked. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
const PACKAGES = ["graphblas-wasm", "xdp-node"];
let project = "";

const installed = (name: string, path = ""): string => join(project, "node_modules", name, path);

/** Runs to its end; fails with what it said. */
function run(command: string, args: string[], cwd: string): string {
  const { status, stdout, stderr } = spawnSync(command, args, { cwd, encoding: "utf8", timeout: 60_000 });
  assert.equal(status, 0, `${command} ${args.join(" ")}:\n${stdout}${stderr}`);
  return stdout;
}

before(() => {
  project = mkdtempSync(join(tmpdir(), "sparsewire-npm-"));
  writeFileSync(join(project, "package.json"), '{ "name": "elsewhere", "type": "module" }');
  for (const name of PACKAGES) {
    const packed = run("npm", ["pack", "--json", "--pack-destination", project], join(ROOT, "native", name));
    const [{ filename }] = JSON.parse(packed) as [{ filename: string }];
    mkdirSync(installed(name), { recursive: true });
    run("tar", ["xzf", join(project, filename), "--strip-components=1", "-C", installed(name)], project);
  }
});
after(() => rmSync(project, { recursive: true, force: true }));

test("they bring their licences, and what they need to run", () => {
  for (const name of PACKAGES) assert.ok(existsSync(installed(name, "LICENSE")), name);
  assert.match(readFileSync(installed("graphblas-wasm", "NOTICE"), "utf8"), /Zstandard|ZSTD/i);
  const program = `
    import { load } from "graphblas-wasm";
    import { existsSync } from "node:fs";
    import { probe, redirectObject } from "xdp-node";
    const grb = await load();
    if (!existsSync(redirectObject()) || typeof probe() !== "object" || grb === undefined) process.exit(1);
    console.log(redirectObject());`;
  writeFileSync(join(project, "use.js"), program);
  assert.equal(
    run(process.execPath, ["use.js"], project).trim(),
    installed("xdp-node", "bpf/redirect.bpf.o"),
  );
});

test("xdp-node runs no script at its installation, and can be built where it lies", () => {
  const { gypfile, scripts } = JSON.parse(readFileSync(installed("xdp-node", "package.json"), "utf8")) as {
    gypfile?: boolean;
    scripts?: object;
  };
  assert.equal(gypfile, false);
  assert.equal(scripts, undefined);
  const gyp = join(ROOT, "node_modules/node-gyp/bin/node-gyp.js");
  const headers = join(process.execPath, "../../include/node/node_api.h");
  if (!existsSync(headers)) return;
  mkdirSync(installed("node-addon-api"));
  run("cp", ["-r", `${join(ROOT, "node_modules/node-addon-api")}/.`, installed("node-addon-api")], project);
  const nodedir = `--nodedir=${join(process.execPath, "../..")}`;
  run(process.execPath, [gyp, "clean"], installed("xdp-node"));
  run(process.execPath, [gyp, "configure", nodedir], installed("xdp-node"));
  const makefile = readFileSync(installed("xdp-node", "build/Makefile"), "utf8");
  assert.match(makefile, /xdp_node\.target\.mk/);
  assert.doesNotMatch(makefile, /test_syscall/);
  assert.ok(existsSync(installed("xdp-node", "bpf/redirect.bpf.o")), "a clean build keeps the BPF program");
});

test("their types resolve under nodenext, without @types/node", () => {
  const use = `
    import { type GraphBLAS, load, type Matrix } from "graphblas-wasm";
    import { Frames, probe, redirectObject, XdpProgram, XskSocket } from "xdp-node";
    export const grb: GraphBLAS = await load();
    export const path: string = redirectObject();
    export type { Matrix };
    export { Frames, probe, XdpProgram, XskSocket };`;
  writeFileSync(join(project, "use.mts"), use);
  const compilerOptions = {
    module: "nodenext",
    target: "es2022",
    strict: true,
    noEmit: true,
    skipLibCheck: false,
    types: [],
  };
  writeFileSync(join(project, "tsconfig.json"), JSON.stringify({ compilerOptions, files: ["use.mts"] }));
  run(process.execPath, [join(ROOT, "node_modules/typescript/bin/tsc"), "-p", "."], project);
});
