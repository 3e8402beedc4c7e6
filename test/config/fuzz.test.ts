import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { faultLine } from "../../daemon/config/faults.js";
import { KINDS, loadKinds } from "../../daemon/config/kinds.js";
import { checkConfig } from "../../daemon/config/load.js";
import { parseDuration, parseSize } from "../../lib/duration.js";
import { SparsewireError } from "../../lib/errors.js";
import { parseRanges } from "../../lib/ranges.js";
import { ROOT } from "../cli/command.js";
import { fuzz, mutate, type Random } from "../pcap/fuzz.js";

const PIECES = [
  "[",
  "]",
  "{",
  "}",
  "=",
  '"',
  "'",
  "'''",
  '"""',
  "\n",
  "\r",
  "#",
  ".",
  ",",
  "1e999",
  "__proto__",
  "0x",
  "\\u",
  "-",
  "1979-05-27",
  "inf",
];

/** Longest that one small configuration may take; generous, for a busy machine. */
const MS_MAX = 2000;

test("whatever a configuration holds, the answer is faults with places, soon", async (t) => {
  const kinds = await loadKinds();
  const seeds = KINDS.map((kind) => readFileSync(join(ROOT, `systemd/${kind}.toml`)));
  const uncommented = seeds.map((seed) => Buffer.from(seed.toString().replaceAll(/^#([a-z_]+ = )/gm, "$1")));
  await fuzz(t, (random) => {
    const bytes = spiced(random, mutate(random, random.pick([...seeds, ...uncommented])));
    const text = new TextDecoder().decode(bytes);
    const began = performance.now();
    const checked = checkConfig(text, kinds[random.pick(KINDS)].schema);
    assert.ok(performance.now() - began < MS_MAX, "too slow");
    if (checked.ok) return;
    assert.ok(checked.faults.length > 0);
    const lines = text.split("\n").length;
    for (const fault of checked.faults) {
      assert.ok(fault.line >= 1 && fault.line <= lines, `line ${fault.line} of ${lines}`);
      assert.ok(fault.column >= 1);
      assert.ok(faultLine("f", fault).length > 5);
    }
  });
});

test("durations, sizes and range lists: a value or a typed error", async (t) => {
  const samples = ["1h30m", "0.25s", "512MiB", "10 GB", "10.0.0.0/8\n2001:db8::/32 # x\n"].map((text) =>
    Buffer.from(text),
  );
  await fuzz(
    t,
    (random) => {
      const text = new TextDecoder().decode(mutate(random, random.pick(samples)));
      for (const parse of [parseDuration, parseSize, parseRanges]) {
        try {
          parse(text);
        } catch (error) {
          assert.ok(error instanceof SparsewireError, String(error));
        }
      }
    },
    1,
  );
});

/** Puts pieces of TOML where they do not belong. */
function spiced(random: Random, bytes: Uint8Array): Uint8Array {
  let text = Buffer.from(bytes);
  for (let left = random.int(4); left > 0; left--) {
    const at = random.int(text.length + 1);
    const piece = Buffer.from(random.pick(PIECES).repeat(1 + random.int(random.chance(0.05) ? 3000 : 3)));
    text = Buffer.concat([text.subarray(0, at), piece, text.subarray(at)]);
  }
  return text;
}
