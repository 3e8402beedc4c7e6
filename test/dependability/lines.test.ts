/** What `sparsewire status` and /metrics say of dependability. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Registry } from "prom-client";
import { dependabilityLines, percent } from "../../daemon/cli/dependability-lines.js";
import { statusText } from "../../daemon/cli/status.js";
import { addDependability } from "../../daemon/dependability/metrics.js";
import { noTotals, WINDOWS, type WindowName } from "../../lib/dependability/buckets.js";
import { windowRatios } from "../../lib/dependability/ratios.js";
import { exampleStatus } from "../cli/sensor-double.js";

const totals = { due_ms: 1000, complete_ms: 999, due: 4, delivered: 3, offered: 200, counted: 100 };
const windows = windowRatios([
  Object.fromEntries(WINDOWS.map(({ name }) => [name, name === "30d" ? noTotals() : totals])) as Record<
    WindowName,
    typeof totals
  >,
]);

test("a share is never rounded up to all", () => {
  assert.deepEqual([1, 0.99999, 0.5, 0.123456, 0].map(percent), [
    "100%",
    "99.99%",
    "50.00%",
    "12.34%",
    "0.00%",
  ]);
});

test("status has a line a figure; windows without anything due are left out", () => {
  assert.deepEqual(dependabilityLines({ is_kept: true, windows }), [
    ["available", "1h 99.90%, 1d 99.90%"],
    ["reliable", "1h 75.00%, 1d 75.00%"],
    ["dependable", "1h 74.92%, 1d 74.92%"],
    ["performing", "1h 37.46%, 1d 37.46%"],
  ]);
  const text = statusText(exampleStatus({ dependability: { is_kept: true, windows } }));
  assert.match(text, /^available +1h 99\.90%, 1d 99\.90%$/m);
  assert.doesNotMatch(statusText(exampleStatus()), /available/);
});

test("gauges: a sample a window that has one, none for what is not measured", async () => {
  const registry = new Registry();
  addDependability(registry, () => windows);
  const text = await registry.metrics();
  assert.match(text, /^sparsewire_service_availability_ratio\{window="1h"\} 0\.999$/m);
  assert.match(text, /^sparsewire_service_dependability_ratio\{window="1d"\} 0\.74925$/m);
  assert.match(text, /^sparsewire_service_covered_seconds\{window="30d"\} 0$/m);
  assert.doesNotMatch(text, /_ratio\{window="30d"\}/);
  const none = new Registry();
  addDependability(none, () => undefined);
  assert.doesNotMatch(await none.metrics(), /window=/);
});
