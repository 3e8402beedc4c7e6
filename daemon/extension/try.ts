/** Starts an extension without frames: what it says of itself, and whether it comes up and takes an empty interval. */
import { memoryLayout } from "../../lib/abi.js";
import type { ExtensionDescription } from "../../lib/extension-abi.js";
import { configureSandbox } from "../capture/configure.js";
import { ControlView } from "../capture/control-view.js";
import { Sandbox, sandboxMemory } from "../capture/sandbox.js";
import { type ExtensionConfig, ExtensionHost } from "./extension-host.js";
import { backHeld, heldPlan, shareMemory } from "./held-memory.js";

const HEAP = { logEntries: 1 << 12, linkBudget: 1 << 12, addressBudget: 1 << 10 };
const FRAMES_BYTES = 65536;

/** Throws BAD_EXTENSION when it does not start, or not get through a seal. */
export async function tryExtension(config: ExtensionConfig): Promise<ExtensionDescription> {
  const plan = heldPlan({ frames: 1024 });
  const layout = memoryLayout({ ...HEAP, fileBufferBytes: FRAMES_BYTES, heldBytes: plan.bytes });
  const memory = sandboxMemory(layout.pages);
  configureSandbox(new ControlView(memory), layout, { ...HEAP, hashKey: [0n, 0n], queues: 0 });
  const held = backHeld(memory, layout.held, plan, { limit: 0xffffffff, taps: 1 });
  held.frames.push(shareMemory(memory, layout.fileBuffer, FRAMES_BYTES));
  const host = new ExtensionHost([config], {
    mode: "pcap",
    isLossless: true,
    isAnonymizing: false,
    goesOnWithout: false,
    log: () => undefined,
  });
  try {
    await host.start([held]);
    const sandbox = new Sandbox(memory);
    sandbox.exports.file_open();
    sandbox.exports.file_feed(0, 1);
    sandbox.exports.seal_begin(0);
    const { records } = await host.collect(1);
    const [record] = Object.values(records);
    if (record!.status !== "running") throw new Error(`its seal(): ${record!.reason ?? "it does not end"}`);
    const { row, column, value, combine } = record!;
    return { row, column, value, combine };
  } finally {
    await host.stop();
  }
}
