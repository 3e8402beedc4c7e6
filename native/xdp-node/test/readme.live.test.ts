/** The example of the README is run as it stands there. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { probe } from "../lib/index.js";
import { enterNamespace } from "./namespace.js";
import { sendFrames, testFrame, vethPair } from "./rig.js";

const PACKAGE = new URL("../../", import.meta.url);

if (enterNamespace(import.meta.url)) {
  test("the example receives frames, and leaves nothing when it is interrupted", async () => {
    const readme = readFileSync(new URL("README.md", PACKAGE), "utf8");
    const example = /```js\n(.*?)```/s.exec(readme)![1]!;
    assert.ok(example.split("\n").filter((line) => line !== "").length <= 20);
    const { near, far } = vethPair();
    // In the package's folder, so that the package finds itself by its name.
    const file = fileURLToPath(new URL("readme-example.mjs", import.meta.url));
    writeFileSync(file, example);
    const child = spawn(process.execPath, [file, near], { stdio: ["ignore", "pipe", "inherit"] });
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    const line = async () => (await lines.next()).value;
    assert.equal(await line(), "native XDP, zero-copy: false");
    const sent = [testFrame(1, 60), testFrame(2, 1514)];
    sendFrames(far, sent);
    for (const frame of sent) {
      assert.equal(await line(), `${frame.length} ${Buffer.from(frame.subarray(0, 14)).toString("hex")}`);
    }
    child.kill("SIGINT");
    assert.deepEqual(await once(child, "close"), [0, null]);
    assert.equal(probe(near).interface!.xdp, undefined);
  });
}
