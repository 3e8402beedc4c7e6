/**
 * Mode inline: a bump in the wire. Frames received on either side are counted in the sandbox and leave by the other, out
 * of the same UMEM; the capture workers forward, the main thread watches links and counters.
 */
import { availableParallelism } from "node:os";
import { interfaceIndex, type XskSocket } from "xdp-node";
import { memoryLayout, QUEUES_MAX, type SealCause } from "../../lib/abi.js";
import { FORWARD_DROPS, type Forward } from "../../lib/forward.js";
import type { Manifest } from "../../lib/manifest.js";
import { DROP_CAUSES, type DropCause } from "../../lib/reasons.js";
import { configureSandbox } from "../capture/configure.js";
import { ControlView } from "../capture/control-view.js";
import { sandboxMemory } from "../capture/sandbox.js";
import type { ExtensionHost } from "../extension/extension-host.js";
import { backHeld, closeHeld, type HeldMemory, heldPlan } from "../extension/held-memory.js";
import type { Logger } from "../log.js";
import { type CaptureTask, CaptureWorkers } from "./capture-workers.js";
import type { SensorConfig } from "./config.js";
import { explain, requireBind } from "./guard.js";
import { InlineBridge } from "./inline-bridge.js";
import { checkInline, type InlineCheck } from "./inline-check.js";
import { heldFrames, openPair, pairLayout } from "./inline-pair.js";
import { InterfaceLoss } from "./interface-loss.js";
import type { Seen, SeenFrames } from "./seen.js";
import type { FrameSource, SourceEvents, WorkerVitals } from "./source.js";

/** How often links are looked at. */
const WATCH_MS = 100;
/** Packets of a sub-window: sorting one stops forwarding, so it is a small one (about 0.1 ms). */
const LOG_ENTRIES = 1 << 14;
/** Jumbo frames need more than a chunk less the kernel's headroom (and Ethernet with a VLAN tag). */
const XDP_HEADROOM = 256;
const FRAME_OVERHEAD = 18;

interface Capture {
  memory: WebAssembly.Memory;
  control: ControlView;
  /** Queue pairs, and the sockets of each: A, B and maybe the divert interface. */
  queues: number[];
  pairs: XskSocket[][];
  held?: HeldMemory;
}

export class InlineSource implements FrameSource {
  readonly name: string;
  readonly extensions: ExtensionHost | undefined;
  readonly #config: SensorConfig;
  readonly #hashKey: readonly [bigint, bigint];
  readonly #logger: Logger | undefined;
  readonly #workers: CaptureWorkers;
  readonly #captures: Capture[] = [];
  readonly #interfaces: string[];
  #bridge: InlineBridge | undefined;
  #losses: InterfaceLoss[] = [];
  /** By direction, when the sensor let go of the wire: frames on TX rings so far, and those the device had dropped. */
  #handedOver: { device: number; queued: number }[] = [];
  /** What was last said of MTUs that differ. */
  #mtus = "";
  #effective: Manifest["effective"] = null;
  #timer: NodeJS.Timeout | undefined;
  #isStopping = false;
  /** Of each side. */
  #seen: Seen[] = [];

  constructor(
    config: SensorConfig,
    hashKey: readonly [bigint, bigint],
    logger?: Logger,
    extensions?: ExtensionHost,
  ) {
    this.extensions = extensions;
    this.#config = config;
    this.#hashKey = hashKey;
    this.#logger = logger;
    this.#workers = new CaptureWorkers(config);
    const { peer, divert } = config.inline;
    this.#interfaces = [config.interface!, peer!, ...(divert === undefined ? [] : [divert])];
    this.name = `${config.interface}+${peer}`;
  }

  get effective(): Manifest["effective"] {
    return this.#effective;
  }

  get memories(): WebAssembly.Memory[] {
    return this.#captures.map(({ memory }) => memory);
  }

  get sequence(): number {
    return this.#workers.sequence;
  }

  get queues(): number[][] {
    return this.#captures.map(({ queues, pairs }) =>
      queues.flatMap((queue, i) => pairs[i]!.map(() => queue)),
    );
  }

  async start(events: SourceEvents): Promise<void> {
    try {
      const check = checkInline(this.#config);
      for (const warning of check.warnings) this.#logger?.warn(warning);
      this.#open(check);
      await this.extensions?.start(this.#captures.flatMap(({ held }) => held ?? []));
      await this.#workers.start(
        this.#captures.map((capture) => this.#task(capture)),
        events,
      );
      this.#watch(events);
      const attach = this.#bridge!.attach();
      const sockets = this.#sockets();
      const isZeroCopy = attach === "native" && sockets.every((socket) => socket.options().zerocopy);
      const bind = isZeroCopy ? "zerocopy" : "copy";
      this.#effective = { attach, bind, queues: sockets.length };
      requireBind(
        this.#config,
        bind,
        "or use interfaces whose drivers both have AF_XDP zero-copy",
        this.name,
      );
    } catch (error) {
      await this.#terminate(true);
      throw explain(error);
    }
    const { fallback } = this.#bridge!;
    this.#logger?.info({ on_exit: this.#config.inline.on_exit, fallback }, "forwarding");
  }

  ask(sequence: number, cause: SealCause): boolean {
    return this.#workers.ask(sequence, cause);
  }

  drops(): Record<DropCause, number> {
    this.#read();
    const drops = Object.fromEntries(DROP_CAUSES.map((cause) => [cause, 0])) as Record<DropCause, number>;
    for (const loss of this.#losses.slice(0, 2)) {
      for (const [cause, frames] of Object.entries(loss.received())) drops[cause as DropCause] += frames;
    }
    drops.uncounted = this.#sum(0, "uncounted") + this.#sum(1, "uncounted") + this.#seenSum("uncounted");
    return drops;
  }

  statistics(): { xdp: Record<string, number>[]; interface: Record<string, number> } {
    this.#read();
    const total: Record<string, number> = {};
    for (const { counters } of this.#losses.slice(0, 2)) {
      for (const [name, value] of Object.entries(counters)) total[name] = (total[name] ?? 0) + value;
    }
    return { xdp: this.#losses.flatMap(({ xdp }) => xdp), interface: total };
  }

  seen(): { frames: number; passed: number } {
    this.#read();
    return { frames: this.#seenSum("frames"), passed: this.#seenSum("passed") };
  }

  /** Per direction, since the start. */
  forward(): Forward[] {
    this.#read();
    return [0, 1].map((side) => {
      const sum = (name: string): number => this.#sum(side, name);
      const queued = sum("forwarded");
      const lost = this.#lost(side, queued);
      const dropped = Object.fromEntries(
        FORWARD_DROPS.map((cause) => [cause, cause in lost ? lost[cause as keyof typeof lost] : sum(cause)]),
      ) as Forward["dropped"];
      return {
        from: this.#interfaces[side]!,
        to: this.#interfaces[1 - side]!,
        frames: sum("frames") + sum("uncounted"),
        forwarded: Math.max(0, queued - lost.tx_invalid - lost.device),
        bytes: sum("forwarded_bytes"),
        diverted: sum("diverted"),
        dropped,
      };
    });
  }

  /**
   * Of `queued` frames of a direction, those that did not leave. Once the wire has been handed over, the device counts
   * what the kernel's own bridging loses as well.
   */
  #lost(side: number, queued: number): { tx_invalid: number; device: number } {
    const lost = this.#losses[1 - side]?.sent() ?? { tx_invalid: 0, device: 0 };
    const before = this.#handedOver[side];
    if (before === undefined) return lost;
    return { ...lost, device: Math.min(lost.device, before.device + queued - before.queued) };
  }

  vitals(): WorkerVitals[] {
    return this.#workers.vitals();
  }

  /** Hands the wire over to the kernel (or to nobody), forwards what is in the rings, seals, closes. */
  async stop(): Promise<void> {
    if (this.#isStopping) return;
    this.#read();
    this.#isStopping = true;
    clearInterval(this.#timer);
    this.#handedOver = [0, 1].map((side) => ({
      device: this.#losses[1 - side]?.sent().device ?? 0,
      queued: this.#sum(side, "forwarded"),
    }));
    for (const { queues } of this.#captures) this.#bridge?.letGo(queues);
    await this.#workers.drain();
    this.#readQuietly();
    await this.#terminate(false);
  }

  #open(check: InlineCheck): void {
    const { memory: sizes, multi_buffer } = this.#config;
    const isJumbo = check.sides[0].mtu + FRAME_OVERHEAD > sizes.chunk_bytes - XDP_HEADROOM;
    const multiBuffer = multi_buffer === "on" || (multi_buffer === "auto" && isJumbo);
    const names = [this.#interfaces[0]!, this.#interfaces[1]!] as const;
    const indexes = [interfaceIndex(names[0]), interfaceIndex(names[1])] as const;
    this.#bridge = new InlineBridge(this.#config, { names, indexes }, multiBuffer);
    const { bind } = this.#config;
    try {
      this.#openPairs(check.queues, bind, multiBuffer);
    } catch (error) {
      // The first side decides how the shared UMEM is used; the second may have no zero-copy.
      if (bind !== "auto" || (error as { code?: string }).code !== "XDP_ZEROCOPY_UNSUPPORTED") throw error;
      this.#closeSockets();
      for (const { held } of this.#captures) closeHeld(held);
      this.#captures.length = 0;
      this.#openPairs(check.queues, "copy", multiBuffer);
    }
    const warned = ({ message }: Error): void => this.#logger?.warn(message);
    this.#seen = [0, 1].map((side) => this.#bridge!.seen(side, check.queues, warned));
    this.#losses = this.#interfaces.map(
      (name, side) =>
        new InterfaceLoss(name, () => this.#sockets().filter((each) => each.interface === name && side >= 0)),
    );
  }

  #openPairs(queues: readonly number[], bind: SensorConfig["bind"], multiBuffer: boolean): void {
    const { memory: sizes } = this.#config;
    const entries = this.#interfaces.length;
    const heap = {
      logEntries: LOG_ENTRIES,
      linkBudget: sizes.link_budget,
      addressBudget: sizes.address_budget,
    };
    for (const share of this.#shares(queues)) {
      const held = heldPlan({
        frames: share.length * 4 * heldFrames(this.#config),
        verdicts: this.#config.inline.verdict !== undefined,
      });
      const layout = memoryLayout({
        ...heap,
        heldBytes: this.extensions === undefined ? 0 : held.bytes,
        queues: share.flatMap(() => pairLayout(this.#config, entries)),
      });
      const memory = sandboxMemory(layout.pages);
      const control = new ControlView(memory);
      configureSandbox(control, layout, { ...heap, hashKey: this.#hashKey, queues: share.length * entries });
      const capture: Capture = { memory, control, queues: share, pairs: [] };
      if (this.extensions !== undefined) {
        const { on_exit, verdict_timeout } = this.#config.inline;
        capture.held = backHeld(memory, layout.held, held, {
          limit: heldFrames(this.#config),
          taps: this.extensions.count,
          verdictLate: on_exit === "open" ? "pass" : "drop",
          ageMs: verdict_timeout,
        });
      }
      this.#captures.push(capture);
      for (const [i, queue] of share.entries()) {
        const first = i * entries;
        const places = layout.queues.slice(first, first + entries);
        const plan = {
          interfaces: this.#interfaces,
          queue,
          config: this.#config,
          bind,
          multiBuffer,
          held: capture.held,
        };
        const sockets = openPair(memory, control, places, first, plan);
        capture.pairs.push(sockets);
        for (const side of [0, 1]) this.#bridge!.take(side, queue, sockets[side]!);
      }
    }
  }

  /** Queue pairs dealt to as many workers as there are cores for. */
  #shares(queues: readonly number[]): number[][] {
    const most = Math.floor(QUEUES_MAX / this.#interfaces.length);
    const fewest = Math.ceil(queues.length / most);
    const wanted = this.#config.workers ?? availableParallelism();
    const workers = Math.max(fewest, Math.min(queues.length, wanted));
    return Array.from({ length: workers }, (_, i) => queues.filter((_queue, at) => at % workers === i));
  }

  #task({ memory, pairs }: Capture): CaptureTask {
    const sockets = pairs.flat();
    const entries = this.#interfaces.length;
    const receiving = sockets.map((_, i) => i).filter((i) => i % entries < 2);
    return {
      memory,
      queues: sockets.length,
      wakeFds: [],
      forward: {
        fds: sockets.map(({ fd }) => fd),
        receiving,
        gatherUs: this.#config.inline.gather * 1000,
        realtime: this.#config.inline.realtime,
      },
    };
  }

  /** Tells the sandboxes which interfaces can send, and the sensor when one is deleted. */
  #watch(events: SourceEvents): void {
    this.#timer = setInterval(() => {
      try {
        this.#readNow();
      } catch (error) {
        if (this.#isStopping) return;
        clearInterval(this.#timer);
        events.failed(explain(error) as Error);
      }
    }, WATCH_MS);
  }

  #readNow(): void {
    for (const loss of this.#losses) loss.read();
    this.#compareMtus();
    const entries = this.#interfaces.length;
    for (const { control, pairs } of this.#captures) {
      for (let i = 0; i < pairs.length * entries; i++) {
        control.setQueue(i, { out_down: this.#losses[i % entries]!.isRunning ? 0 : 1 });
      }
    }
    // What passes once the wire has been handed over is no longer ours.
    if (this.#isStopping) return;
    for (const [side, seen] of this.#seen.entries()) seen.read(this.#losses[side]!.counters);
  }

  /** They were the same at the start. What has become too long for the other side is a drop of its device from then on. */
  #compareMtus(): void {
    const [a, b] = this.#losses;
    if (a === undefined || b === undefined || a.mtu === b.mtu) {
      this.#mtus = "";
      return;
    }
    const mtus = `${a.name} has MTU ${a.mtu} now and ${b.name} ${b.mtu}`;
    if (mtus !== this.#mtus)
      this.#logger?.warn(`${mtus}: longer frames of one are dropped by the other (device)`);
    this.#mtus = mtus;
  }

  #read(): void {
    if (this.#sockets().every(({ fd }) => fd >= 0)) this.#readQuietly();
  }

  /** A deleted interface is the watch's affair; the last figures stand. */
  #readQuietly(): void {
    try {
      this.#readNow();
    } catch {
      // As said.
    }
  }

  #seenSum(field: keyof SeenFrames): number {
    return this.#seen.reduce((sum, { frames }) => sum + frames[field], 0);
  }

  #sum(side: number, name: string): number {
    const entries = this.#interfaces.length;
    return this.#captures.reduce(
      (total, { control, pairs }) =>
        total + pairs.reduce((sum, _, i) => sum + control.queueCount(i * entries + side, name), 0),
      0,
    );
  }

  #sockets(): XskSocket[] {
    return this.#captures.flatMap(({ pairs }) => pairs.flat());
  }

  #closeSockets(): void {
    // Those that share a UMEM before the one that registered it.
    for (const socket of this.#sockets().reverse()) socket.close();
  }

  async #terminate(isFailure: boolean): Promise<void> {
    this.#isStopping = true;
    clearInterval(this.#timer);
    await this.#workers.terminate();
    this.#closeSockets();
    if (isFailure) this.#bridge?.abandon();
    else this.#bridge?.close();
  }
}
