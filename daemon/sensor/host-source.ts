/**
 * The host's own traffic, undisturbed: tc programs on the interfaces put a record of every packet into BPF ring buffers
 * that are mapped in the sandboxes, which drain them. The main thread follows interfaces as they come and go.
 */
import { randomBytes } from "node:crypto";
import { cpus } from "node:os";
import { fileURLToPath } from "node:url";
import { RingBuffer, TcAttacher, TcPrograms } from "xdp-node";
import { HOST_RINGS_MAX, LOG_ENTRIES_DEFAULT, memoryLayout, type SealCause } from "../../lib/abi.js";
import { errorLine } from "../../lib/errors.js";
import type { Manifest } from "../../lib/manifest.js";
import { DROP_CAUSES, type DropCause } from "../../lib/reasons.js";
import { configureSandbox } from "../capture/configure.js";
import { ControlView } from "../capture/control-view.js";
import { type HostFigures, HostView } from "../capture/host-view.js";
import { sandboxMemory } from "../capture/sandbox.js";
import type { ExtensionHost } from "../extension/extension-host.js";
import { backHeld, type HeldMemory, heldPlan } from "../extension/held-memory.js";
import type { Logger } from "../log.js";
import { CaptureWorkers } from "./capture-workers.js";
import type { SensorConfig } from "./config.js";
import { explain } from "./guard.js";
import { HostInterfaces, type WatchedInterface } from "./host-interfaces.js";
import { ShedMaps } from "./shed-maps.js";
import { Shedding } from "./shedding.js";
import type { FrameSource, SourceEvents, WorkerVitals } from "./source.js";

const OBJECT = fileURLToPath(new URL("../../../bpf/build/host.bpf.o", import.meta.url));
/** Ring buffers bridge longer than AF_XDP's rings, and a wake takes a CPU from the host's own work: sleep longer. */
const SLEEP_FACTOR = 4;
/** Records that are held for extensions at most: each is a copy of a packet's first bytes. */
const HELD_RECORDS = 1 << 15;
/** How often it is asked whether interfaces have changed. */
const WATCH_MS = 100;

interface Capture {
  memory: WebAssembly.Memory;
  view: HostView;
  rings: RingBuffer[];
  held?: HeldMemory;
}

/** What the programs have counted, over all CPUs (struct total of bpf/host.bpf.c). */
export interface HostTotals {
  packets: number;
  bytes: number;
  lostPackets: number;
  lostBytes: number;
}

/** What mode host adds to a sensor's status. */
export interface HostStatus {
  interfaces: WatchedInterface[];
  /** What came by, by name or pattern of the configuration, also by interfaces that have gone. */
  patterns: Record<string, HostFigures>;
  /** On the wire, as the programs counted: all, and those of them that found no room in a ring buffer. */
  seen: { packets: number; bytes: number };
  lost: { packets: number; bytes: number };
  /** How often the programs had been taken off an interface by others, and were put there anew within a second. */
  reattached: number;
  /** The child process that attaches; it alone keeps CAP_NET_ADMIN and CAP_BPF. */
  attacher_pid: number | null;
}

export class HostSource implements FrameSource {
  readonly name: string;
  readonly extensions: ExtensionHost | undefined;
  readonly #config: SensorConfig;
  readonly #hashKey: readonly [bigint, bigint];
  readonly #logger: Logger | undefined;
  readonly #workers: CaptureWorkers;
  readonly #captures: Capture[] = [];
  #programs: TcPrograms | undefined;
  #attacher: TcAttacher | undefined;
  #interfaces: HostInterfaces | undefined;
  #shedding: Shedding | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isStopping = false;
  /** Kept when everything is closed, so that the last interval's manifest is right. */
  #totals: HostTotals = { packets: 0, bytes: 0, lostPackets: 0, lostBytes: 0 };
  #counters: Record<string, number> = {};
  #missed = 0;
  #watched: WatchedInterface[] = [];
  #patterns: Record<string, HostFigures> = {};

  /** `logger` is told of interfaces that come and go. */
  constructor(
    config: SensorConfig,
    hashKey: readonly [bigint, bigint],
    logger?: Logger,
    extensions?: ExtensionHost,
  ) {
    this.extensions = extensions;
    this.#config = config;
    this.#logger = logger;
    this.#hashKey = hashKey;
    this.#workers = new CaptureWorkers(config);
    this.name = patternsOf(config).join(",");
  }

  get effective(): Manifest["effective"] {
    const attach = this.#interfaces?.attach ?? null;
    return attach === null ? null : { attach, bind: "ringbuf", queues: this.#rings };
  }

  get memories(): WebAssembly.Memory[] {
    return this.#captures.map(({ memory }) => memory);
  }

  get sequence(): number {
    return this.#workers.sequence;
  }

  /** Opens everything; on an error everything that was opened is closed again. */
  async start(events: SourceEvents): Promise<void> {
    try {
      this.#openRings();
      await this.extensions?.start(this.#captures.flatMap(({ held }) => held ?? []));
      await this.#workers.start(
        this.#captures.map(({ memory, rings }) => ({
          memory,
          queues: 0,
          hostRings: rings.length,
          wakeFds: [],
          sleepMsMax: SLEEP_FACTOR * this.#config.wake.sleep_max,
        })),
        events,
      );
      await this.#openInterfaces(events);
      this.#shed(events);
    } catch (error) {
      await this.#terminate();
      throw explain(error);
    }
  }

  ask(sequence: number, cause: SealCause): boolean {
    return this.#workers.ask(sequence, cause);
  }

  drops(): Record<DropCause, number> {
    this.#read();
    const shed = this.#shedding?.packets ?? 0;
    const none = Object.fromEntries(DROP_CAUSES.map((cause) => [cause, 0])) as Record<DropCause, number>;
    // Not the interfaces' own rx_dropped: that counts packets that the stack dropped after they had come by here.
    return { ...none, ring_buffer: this.#totals.lostPackets, interface_missed: this.#missed, shed };
  }

  statistics(): { xdp: Record<string, number>[]; interface: Record<string, number> } {
    this.#read();
    return { xdp: [], interface: this.#counters };
  }

  /** Packets on the wire that the programs saw; all of them went on to where they were going. */
  seen(): { frames: number; passed: number } {
    this.#read();
    return { frames: this.#totals.packets, passed: this.#totals.packets };
  }

  get shedding(): Shedding | undefined {
    return this.#shedding;
  }

  get queues(): number[][] {
    return this.#captures.map(() => []);
  }

  vitals(): WorkerVitals[] {
    return this.#workers.vitals();
  }

  hostStatus(): HostStatus {
    this.#read();
    const { packets, bytes, lostPackets, lostBytes } = this.#totals;
    return {
      interfaces: this.#watched,
      patterns: this.#patterns,
      seen: { packets, bytes },
      lost: { packets: lostPackets, bytes: lostBytes },
      reattached: this.#interfaces?.reattached ?? 0,
      attacher_pid: this.#isStopping ? null : (this.#attacher?.pid ?? null),
    };
  }

  /** Takes the programs off, drains the rings, seals the last interval, closes everything. */
  async stop(): Promise<void> {
    if (this.#isStopping) return;
    this.#read();
    this.#isStopping = true;
    clearInterval(this.#timer);
    this.#interfaces?.stop();
    await this.#shedding?.stop();
    await this.#attacher?.close();
    await this.#workers.drain();
    this.#readTotals();
    await this.#terminate();
  }

  /** Ring buffers: one a CPU, so that CPUs do not wait for one another, as far as there are places. */
  get #rings(): number {
    return this.#captures.reduce((sum, { rings }) => sum + rings.length, 0);
  }

  #openRings(): void {
    const { host, memory: sizes } = this.#config;
    const count = Math.min(HOST_RINGS_MAX, 2 ** Math.floor(Math.log2(Math.max(1, cpus().length))));
    const workers = Math.min(this.#config.workers ?? 1, count);
    this.#programs = TcPrograms.load(OBJECT, {
      programs: {
        2: { in: "sparsewire_in", out: "sparsewire_out" },
        3: { in: "sparsewire_in3", out: "sparsewire_out3" },
      },
      constants: {
        ring_mask: count - 1,
        shed_seed_low: randomBytes(8).readBigUInt64LE(),
        shed_seed_high: randomBytes(8).readBigUInt64LE(),
      },
    });
    const outer = this.#programs.map("rings");
    for (let worker = 0; worker < workers; worker++) {
      const share = Array.from({ length: count }, (_, ring) => ring).filter(
        (ring) => ring % workers === worker,
      );
      const held = heldPlan({ frames: HELD_RECORDS, copies: true });
      const layout = memoryLayout({
        heldBytes: this.extensions === undefined ? 0 : held.bytes,
        logEntries: LOG_ENTRIES_DEFAULT,
        linkBudget: sizes.link_budget,
        addressBudget: sizes.address_budget,
        hostRings: share.map(() => RingBuffer.bytes(host.ring_bytes)),
      });
      const memory = sandboxMemory(layout.pages);
      configureSandbox(new ControlView(memory), layout, {
        logEntries: LOG_ENTRIES_DEFAULT,
        linkBudget: sizes.link_budget,
        addressBudget: sizes.address_budget,
        hashKey: this.#hashKey,
        queues: 0,
      });
      const capture: Capture = { memory, view: new HostView(memory), rings: [] };
      if (this.extensions !== undefined) {
        const limits = { limit: HELD_RECORDS, taps: this.extensions.count };
        capture.held = backHeld(memory, layout.held, held, limits);
      }
      this.#captures.push(capture);
      for (const [i, ring] of share.entries()) {
        const { offset } = layout.hostRings[i]!;
        const buffer = new RingBuffer({ memory, offset, size: host.ring_bytes });
        capture.rings.push(buffer);
        capture.view.setRing(i, buffer);
        outer.update(ring, new Uint8Array(Uint32Array.of(buffer.fd).buffer));
      }
    }
  }

  async #openInterfaces(events: SourceEvents): Promise<void> {
    const { host } = this.#config;
    this.#attacher = await TcAttacher.start(this.#programs!);
    this.#attacher.onLost = () =>
      events.failed(new Error("the process that attaches the tc programs has ended: nothing is watched"));
    this.#interfaces = new HostInterfaces({
      patterns: patternsOf(this.#config),
      loopback: host.loopback,
      directions: host.directions,
      attach: host.attach,
      attacher: this.#attacher,
      views: this.#captures.map(({ view }) => view),
      note: (text) => this.#logger?.info(text),
      warn: (text) => this.#logger?.warn(text),
    });
    await this.#interfaces.start();
    this.#timer = setInterval(() => {
      this.#interfaces!.poll().catch((error) => events.failed(error));
    }, WATCH_MS);
  }

  #shed(events: SourceEvents): void {
    const captures = this.#captures.map(({ memory, view, rings }) => ({
      control: new ControlView(memory),
      occupancy: () => view.occupancy(rings.length),
      settle: () => view.settleRate(rings.length),
    }));
    const port = {
      captures: () => captures,
      lost: () => {
        this.#readTotals();
        return this.#totals.lostPackets;
      },
      clearReached: () => this.#workers.clearReached(),
    };
    const maps = new ShedMaps({ rate: this.#programs!.map("rate"), shed: this.#programs!.map("shed") });
    this.#shedding = new Shedding(this.#config.shedding, maps, port, (error) =>
      events.warned?.(new Error(`load shedding is off: ${errorLine(error)}`)),
    );
    this.#shedding.start();
  }

  #read(): void {
    if (this.#isStopping || this.#interfaces === undefined) return;
    this.#readTotals();
    this.#watched = this.#interfaces.list();
    this.#patterns = Object.fromEntries(this.#interfaces.byPattern());
    const { sum, missed } = this.#interfaces.counters();
    this.#counters = sum;
    this.#missed = Math.max(this.#missed, missed);
  }

  #readTotals(): void {
    const bytes = this.#programs?.map("totals").lookup(0);
    if (bytes === undefined) return;
    const words = new BigUint64Array(bytes.slice().buffer);
    const sums = [0, 0, 0, 0];
    for (const [i, word] of words.entries()) sums[i % 4]! += Number(word);
    const [packets, wireBytes, lostPackets, lostBytes] = sums as [number, number, number, number];
    this.#totals = { packets, bytes: wireBytes, lostPackets, lostBytes };
  }

  async #terminate(): Promise<void> {
    this.#isStopping = true;
    clearInterval(this.#timer);
    this.#interfaces?.stop();
    await this.#attacher?.close();
    await this.#workers.terminate();
    this.#shedding?.close();
    for (const { rings } of this.#captures) for (const ring of rings) ring.close();
    this.#programs?.close();
  }
}

/** Names and patterns of the interfaces to watch. */
function patternsOf({ interface: single, interfaces }: SensorConfig): readonly string[] {
  return interfaces ?? [single!];
}
