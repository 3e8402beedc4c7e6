/** Pages that were written to are found also by a process that has become nobody, whose /proc is root's since then. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";

const SCRIPT = `
import { backMemory, mapPrivately, privateBytes, setDumpable } from "${new URL("../lib/index.js", import.meta.url).href}";
const PAGE = 65_536;
const lent = () => new WebAssembly.Memory({ initial: 64, maximum: 64, shared: true });
const [frames, seen] = [lent(), lent()];
const { memfdFd: fd } = backMemory(frames, { offset: PAGE, size: 8 * PAGE, memfd: true });
mapPrivately(seen, { offset: PAGE, size: 8 * PAGE, fd });
process.setgid(65_534);
process.setuid(65_534);
setDumpable(false);
const before = privateBytes(seen, PAGE, 8 * PAGE);
new Uint8Array(seen.buffer)[2 * PAGE] = 1;
const dropped = privateBytes(seen, PAGE, 8 * PAGE, true);
console.log(JSON.stringify([before, dropped, privateBytes(seen, PAGE, 8 * PAGE)]));
`;

const skip = process.getuid?.() === 0 ? false : "root alone can become somebody else";

test("private pages are found after the process has become another user without core dumps", { skip }, () => {
  const text = execFileSync(process.execPath, ["--input-type=module", "-e", SCRIPT], { encoding: "utf8" });
  assert.deepEqual(JSON.parse(text), [0, 4096, 0]);
});
