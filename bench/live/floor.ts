import { setTimeout as sleep } from "node:timers/promises";
import type { Namespace } from "../../test/live/tools/netns.js";
import { type FloorOptions, type FloorReport, startFloor } from "../floor/floor.js";
import { RECEIVER_INTERFACE, type Receiver, runTrial, type Session } from "./receiver.js";

const SECONDS_MAX = 3600;
const SETTLE_MS = 100;

/** The C floor reports once, at its end: its CPU time covers the whole session, idle ends included. */
async function startSession(namespace: Namespace, options: Partial<FloorOptions>): Promise<Session> {
  const tool = await startFloor(namespace, RECEIVER_INTERFACE, {
    seconds: SECONDS_MAX,
    wake: "adaptive",
    huge: true,
    ...options,
  });
  await tool.ready;
  const zero = { counted: 0, dropped: 0, cpuNs: { thread: 0 } };
  let asked = false;
  return {
    async figures() {
      if (!asked) {
        asked = true;
        return zero;
      }
      await sleep(SETTLE_MS);
      tool.child.kill("SIGINT");
      const report: FloorReport = await tool.report;
      return { counted: report.frames, dropped: report.rx_dropped, cpuNs: { thread: report.cpu_ns } };
    },
    async stop() {
      tool.child.kill("SIGINT");
      await tool.report.catch(() => undefined);
    },
  };
}

function floorOf(name: string, options: Partial<FloorOptions>): Receiver {
  return { name, trial: (traffic) => runTrial(traffic, {}, (namespace) => startSession(namespace, options)) };
}

/** Only recycles frames, with the wake-up policy, ring and chunk sizes that are the sensor's defaults. */
export const floor = floorOf("floor in C: recycles frames", {});
/** Also reads each frame's addresses: the least that counting who talks to whom needs. */
export const touchingFloor = floorOf("floor in C: also reads addresses", { touch: true });
