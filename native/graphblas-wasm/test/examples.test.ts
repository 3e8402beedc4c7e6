// Every block of EXAMPLES.md runs, with the package and node:assert at hand; so does the package without Node.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import * as graphblas from "../lib/index.js";

const root = fileURLToPath(new URL("../..", import.meta.url));

describe("EXAMPLES.md", () => {
  const text = readFileSync(`${root}EXAMPLES.md`, "utf8");
  const AsyncFunction = (async () => undefined).constructor as new (
    ...parts: string[]
  ) => (...values: unknown[]) => Promise<void>;
  for (const section of text.split(/^## /m).slice(1)) {
    const [title] = section.split("\n", 1);
    const code = /```js\n([\s\S]*?)```/
      .exec(section)?.[1]
      ?.replace(/^import .* from "graphblas-wasm";$/m, "");
    it(title!, async () => {
      assert.ok(code, "there is a block");
      const [names, values] = [Object.keys(graphblas), Object.values(graphblas)];
      const run = new AsyncFunction("assert", ...names, code);
      await run(assert, ...values);
    });
  }
});

describe("without Node", () => {
  const wasm = readFileSync(`${root}build/graphblas.wasm`);

  it("no module of the package imports one of Node's", () => {
    for (const name of readdirSync(`${root}dist/lib`).filter((one) => one.endsWith(".js")))
      assert.doesNotMatch(
        readFileSync(`${root}dist/lib/${name}`, "utf8"),
        /from "node:|import\("node:|Buffer\./,
        name,
      );
  });

  it("loads from an address, bytes, or a module", async () => {
    const url = `data:application/wasm;base64,${wasm.toString("base64")}`;
    const bytes = Uint8Array.from(wasm);
    for (const source of [url, new URL(url), bytes, bytes.buffer, new WebAssembly.Module(bytes)]) {
      using gb = await graphblas.load({ wasm: source });
      assert.equal(gb.matrix("BOOL", 2n, 2n).nvals, 0);
    }
    assert.throws(() => graphblas.loadSync({ wasm: url }), { info: "GrB_INVALID_VALUE" });
    assert.equal(graphblas.loadSync({ wasm: bytes }).liveObjects(), 0);
  });

  it("runs where there is no process", () => {
    const script = `
      const { readFileSync, writeSync } = require("node:fs");
      const bytes = readFileSync(${JSON.stringify(`${root}build/graphblas.wasm`)});
      import(${JSON.stringify(`${root}dist/lib/index.js`)}).then(async ({ load }) => {
        globalThis.fetch = async () => ({ ok: true, arrayBuffer: async () => bytes }); // Node's own needs its process
        globalThis.process = globalThis.Buffer = undefined;
        const gb = await load();
        const A = gb.build("FP64", 2n, 2n, BigUint64Array.of(1n), BigUint64Array.of(0n), 2.5);
        let told = "";
        try { A.mxm(gb.matrix("FP64", 3n, 3n)); } catch (error) { told = error.info; }
        writeSync(1, [A.reduce("plus"), A.serialize().length > 160, told].join(" ") + "\\n");
      });`;
    assert.equal(
      execFileSync(process.execPath, ["-e", script], { encoding: "utf8" }),
      "2.5 true GrB_DIMENSION_MISMATCH\n",
    );
  });
});
