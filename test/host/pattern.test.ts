/** Names and patterns of interfaces, and what status says of mode host. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { statusText } from "../../daemon/cli/status.js";
import { isExactName, patternOf } from "../../lib/interface-pattern.js";
import { exampleStatus } from "../cli/sensor-double.js";
import { Random, runSeed } from "../sandbox/random.js";

test("names, patterns, and which of them means an interface", () => {
  assert.equal(patternOf("eth0", ["e*", "eth0", "*"]), "eth0", "a name before any pattern");
  assert.equal(patternOf("eth1", ["e*", "eth0", "*"]), "e*", "then the first that fits");
  assert.equal(patternOf("wlan0", ["e*", "eth?"]), undefined);
  assert.equal(patternOf("eth10", ["eth?"]), undefined);
  assert.equal(patternOf("eth0.5", ["eth?.*"]), "eth?.*");
  assert.equal(patternOf("a", [""]), undefined);
  assert.ok(isExactName("br-0a1b") && !isExactName("br-*") && !isExactName("eth?"));
});

const seed = runSeed();
test(`patterns fit what the same regular expression fits (seed ${seed})`, () => {
  const random = new Random(seed);
  const text = (letters: string, length: number): string =>
    Array.from({ length }, () => letters[random.below(letters.length)]).join("");
  for (let i = 0; i < 20_000; i++) {
    const name = text("ab.", random.below(16));
    const pattern = text("ab.*?*", 1 + random.below(15));
    const expression = pattern.replaceAll(".", "\\.").replaceAll("*", ".*").replaceAll("?", ".");
    const fits = new RegExp(`^${expression}$`).test(name);
    assert.equal(patternOf(name, [pattern]), fits ? pattern : undefined, `${name} ${pattern}`);
  }
});

test("a pattern that would take a backtracking matcher for ever is answered at once", () => {
  const start = performance.now();
  assert.equal(patternOf("a".repeat(15), ["*a*a*a*a*a*a*b"]), undefined);
  assert.equal(patternOf("a".repeat(10_000), [`${"*a".repeat(500)}*b`]), undefined);
  assert.ok(performance.now() - start < 2000);
});

test("status has a line for each interface", () => {
  const figures = { in: { packets: 12_345, bytes: 2 ** 20 }, out: { packets: 1, bytes: 60 } };
  const text = statusText(
    exampleStatus({
      mode: "host",
      interface: "eth*,lo",
      effective: { attach: "tcx", bind: "ringbuf", queues: 2 },
      host: {
        interfaces: [
          { name: "eth0", index: 2, pattern: "eth*", attach: "tcx", directions: ["in", "out"], figures },
          { name: "lo", index: 1, pattern: "lo", attach: "tcx", directions: ["out"], figures },
        ],
        patterns: { "eth*": figures, lo: figures },
        seen: { packets: 12_346, bytes: 2 ** 20 },
        lost: { packets: 0, bytes: 0 },
        reattached: 0,
        attacher_pid: 77,
      },
    }),
  );
  assert.match(text, /capture +host on eth\*,lo, tcx, 2 ring buffers/);
  assert.match(text, /eth0 +tcx: in 12,345 packets, 1 MiB; out 1 packets, 60 B/);
  assert.match(text, /lo +tcx: out 1 packets, 60 B/);
});
