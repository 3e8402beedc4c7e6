/**
 * What honest peers wait beside greedy ones, kind by kind:
 * `node dist/test/fairness/greedy-peers.js --seconds 20 --sensors 1000 --kind "slow uploads"` (all kinds without
 * --kind).
 */
import { parseArgs } from "node:util";
import { quantile } from "./honest.js";
import { BEHAVIOURS, type Kind } from "./peers.js";
import { startRig } from "./rig.js";

/** As many as were seen to keep others waiting, and more. */
const COUNTS: Partial<Record<Kind, number>> = {
  nobody: 0,
  "idle connections": 2300,
  "slow headers": 2300,
};
const COUNT_USUAL = 64;

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "20" },
    sensors: { type: "string", default: "500" },
    kind: { type: "string" },
  },
});
const kinds = (Object.keys(BEHAVIOURS) as Kind[]).filter(
  (kind) => values.kind === undefined || kind === values.kind,
);
const rig = await startRig({ sensors: Number(values.sensors) });
let isMissed = false;
try {
  for (const kind of kinds) {
    const { uploads, reads, retries, attempts } = await rig.beside(
      kind,
      COUNTS[kind] ?? COUNT_USUAL,
      Number(values.seconds),
    );
    const [upload, read] = [quantile(uploads, 0.99), quantile(reads, 0.99)];
    isMissed ||= upload > 1000 || read > 2000;
    console.log(
      `${kind.padEnd(28)} ${attempts} connections; uploads p99 ${upload.toFixed(0)} ms of ${uploads.length}, ` +
        `reads p99 ${read.toFixed(0)} ms of ${reads.length}, ${retries} tried again`,
    );
  }
  const closed = (await rig.metrics())
    .split("\n")
    .filter((line) => /connections|refused_total.*(slow|many)/.test(line));
  console.log(closed.filter((line) => !line.startsWith("#")).join("\n"));
} finally {
  await rig.close();
}
process.exitCode = isMissed ? 1 : 0;
