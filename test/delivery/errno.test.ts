/** A sample of the errno campaign: calls that fail in sensor and aggregator, running and starting. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Random } from "../pcap/fuzz.js";
import { allPairs, allStarts, ErrnoCampaign } from "./errno.js";
import { faultsMissing } from "./faults.js";

const seed = Number(process.env.SPARSEWIRE_FUZZ_SEED ?? Date.now() % 1e6);
const PAIRS = 40;
const STARTS = 4;

test("calls that fail delete nothing and count nothing twice", { skip: faultsMissing }, async (t) => {
  t.diagnostic(`SPARSEWIRE_FUZZ_SEED=${seed}`);
  const random = new Random(seed);
  const campaign = new ErrnoCampaign();
  t.after(() => campaign.close());
  await campaign.open();
  for (const pair of allPairs(random).slice(0, PAIRS)) await campaign.run(pair);
  assert.equal(await campaign.stored(), campaign.report.intervals);
  for (const pair of allStarts(random).slice(0, STARTS)) await campaign.startUnder(pair);
  t.diagnostic(JSON.stringify(campaign.report));
  assert.ok(campaign.report.struck > 0, "no call failed: the library is not in use");
});
