/** A capture file as the source of a sensor: mode pcap. Its packets' own timestamps are the clock. */
import { SEAL_CAUSES } from "../../lib/abi.js";
import type { Manifest } from "../../lib/manifest.js";
import { DROP_CAUSES, type DropCause } from "../../lib/reasons.js";
import { FileCapture } from "../capture/file-capture.js";
import { loadHashKey } from "../capture/hash-key.js";
import type { ExtensionHost } from "../extension/extension-host.js";
import type { SensorConfig } from "./config.js";
import type { FrameSource, SourceEvents, WorkerVitals } from "./source.js";

export class FileSource implements FrameSource {
  readonly name: string;
  readonly extensions: ExtensionHost | undefined;
  readonly effective: Manifest["effective"] = null;
  readonly queues: number[][] = [];
  readonly #capture: FileCapture;
  #sequence = 0;

  constructor(config: SensorConfig, extensions?: ExtensionHost) {
    this.extensions = extensions;
    this.name = config.file!;
    this.#capture = new FileCapture({
      files: [config.file!],
      extensions,
      hashKey: loadHashKey(config.ipv6.hash_key_file).words,
      linkBudget: config.memory.link_budget,
      addressBudget: config.memory.address_budget,
      ...(config.window_packets > 0
        ? { windowPackets: config.window_packets }
        : { windowNs: config.interval }),
    });
  }

  get memories(): WebAssembly.Memory[] {
    return [this.#capture.memory];
  }

  get sequence(): number {
    return this.#sequence;
  }

  async start(events: SourceEvents): Promise<void> {
    let damage: string | undefined;
    await this.extensions?.start(this.#capture.shared);
    this.#capture.start({
      sealed: ({ slot, cause, sealMs }) => {
        const { startNs, endNs } = this.#capture.control.slot(slot);
        events.sealed({
          sequence: ++this.#sequence,
          cause: SEAL_CAUSES[cause] ?? "none",
          slots: [{ memory: 0, slot }],
          window: { start: startNs, end: endNs },
          sealMs,
        });
      },
      file: ({ damaged }) => {
        damage = damaged?.what;
      },
      ended: () => events.ended(damage),
      failed: (error) => events.failed(error),
    });
  }

  /** A file's intervals end by its own timestamps. */
  ask(): boolean {
    return false;
  }

  drops(): Record<DropCause, number> {
    return Object.fromEntries(DROP_CAUSES.map((cause) => [cause, 0])) as Record<DropCause, number>;
  }

  statistics(): { xdp: Record<string, number>[]; interface: Record<string, number> } {
    return { xdp: [], interface: {} };
  }

  vitals(): WorkerVitals[] {
    return [{ cpuNs: this.#capture.cpuNs, wakeups: 0, heartbeat: 0 }];
  }

  seen(): null {
    return null;
  }

  stop(): Promise<void> {
    return this.#capture.stop();
  }
}
