/**
 * The programs in the kernel that mode inline rests on, and what they do when the sensor is gone.
 *
 * on_exit = closed: the links die with the process, nothing passes. on_exit = open: they are pinned in a BPF file system,
 * and when no AF_XDP socket is left in their map they bridge by themselves. The next sensor finds the links and gives
 * them a new program with its own sockets, atomically: there is no moment in which nobody forwards.
 */
import { existsSync, mkdirSync, readdirSync, rmdirSync, rmSync, unlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import {
  holdPromiscuous,
  isBpfFileSystem,
  type StandingKind,
  StandingLink,
  setPromiscuous,
  XdpError,
  XdpProgram,
  type XskSocket,
} from "xdp-node";
import { EXIT, SparsewireError } from "../../lib/errors.js";
import type { SensorConfig } from "./config.js";
import { pinFolder } from "./pins.js";
import { Seen } from "./seen.js";

/** As in bpf/bridge.bpf.c. */
const QUEUES_MAX = 256;
const XDP_DROP = 1;
const XDP_PASS = 2;
const XDP_REDIRECT = 4;

const OBJECT = fileURLToPath(new URL("../../../bpf/build/bridge.bpf.o", import.meta.url));

type Attach = "native" | "generic";
/** What bridges once the sockets are gone. */
export type Fallback = "tc" | "xdp" | "none";

export interface BridgeSides {
  names: readonly [string, string];
  indexes: readonly [number, number];
}

export class InlineBridge {
  readonly #sides: BridgeSides;
  readonly #config: SensorConfig;
  readonly #program: XdpProgram | undefined;
  readonly #links: StandingLink[] = [];
  readonly #promiscuous: { close(): void }[] = [];
  /** Files that this process has pinned. */
  readonly #pinned: string[] = [];
  readonly fallback: Fallback;
  #tc: XdpProgram | undefined;

  /** Loads the programs; nothing is attached yet. */
  constructor(config: SensorConfig, sides: BridgeSides, multiBuffer: boolean) {
    this.#config = config;
    this.#sides = sides;
    const isOpen = config.inline.on_exit === "open";
    if (isOpen) requireBpfFileSystem(config.inline.pins);
    try {
      this.fallback = isOpen ? this.#bridgeByTc() : "none";
      const verdicts = { tc: XDP_PASS, xdp: XDP_REDIRECT, none: XDP_DROP };
      this.#program = XdpProgram.load(OBJECT, {
        program: multiBuffer ? "bridge_frags" : "bridge",
        constants: { ...this.#indexes(), without_socket: verdicts[this.fallback] },
      });
    } catch (error) {
      this.abandon();
      throw error;
    }
  }

  /** Gives a queue's frames to a socket. */
  take(side: number, queue: number, socket: XskSocket): void {
    this.#program!.map("xsks").set(side * QUEUES_MAX + queue, socket);
  }

  /** Takes no more frames: from here on the kernel does what it does when the sensor is gone. */
  letGo(queues: readonly number[]): void {
    const map = this.#program!.map("xsks");
    for (const side of [0, 1]) for (const queue of queues) map.delete(side * QUEUES_MAX + queue);
  }

  /** Attaches to both sides, or takes over what an earlier sensor left there. How it is attached, the weaker of both. */
  attach(): Attach {
    const modes = [0, 1].map((side) => this.#attachSide(this.#sides.names[side]!));
    for (const name of this.#sides.names) {
      if (this.#config.inline.on_exit === "open") setPromiscuous(name, true);
      else this.#closeBehind(name);
    }
    return modes.includes("generic") ? "generic" : "native";
  }

  /** Counts what reaches the program of a side, and those frames for which there is no socket. */
  seen(side: number, queues: readonly number[], warned: (error: Error) => void): Seen {
    return new Seen({
      interface: this.#sides.names[side]!,
      map: this.#program!.map("seen"),
      entries: queues.map((queue) => side * QUEUES_MAX + queue),
      sum: 2 * QUEUES_MAX + side,
      takesAll: this.#config.queues === undefined,
      warned,
    });
  }

  /** Lets go of links and programs: what is pinned stays in force. Close the sockets first. */
  close(): void {
    for (const link of this.#links) {
      if (this.#config.inline.on_exit === "open") link.close();
      else link.detach();
    }
    for (const held of this.#promiscuous) held.close();
    this.#program?.close();
    this.#tc?.close();
  }

  /** After a start that failed: nothing stays that this process has made. */
  abandon(): void {
    for (const path of this.#pinned) rmSync(path, { force: true });
    this.#pinned.length = 0;
    this.close();
  }

  #indexes(): { ifindex_a: number; ifindex_b: number } {
    const [a, b] = this.#sides.indexes;
    return { ifindex_a: a, ifindex_b: b };
  }

  /** tcx where the kernel has it (6.6): works with every driver; else XDP, whose redirect needs the driver's help. */
  #bridgeByTc(): Fallback {
    this.#tc = XdpProgram.load(OBJECT, { program: "bridge_tc", constants: this.#indexes() });
    try {
      for (const name of this.#sides.names) this.#stand(name, "tcx-ingress", this.#tc);
      return "tc";
    } catch (error) {
      if (!(error instanceof XdpError) || error.errnoName !== "EINVAL") throw error;
      return "xdp";
    }
  }

  #attachSide(name: string): Attach {
    const { attach } = this.#config;
    const earlier = (["native", "generic"] as const).find((mode) =>
      existsSync(this.#path(name, `xdp-${mode}`)),
    );
    if (earlier !== undefined && attach !== "auto" && attach !== earlier) {
      throw new SparsewireError(
        "INLINE_ATTACHED",
        `an earlier sensor's program on ${name} is attached ${earlier}, not ${attach}`,
        { exit: EXIT.usage, mend: "end it first: sparsewire sensor --release with the same configuration" },
      );
    }
    const modes =
      earlier === undefined ? (attach === "auto" ? (["native", "generic"] as const) : [attach]) : [earlier];
    for (const mode of modes) {
      try {
        this.#stand(name, `xdp-${mode}`, this.#program!);
        return mode;
      } catch (error) {
        const isLast = mode === modes.at(-1);
        if (isLast || !(error instanceof XdpError) || error.code !== "XDP_NATIVE_UNSUPPORTED") throw error;
      }
    }
    throw new Error("unreachable: the last mode returns or throws");
  }

  /** on_exit = closed: nothing of an earlier sensor that was open outlives this one. */
  #closeBehind(name: string): void {
    this.#promiscuous.push(holdPromiscuous(name));
    const path = this.#path(name, "tcx-ingress");
    if (!existsSync(dirname(path))) return;
    StandingLink.open(path, name)?.detach();
    rmSync(path, { force: true });
    rmdirSync(dirname(path));
    setPromiscuous(name, false);
  }

  /** The pinned link, with the new program; or a new link, pinned if it is to outlive the process. */
  #stand(name: string, kind: StandingKind, program: XdpProgram): void {
    const path = this.#path(name, kind);
    const isOpen = this.#config.inline.on_exit === "open";
    const found = isBpfFileSystem(dirname(path)) ? StandingLink.open(path, name) : undefined;
    const link = found ?? StandingLink.attach(program, name, kind);
    this.#links.push(link);
    if (found !== undefined) found.update(program);
    if (found === undefined && isOpen) {
      mkdirSync(dirname(path), { recursive: true });
      link.pin(path);
      this.#pinned.push(path);
    }
    if (found !== undefined && !isOpen) unlinkSync(path);
  }

  #path(name: string, kind: StandingKind): string {
    return join(pinFolder(this.#config.inline.pins, name), kind);
  }
}

/**
 * Ends what an inline sensor left in the kernel: programs off the interfaces, promiscuous mode off. Looks in each folder of
 * `pins`: what the units started is elsewhere. The files that were removed; none when there was nothing.
 */
export function releaseBridge(config: SensorConfig, pins: readonly string[]): string[] {
  const removed: string[] = [];
  const names = [config.interface, config.inline.peer].filter((name) => name !== undefined);
  const places = names.flatMap((name) =>
    [...new Set(pins)].map((root) => [name, pinFolder(root, name)] as const),
  );
  for (const [name, folder] of places) {
    if (!existsSync(folder)) continue;
    for (const file of readdirSync(folder)) {
      unlinkSync(join(folder, file));
      removed.push(join(folder, file));
    }
    rmdirSync(folder);
    try {
      setPromiscuous(name, false);
    } catch {
      // The interface is gone, and its flag with it.
    }
  }
  return removed;
}

function requireBpfFileSystem(pins: string): void {
  const parents = [pins, dirname(pins), dirname(dirname(pins))];
  if (parents.some((path) => isBpfFileSystem(path))) return;
  throw new SparsewireError(
    "INLINE_NO_BPFFS",
    `${pins} is in no BPF file system, and on_exit = "open" needs one to keep its programs in`,
    {
      exit: EXIT.unsupported,
      mend: 'mount one: mount -t bpf bpf /sys/fs/bpf; or set inline.on_exit = "closed"',
    },
  );
}
