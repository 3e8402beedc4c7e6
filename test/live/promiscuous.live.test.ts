/** What a mirror port brings is addressed to others: a network card drops it unless it is promiscuous. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Rig } from "./rig.js";
import { liveSkipReason } from "./tools/netns.js";

const promiscuity = (rig: Rig): number =>
  Number(/promiscuity (\d+)/.exec(rig.receiver.exec("ip", "-details", "link", "show", "rx0"))?.[1]);

describe("a mirror port", { skip: liveSkipReason() }, () => {
  for (const signal of ["SIGTERM", "SIGKILL"] as const) {
    test(`is promiscuous while the sensor runs, and no longer after ${signal}`, async () => {
      const rig = new Rig();
      try {
        assert.equal(promiscuity(rig), 0);
        await rig.start();
        assert.equal(promiscuity(rig), 1);
        await rig.stop(signal);
        assert.equal(promiscuity(rig), 0);
      } finally {
        rig.close();
      }
    });
  }
});
