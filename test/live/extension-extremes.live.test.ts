/** A few of the extensions of extension-extremes.ts, which has a longer version. */

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { extremeOf, TABLES } from "../extension/extremes.js";
import { Random } from "../pcap/fuzz.js";
import { GROUP, PAUSE_MS, residentAlone, runGroup } from "./extension-extremes.js";
import { liveSkipReason } from "./tools/netns.js";

describe("extensions with a section at its extremes", { skip: liveSkipReason() }, () => {
  test("a sensor and what else it runs do not notice them", async (t) => {
    const seed = Number(process.env.SPARSEWIRE_FUZZ_SEED ?? Math.floor(Math.random() * 2 ** 31));
    t.diagnostic(`SPARSEWIRE_FUZZ_SEED=${seed}`);
    const random = new Random(seed);
    const first = random.int(1000);
    const some = Array.from({ length: GROUP - TABLES.length }, (_, i) => extremeOf(random, first + i));
    const { outcomes, pauseMs, takenBytes, isBusy } = await runGroup(
      [...TABLES, ...some],
      await residentAlone(),
    );
    const said = `capture stood still for ${pauseMs.toFixed(1)} ms at most`;
    t.diagnostic([...outcomes, said, `${takenBytes >> 20} MiB more`].join("; "));
    for (const outcome of outcomes.slice(0, TABLES.length))
      assert.match(outcome, /: refused: .*: it has \d+ tables: /);
    // A thread that has to queue for a processor stands still, too.
    assert.ok(isBusy || pauseMs < PAUSE_MS, said);
  });
});
