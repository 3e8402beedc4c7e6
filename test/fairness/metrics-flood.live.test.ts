/**
 * The metrics port under a flood of connections, with few descriptors: no interval is lost or late, and scrapes are
 * answered.
 * `SPARSEWIRE_LONG=1 node --test dist/test/fairness/metrics-flood.live.test.js` makes 20,000 connections.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { Rig } from "../live/rig.js";
import { liveSkipReason } from "../live/tools/netns.js";

const PEERS = fileURLToPath(new URL("./peers-process.js", import.meta.url));
const ATTEMPTS = process.env.SPARSEWIRE_LONG === "1" ? 20_000 : 2_000;
const OPEN = 1_400;
const NOFILE = 1_000;

/** Connections that made room, and those for which there was none. */
const closedIn = (metrics: string): number =>
  [
    ...metrics.matchAll(
      /^sparsewire_connections_closed_total\{server="metrics",cause="(?:idle|full)"\} (\d+)/gm,
    ),
  ].reduce((sum, [, count]) => sum + Number(count), 0);

/**
 * A scrape from within the namespace, as Prometheus makes them: one that is cut is made again. Prints what it took,
 * ms.
 */
const SCRAPE = `const began = performance.now();
  for (let tries = 1; ; tries++) {
    const answer = await fetch(process.argv[1], { signal: AbortSignal.timeout(5000) }).catch(() => undefined);
    if (!(await answer?.text())?.includes("sparsewire_connections")) continue;
    console.log(JSON.stringify({ ms: Math.round(performance.now() - began), tries }));
    process.exit(0);
  }`;

describe("a flood at the metrics port", { skip: liveSkipReason() }, () => {
  test(`${ATTEMPTS} connections, ${OPEN} at a time, ${NOFILE} descriptors: every interval is there`, async () => {
    const rig = new Rig({ top: 'interval = "500ms"\n' });
    try {
      await rig.start();
      const before = await rig.status();
      execFileSync("prlimit", ["--pid", String(before.pid), `--nofile=${NOFILE}:${NOFILE}`]);
      const url = before.metrics_url!;
      const peers = rig.receiver.spawn(process.execPath, [PEERS, "idle connections", String(OPEN), url], {
        stdio: ["pipe", "pipe", "inherit"],
      });
      await rig.until(async () => closedIn(await rig.metrics()) >= ATTEMPTS - OPEN, 120_000);
      const scrape = rig.receiver.spawn(
        process.execPath,
        ["--input-type=module", "-e", SCRAPE, `${url}/metrics`],
        {
          stdio: ["ignore", "pipe", "inherit"],
        },
      );
      const took = String((await once(scrape.stdout!, "data"))[0]).trim();
      peers.stdin!.end();
      const { attempts } = JSON.parse(String((await once(peers.stdout!, "data"))[0])) as { attempts: number };
      const { sealed } = (await rig.status()).intervals;
      const after = await rig.statusWhen(({ intervals }) => intervals.sealed > sealed + 1);
      console.log(`# ${attempts} connections; a scrape beside them: ${took}`);
      assert.deepEqual(after.intervals.lost, {});
      assert.equal(await rig.stop(), 0);
      const manifests = rig.manifests();
      assert.deepEqual(
        manifests.map(({ sequence }) => sequence),
        manifests.map((_, nth) => nth),
      );
      for (const [nth, { start, end, late }] of manifests.entries()) {
        assert.equal(start, nth === 0 ? start : manifests[nth - 1]!.end, "no gap between intervals");
        assert.ok(
          nth === 0 || nth === manifests.length - 1 || end - start === 500_000_000n,
          `interval ${nth}: ${end - start}`,
        );
        assert.equal(late, 0);
      }
      assert.doesNotMatch(rig.log, /EMFILE|unreadable/);
    } finally {
      await rig.stop().catch(() => undefined);
      rig.close();
    }
  });
});
