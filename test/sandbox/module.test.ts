/** What capture.wasm can reach: its memory, and nothing else. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { SandboxFixture, sandboxModule } from "./fixture.js";

test("the sandbox imports its memory and no function: no packet can reach JavaScript or the system", () => {
  const imports = WebAssembly.Module.imports(sandboxModule("capture"));
  assert.deepEqual(imports, [{ module: "env", name: "memory", kind: "memory" }]);
});

test("the sandbox exports its calls, not the benchmark's", () => {
  const names = WebAssembly.Module.exports(sandboxModule("capture")).map(({ name }) => name);
  for (const name of ["init", "queue_start", "host_start", "breathe", "seal_begin", "seal_step"]) {
    assert.ok(names.includes(name), name);
  }
  assert.ok(!names.some((name) => name.startsWith("bench_")), names.join(", "));
});

test("init() proves that its data and stack end below the control block, which it leaves to the host", () => {
  const fixture = new SandboxFixture();
  const before = new Uint8Array(fixture.memory.buffer).slice(1 << 20, (1 << 20) + 80);
  assert.equal(fixture.exports.init(), 0);
  const after = new Uint8Array(fixture.memory.buffer).slice(1 << 20, (1 << 20) + 80);
  assert.deepEqual(after, before, "the configuration is as it was");
});
