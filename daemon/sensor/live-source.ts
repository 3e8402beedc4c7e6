/**
 * Frames of a live interface: XDP program, sockets, sandboxes and their capture workers. The main thread maps rings and
 * frames into each sandbox's memory and starts the workers; from then on it only reads counters and asks for seals.
 */
import { randomBytes } from "node:crypto";
import { availableParallelism } from "node:os";
import {
  addressOf,
  backMemory,
  holdPromiscuous,
  interfaceCounters,
  redirectObject,
  type XdpLink,
  XdpProgram,
  type XskOptions,
  XskSocket,
} from "xdp-node";
import {
  HUGE_PAGE_BYTES,
  LOG_ENTRIES_DEFAULT,
  memoryLayout,
  QUEUES_MAX,
  type SealCause,
} from "../../lib/abi.js";
import { errorLine } from "../../lib/errors.js";
import type { Manifest } from "../../lib/manifest.js";
import { DROP_CAUSES, type DropCause, XDP_STATISTICS } from "../../lib/reasons.js";
import { droppedOf } from "../../lib/sampling.js";
import { configureSandbox } from "../capture/configure.js";
import { ControlView } from "../capture/control-view.js";
import { sandboxMemory } from "../capture/sandbox.js";
import type { ExtensionHost } from "../extension/extension-host.js";
import { backHeld, type HeldMemory, heldPlan, shareMemory } from "../extension/held-memory.js";
import { type CaptureTask, CaptureWorkers } from "./capture-workers.js";
import type { SensorConfig } from "./config.js";
import { checkInterface, explain, queuesToTake, requireBind } from "./guard.js";
import { LossCauses } from "./interface-loss.js";
import { type BoundQueue, bindQueue, closeQueue, Rebinding, spareQueue } from "./rebinding.js";
import { Seen } from "./seen.js";
import { ShedMaps } from "./shed-maps.js";
import { Shedding, shedQueues } from "./shedding.js";
import type { FrameSource, SourceEvents, WorkerVitals } from "./source.js";

/** Longest frame that fits a chunk: 256 bytes are the kernel's XDP headroom. */
const XDP_HEADROOM = 256;
const LINK_ETHERNET = 1;
/** How often it is looked whether the interface is there, and has the queues it had: nothing tells. */
const WATCH_MS = 250;
/** The entry of the map "seen" that sums up all queues (bpf/redirect.bpf.c). */
const SEEN_SUM = 256;

interface Capture {
  memory: WebAssembly.Memory;
  control: ControlView;
  queues: number[];
  bound: BoundQueue[];
  held?: HeldMemory;
}

export class LiveSource implements FrameSource {
  readonly name: string;
  readonly extensions: ExtensionHost | undefined;
  readonly #config: SensorConfig;
  readonly #hashKey: readonly [bigint, bigint];
  readonly #workers: CaptureWorkers;
  readonly #captures: Capture[] = [];
  #program: XdpProgram | undefined;
  #link: XdpLink | undefined;
  #promiscuous: { close(): void } | undefined;
  #effective: Manifest["effective"] = null;
  #causes = new LossCauses({});
  #isStopping = false;
  /** Kept when the sockets are closed, so that the last interval's manifest is right. */
  #lastXdp: Record<string, number>[] = [];
  #lastInterface: Record<string, number> = {};
  #seen: Seen | undefined;
  #timer: NodeJS.Timeout | undefined;
  #shedding: Shedding | undefined;
  #rebinding: Rebinding | undefined;

  constructor(config: SensorConfig, hashKey: readonly [bigint, bigint], extensions?: ExtensionHost) {
    this.extensions = extensions;
    this.#config = config;
    this.#hashKey = hashKey;
    this.#workers = new CaptureWorkers(config);
    this.name = config.interface!;
  }

  /** null while the interface is away. */
  get effective(): Manifest["effective"] {
    return this.#rebinding?.isAway === true ? null : this.#effective;
  }

  get shedding(): Shedding | undefined {
    return this.#shedding;
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
      this.#open();
      this.#seen = this.#openSeen(events);
      await this.extensions?.start(this.#captures.flatMap(({ held }) => held ?? []));
      await this.#workers.start(
        this.#captures.map((capture) => this.#task(capture)),
        events,
      );
      this.#link = this.#program!.attach(this.name, this.#config.attach);
      // What a mirror port brings is addressed to others: a card drops it unless it is promiscuous.
      this.#promiscuous = holdPromiscuous(this.name);
      // Frames that extensions hold belong to nobody's ring: with them a queue is not started anew.
      for (const { bound, held } of this.#captures) if (held === undefined) bound.forEach(spareQueue);
    } catch (error) {
      await this.#terminate();
      throw explain(error);
    }
    this.#shed(events);
    this.#rebinding = this.#prepareRebinding(events);
    this.#timer = setInterval(() => this.#read(), WATCH_MS);
    const isZeroCopy = this.#allSockets().every((socket) => socket.options().zerocopy);
    // A generic program hands over copies, whatever the socket's own option says.
    const bind = isZeroCopy && this.#link.mode === "native" ? "zerocopy" : "copy";
    this.#effective = { attach: this.#link.mode, bind, queues: this.#allSockets().length };
    try {
      requireBind(this.#config, bind, 'or attach = "native" on a driver with AF_XDP zero-copy');
    } catch (error) {
      await this.#terminate();
      throw error;
    }
  }

  ask(sequence: number, cause: SealCause): boolean {
    return this.#workers.ask(sequence, cause);
  }

  drops(): Record<DropCause, number> {
    this.#read();
    const received = this.#causes.received(this.#lastInterface, this.#lastXdp);
    const none = Object.fromEntries(DROP_CAUSES.map((cause) => [cause, 0])) as Record<DropCause, number>;
    return {
      ...none,
      ...received,
      shed: this.#shedding?.packets ?? 0,
      uncounted: this.#seen?.frames.uncounted ?? 0,
    };
  }

  statistics(): { xdp: Record<string, number>[]; interface: Record<string, number> } {
    this.#read();
    return { xdp: this.#lastXdp, interface: this.#lastInterface };
  }

  /** Frames that reached the XDP program, and those that it left to the stack, since the start. */
  seen(): { frames: number; passed: number } {
    this.#read();
    const { frames = 0, passed = 0 } = this.#seen?.frames ?? {};
    return { frames, passed };
  }

  /** The RX queues of each capture worker. */
  get queues(): number[][] {
    return this.#captures.map(({ queues }) => queues);
  }

  vitals(): WorkerVitals[] {
    return this.#workers.vitals();
  }

  /** Drains the rings, seals the last interval, then closes sockets and link, in this order. */
  async stop(): Promise<void> {
    if (this.#isStopping) return;
    this.#isStopping = true;
    clearInterval(this.#timer);
    this.#rebinding?.stop();
    await this.#shedding?.stop();
    await this.#workers.drain();
    this.#read();
    await this.#terminate();
  }

  #open(): void {
    const { memory: sizes, wake } = this.#config;
    const report = checkInterface(this.#config);
    const queues = queuesToTake(this.#config, report);
    const isJumbo = report.mtu + 18 > sizes.chunk_bytes - XDP_HEADROOM;
    const multiBuffer =
      this.#config.multi_buffer === "on" || (this.#config.multi_buffer === "auto" && isJumbo);
    this.#program = XdpProgram.load(redirectObject(), {
      program: multiBuffer ? "redirect_frags" : "redirect",
      constants: {
        shed_seed_low: randomBytes(8).readBigUInt64LE(),
        shed_seed_high: randomBytes(8).readBigUInt64LE(),
      },
    });
    const xsks = this.#program.map("xsks");
    const rings = { rxSize: sizes.frames, fillSize: sizes.frames, completionSize: 64 };
    for (const share of this.#shares(queues)) {
      const plan = heldPlan({ frames: share.length * sizes.frames });
      const layout = memoryLayout({
        heldBytes: this.extensions === undefined ? 0 : plan.bytes,
        logEntries: LOG_ENTRIES_DEFAULT,
        linkBudget: sizes.link_budget,
        addressBudget: sizes.address_budget,
        queues: share.map(() => ({
          ringBytes: XskSocket.ringBytes(rings),
          umemBytes: sizes.frames * sizes.chunk_bytes,
        })),
      });
      const memory = sandboxMemory(layout.pages);
      const control = new ControlView(memory);
      configureSandbox(control, layout, {
        logEntries: LOG_ENTRIES_DEFAULT,
        linkBudget: sizes.link_budget,
        addressBudget: sizes.address_budget,
        hashKey: this.#hashKey,
        queues: share.length,
      });
      const capture: Capture = { memory, control, queues: share, bound: [] };
      if (this.extensions !== undefined) {
        // The kernel keeps the other half of a queue's frames: an extension that is slow costs none.
        const limits = { limit: sizes.frames / 2, taps: this.extensions.count };
        capture.held = backHeld(memory, layout.held, plan, limits);
      }
      this.#captures.push(capture);
      for (const [i, queue] of share.entries()) {
        const place = layout.queues[i]!;
        const umemOffset = alignFrames(memory, place.frames);
        const size = sizes.frames * sizes.chunk_bytes;
        if (capture.held === undefined) {
          backMemory(memory, { offset: umemOffset, size, hugePages: sizes.huge_pages });
        } else {
          const range = shareMemory(memory, umemOffset, size, sizes.huge_pages);
          const place = (base: number): void => control.setQueue(i, { extension_base: base });
          capture.held.frames.push({ ...range, place });
        }
        const options: XskOptions = {
          memory,
          umem: { offset: umemOffset, size, chunkSize: sizes.chunk_bytes },
          interface: this.name,
          queue,
          rings: { offset: place.rings },
          ...rings,
          bind: this.#config.bind,
          multiBuffer,
          busyRetryMs: 1000,
          ...(wake.busy_poll ? { busyPoll: { budget: wake.busy_poll_budget, usecs: 20 } } : {}),
        };
        const bound = bindQueue(options);
        const { socket } = bound;
        capture.bound.push(bound);
        xsks.set(queue, socket);
        control.setQueue(i, {
          rx_producer: socket.rings.rx.producer,
          rx_consumer: socket.rings.rx.consumer,
          rx_flags: socket.rings.rx.flags,
          rx_descriptors: socket.rings.rx.descriptors,
          rx_size: socket.rings.rx.size,
          fill_producer: socket.rings.fill.producer,
          fill_consumer: socket.rings.fill.consumer,
          fill_flags: socket.rings.fill.flags,
          fill_descriptors: socket.rings.fill.descriptors,
          fill_size: socket.rings.fill.size,
          umem_offset: umemOffset,
          umem_bytes: size,
          chunk_bytes: sizes.chunk_bytes,
          headroom: 0,
          link_type: LINK_ETHERNET,
        });
      }
    }
    this.#lastInterface = interfaceCounters(this.name);
    this.#causes = new LossCauses(this.#lastInterface);
  }

  /** Queues dealt to as many workers as there are cores for. */
  #shares(queues: number[]): number[][] {
    const fewest = Math.ceil(queues.length / QUEUES_MAX);
    const wanted = this.#config.workers ?? availableParallelism();
    const workers = Math.max(fewest, Math.min(queues.length, wanted));
    return Array.from({ length: workers }, (_, i) => queues.filter((_queue, at) => at % workers === i));
  }

  #task(capture: Capture): CaptureTask {
    const { memory, queues } = capture;
    return { memory, queues: queues.length, wakeFds: this.#wakeFds(capture) };
  }

  #wakeFds({ bound }: Capture): number[] {
    const wants = (socket: XskSocket): boolean => this.#config.wake.busy_poll || socket.options().zerocopy;
    return bound.filter(({ socket }) => wants(socket)).map(({ socket }) => socket.fd);
  }

  #openSeen(events: SourceEvents): Seen {
    return new Seen({
      interface: this.name,
      map: this.#program!.map("seen"),
      entries: this.queues.flat(),
      sum: SEEN_SUM,
      takesAll: this.#config.queues === undefined,
      warned: (error) => events.warned?.(error),
    });
  }

  #prepareRebinding(events: SourceEvents): Rebinding {
    const xsks = this.#program!.map("xsks");
    return new Rebinding({
      queues: () => this.#captures.flatMap(({ bound }) => bound),
      link: () => this.#link,
      parked: (rebind) =>
        this.#workers.parked(() => {
          rebind();
          return this.#captures.map((capture) => this.#wakeFds(capture));
        }),
      connect: ({ options, socket }) => xsks.set(options.queue, socket),
      failed: events.failed,
      warned: (error) => events.warned?.(error),
    });
  }

  #allSockets(): XskSocket[] {
    return this.#captures.flatMap(({ bound }) => bound.map(({ socket }) => socket));
  }

  /** Interface counters first: what AF_XDP drops in between must not look like a drop of the interface. */
  #read(): void {
    const sockets = this.#allSockets();
    if (sockets.length === 0 || sockets.some(({ fd }) => fd < 0)) return;
    try {
      this.#lastInterface = interfaceCounters(this.name);
    } catch {
      // The interface has gone; its last counters stand, and the workers will find out by themselves.
    }
    try {
      // Nothing else tells that the interface has left or was deleted.
      if (!this.#isStopping && !this.#rebinding?.isAway) for (const socket of sockets) socket.poll(0);
    } catch (error) {
      if (this.#rebinding === undefined) throw error;
      this.#rebinding.lost(error);
    }
    this.#lastXdp = this.#captures.flatMap(({ bound }) => bound.map(statisticsOf));
    this.#seen?.read(this.#lastInterface);
  }

  #shed(events: SourceEvents): void {
    const port = {
      captures: () =>
        this.#captures.map(({ control, queues }) =>
          shedQueues(control, queues.length, this.#config.memory.frames),
        ),
      lost: () => {
        const drops = this.drops();
        // To take a sample brings nobody the frames of a queue without a socket.
        return droppedOf(drops) - drops.uncounted;
      },
      clearReached: () => this.#workers.clearReached(),
    };
    const maps = new ShedMaps({ rate: this.#program!.map("rate"), shed: this.#program!.map("shed") });
    this.#shedding = new Shedding(this.#config.shedding, maps, port, (error) =>
      events.warned?.(new Error(`load shedding is off: ${errorLine(error)}`)),
    );
    this.#shedding.start();
  }

  async #terminate(): Promise<void> {
    this.#isStopping = true;
    clearInterval(this.#timer);
    await this.#workers.terminate();
    this.#shedding?.close();
    this.#rebinding?.stop();
    for (const { bound } of this.#captures) for (const queue of bound) closeQueue(queue);
    this.#link?.detach();
    this.#promiscuous?.close();
    this.#program?.close();
  }
}

/** XDP_STATISTICS of a queue, its former sockets' included. */
function statisticsOf({ socket, past }: BoundQueue): Record<string, number> {
  const statistics = socket.statistics();
  return Object.fromEntries(XDP_STATISTICS.map((field) => [field, (past[field] ?? 0) + statistics[field]]));
}

/** The first offset from `offset` on whose process address is 2 MiB-aligned; the layout leaves room for it. */
function alignFrames(memory: WebAssembly.Memory, offset: number): number {
  const base = addressOf(memory.buffer);
  const misfit = Number((base + BigInt(offset)) % BigInt(HUGE_PAGE_BYTES));
  return misfit === 0 ? offset : offset + HUGE_PAGE_BYTES - misfit;
}
