import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { promisify } from "node:util";

/** The repository's root; examples must lie below it, to be within the package that they import. */
const ROOT = join(import.meta.dirname, "../../..");
const OUTPUTS = [
  /^3 packets, 1580 bytes\n$/,
  /^(\d+ bytes of archive\n)+1 request\n$/,
  /^1 requests\n$/,
  /^1 requests\n$/,
];

describe("examples of daemon/service/README.md", () => {
  const text = readFileSync(join(ROOT, "daemon/service/README.md"), "utf8");
  const examples = [...text.matchAll(/^```js\n(.*?)^```$/gms)].map(([, code]) => code!);

  it("are as many as there are outputs to expect", () => assert.equal(examples.length, OUTPUTS.length));

  for (const [k, code] of examples.entries()) {
    it(`example ${k + 1} runs`, async () => {
      const folder = mkdtempSync(join(ROOT, "dist/test/service/readme-"));
      try {
        const file = join(folder, "example.mjs");
        writeFileSync(file, code);
        const { stdout, stderr } = await promisify(execFile)(process.execPath, [file], { timeout: 20_000 });
        // A second may end while it runs: then there are two intervals, one of them empty.
        assert.equal(stderr, "");
        assert.match(stdout.replaceAll(/^0 (packets, 0 bytes|requests)\n/gm, ""), OUTPUTS[k]!);
      } finally {
        rmSync(folder, { recursive: true });
      }
    });
  }
});
