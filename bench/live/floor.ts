import { setTimeout as sleep } from "node:timers/promises";
import { HUGE_PAGE_BYTES, LOG_ENTRIES_DEFAULT, memoryLayout, WASM_PAGE } from "../../lib/abi.js";
import type { Namespace } from "../../test/live/tools/netns.js";
import { type FloorOptions, type FloorReport, startFloor } from "../floor/floor.js";
import { RECEIVER_INTERFACE, type Receiver, runTrial, type Session } from "./receiver.js";

const SECONDS_MAX = 3600;
const SETTLE_MS = 100;
/** The sensor's defaults. */
const RING = 65_536;
const CHUNK = 2048;
const LINK_BUDGET = 1 << 20;
const ADDRESS_BUDGET = 1 << 18;

/** The C floor reports once, at its end: its CPU time covers the whole session, idle ends included. */
async function startSession(namespace: Namespace, options: Partial<FloorOptions>): Promise<Session> {
  const tool = await startFloor(namespace, RECEIVER_INTERFACE, {
    seconds: SECONDS_MAX,
    wake: "adaptive",
    huge: true,
    ring: RING,
    chunk: CHUNK,
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
/** The sensor's capture thread without sandbox and JavaScript: its own C sources, natively, with the same memory layout. */
export const nativeCapture = floorOf("floor in C: does the same work", { count: countLayout() });

function countLayout(): string {
  const sizes = { logEntries: LOG_ENTRIES_DEFAULT, linkBudget: LINK_BUDGET, addressBudget: ADDRESS_BUDGET };
  const ringBytes = RING * (16 + 8) + 64 * 1024;
  const layout = memoryLayout({ ...sizes, queues: [{ ringBytes, umemBytes: RING * CHUNK }] });
  const { rings, frames } = layout.queues[0]!;
  return Object.entries({
    memory: layout.pages * WASM_PAGE,
    heap: layout.heapOffset,
    size: layout.heapBytes,
    log: sizes.logEntries,
    links: LINK_BUDGET,
    addresses: ADDRESS_BUDGET,
    rings,
    umem: Math.ceil(frames / HUGE_PAGE_BYTES) * HUGE_PAGE_BYTES,
  })
    .map(([name, value]) => `${name}=${value}`)
    .join();
}
