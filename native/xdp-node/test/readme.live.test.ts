/** The example of the README is run as it stands there. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { setTimeout } from "node:timers/promises";
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
    const lines: string[] = [];
    createInterface({ input: child.stdout }).on("line", (line) => lines.push(line));
    const sent = [testFrame(1, 60), testFrame(2, 1514)];
    const expected = ["native XDP, zero-copy: false"].concat(
      sent.map((frame) => `${frame.length} ${Buffer.from(frame.subarray(0, 14)).toString("hex")}`),
    );
    // A veth takes a moment until it delivers after XDP was attached: send again until it does.
    for (let tries = 0; tries < 100 && !expected.every((line) => lines.includes(line)); tries++) {
      if (lines.length > 0) sendFrames(far, sent);
      await setTimeout(200);
    }
    assert.equal(lines[0], expected[0]);
    assert.deepEqual([...new Set(lines)].sort(), expected.sort());
    child.kill("SIGINT");
    assert.deepEqual(await once(child, "close"), [0, null]);
    assert.equal(probe(near).interface!.xdp, undefined);
  });
}
