/**
 * The capture worker of files: one thread, one sandbox, files read one after the other as one stream of packets. Sealed
 * intervals go to the matrix workers as those of a live interface do.
 */
import { parentPort, workerData } from "node:worker_threads";
import { setThreadName, threadCpuNs } from "xdp-node";
import { SEAL_CAUSES } from "../../lib/abi.js";
import { TAP_STATE } from "../../lib/abi-held.js";
import { FRAME_REASONS, type FrameReason } from "../../lib/reasons.js";
import { HeldView } from "../extension/held-view.js";
import { type FileFault, FileFeeder, type Sealed } from "../ingest/file-feeder.js";
import { openSource } from "../ingest/file-source.js";
import { Sandbox } from "./sandbox.js";
import { SealLine } from "./seal-line.js";

export interface FileWorkerData {
  memory: WebAssembly.Memory;
  sealLine: SharedArrayBuffer;
  files: string[];
  /** Extensions that look at the frames. */
  taps: number;
}

/** What one file held. */
export interface FileReport {
  file: string;
  frames: number;
  packets: number;
  bytes: number;
  reasons: Record<FrameReason, number>;
  damaged?: FileFault;
}

export interface FileProgress {
  file: string;
  /** Bytes read of all files so far (as stored), and of all files if that is known. */
  bytesRead: number;
  packets: number;
}

export type FileWorkerMessage =
  | { type: "sealed"; slot: number; cause: number; file: string; sealMs: number }
  | ({ type: "progress"; cpuNs: number } & FileProgress)
  | ({ type: "file" } & FileReport)
  | { type: "ended"; cpuNs: number };

const PROGRESS_EVERY_MS = 100;

const data = workerData as FileWorkerData;
const sandbox = new Sandbox(data.memory);
const line = new SealLine(data.sealLine);
let readBefore = 0;
let reportedAt = 0;

const held = new HeldView(data.memory);

/** Waits until every extension is done with what lies in the buffer; who is stuck is ended by the main thread. */
function awaitExtensions(): void {
  held.signal();
  for (let index = 0; index < data.taps; index++) {
    const tap = held.tap(index);
    for (;;) {
      const seen = held.signals;
      if (tap.state !== TAP_STATE.active) break;
      if (tap.done === held.producer && tap.sealed === held.seals) break;
      held.wait(seen, 5);
    }
  }
}

async function readFile(file: string, isLast: boolean): Promise<void> {
  const source = await openSource(file);
  const before = sandbox.control.counters();
  try {
    const feeder = new FileFeeder(sandbox, source);
    const onSealed = ({ slot, cause }: Sealed): void => {
      held.signal();
      post({ type: "sealed", slot, cause: SEAL_CAUSES.indexOf(cause), file, sealMs: 0 });
      if (line.stopping) feeder.stop();
    };
    const onProgress = (): void => {
      if (line.stopping) feeder.stop();
      const now = performance.now();
      if (now - reportedAt < PROGRESS_EVERY_MS) return;
      reportedAt = now;
      const packets = sandbox.control.counters().packets;
      post({
        type: "progress",
        file,
        bytesRead: readBefore + source.bytesRead,
        packets,
        cpuNs: Number(threadCpuNs()),
      });
    };
    const { damage } = await feeder.run(onSealed, {
      onProgress,
      keepOpen: !isLast,
      ...(data.taps > 0 ? { onFed: awaitExtensions } : {}),
    });
    if (isLast === false && line.stopping) await feeder.finish(onSealed);
    const after = sandbox.control.counters();
    post({
      type: "file",
      file,
      frames: after.frames - before.frames,
      packets: after.packets - before.packets,
      bytes: after.packet_bytes - before.packet_bytes,
      reasons: Object.fromEntries(
        FRAME_REASONS.map((reason) => [reason, after[`frames_${reason}`] - before[`frames_${reason}`]]),
      ) as Record<FrameReason, number>,
      ...(damage === undefined ? {} : { damaged: damage }),
    });
  } finally {
    readBefore += source.bytesRead;
    source.close();
  }
}

function post(message: FileWorkerMessage): void {
  parentPort!.postMessage(message);
}

setThreadName("sw-file");
for (const [i, file] of data.files.entries()) {
  if (line.stopping) break;
  await readFile(file, i === data.files.length - 1);
}
post({ type: "ended", cpuNs: Number(threadCpuNs()) });
