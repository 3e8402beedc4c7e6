/** tc programs: loaded here, hung on interfaces by a child process that can do nothing else. */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { badArgument, errnoName, explain, guard, XdpError } from "./errors.js";
import { BpfMap } from "./map.js";
import { type NativeProgram, native } from "./native.js";

/** Which way packets go: in = received, out = sent. */
export type Direction = "in" | "out";
/** How a program hangs on an interface: a tcx link (Linux 6.6), or a filter of a clsact queueing discipline. */
export type TcAttachment = "tcx" | "clsact";

/** What packets of an interface begin with: 2 = a MAC header, 3 = the IP header. */
export type Layer = 2 | 3;

export interface TcLoadOptions {
  /** Names of the programs (their C functions): ingress and egress, of interfaces with a MAC header and without. */
  programs: Record<Layer, Record<Direction, string>>;
  /** Values of `const volatile` variables (.rodata), by name. */
  constants?: Record<string, number | bigint>;
}

/** The tc programs of one object, and its maps. */
export class TcPrograms {
  readonly #native: NativeProgram;
  readonly #names: TcLoadOptions["programs"];

  private constructor(loaded: NativeProgram, names: TcLoadOptions["programs"]) {
    this.#native = loaded;
    this.#names = names;
  }

  /** @throws XdpError XDP_BAD_OBJECT, XDP_PROGRAM_REJECTED, XDP_NOT_PERMITTED, XDP_BAD_ARGUMENT */
  static load(object: string, options: TcLoadOptions): TcPrograms {
    const programs = Object.values(options.programs).flatMap((each) => [each.in, each.out]);
    const constants = Object.entries(options.constants ?? {});
    const loaded = guard(
      `load ${programs.join(" and ")} of ${object}`,
      () =>
        new native.Program(object, {
          programs,
          frags: false,
          maps: [],
          constants: constants.map(([name, value]): [string, bigint] => [name, BigInt(value)]),
        }),
    );
    return new TcPrograms(loaded, options.programs);
  }

  fd(layer: Layer, direction: Direction): number {
    return guard("use a program", () => this.#native.fdOf(this.#names[layer][direction]));
  }

  map(name: string): BpfMap {
    return new BpfMap(this.#native, name);
  }

  close(): void {
    this.#native.close();
  }
}

const HELPER = fileURLToPath(new URL("../../build/Release/tc-attach", import.meta.url));
/** The programs' descriptors in the child, from 3 on. */
const SLOTS = [
  [2, "in"],
  [2, "out"],
  [3, "in"],
  [3, "out"],
] as const;
const START_MS = 10_000;
const STOP_MS = 3000;

interface Pending {
  resolve(how: TcAttachment): void;
  reject(error: unknown): void;
  interfaceName: string;
}

/**
 * The child process that attaches (src/tc-attach): it keeps CAP_NET_ADMIN and CAP_BPF, so that its parent can give them
 * up and programs still reach interfaces that appear later. It takes everything off when this process ends, however it ends.
 */
export class TcAttacher {
  readonly #child: ChildProcess;
  readonly #pending = new Map<string, Pending>();
  readonly #ended: Promise<void>;
  /** The check that is under way, and the interfaces that it has found so far. */
  #check: { found: Set<number>; done: Promise<number[]>; end(error?: XdpError): void } | undefined;
  #isClosing = false;
  /** Called when it ends though nobody closed it: everything has been taken off then. */
  onLost: (() => void) | undefined;

  private constructor(child: ChildProcess) {
    this.#child = child;
    this.#ended = new Promise((resolve) => {
      child.once("exit", () => {
        const error = new XdpError(
          "XDP_CLOSED",
          "the process that attaches programs has ended",
          "start anew",
        );
        for (const { reject } of this.#pending.values()) reject(error);
        this.#pending.clear();
        this.#check?.end(error);
        resolve();
        if (!this.#isClosing) this.onLost?.();
      });
    });
  }

  /** @throws XdpError XDP_NOT_PERMITTED, XDP_SYSTEM */
  static async start(programs: TcPrograms): Promise<TcAttacher> {
    if (!existsSync(HELPER)) {
      throw new XdpError(
        "XDP_BAD_OBJECT",
        `${HELPER} is not built`,
        "run npx node-gyp rebuild in the package",
      );
    }
    const child = spawn(HELPER, [], {
      stdio: ["pipe", "pipe", "ignore", ...SLOTS.map(([layer, side]) => programs.fd(layer, side))],
      env: {},
    });
    const attacher = new TcAttacher(child);
    child.stdin!.on("error", () => undefined); // its end is told by "exit"
    await new Promise<void>((resolve, reject) => {
      const fail = (why: string) =>
        reject(new XdpError("XDP_SYSTEM", `cannot start ${HELPER}: ${why}`, "see the kernel log (dmesg)"));
      const timer = setTimeout(() => fail("it does not answer"), START_MS);
      child.once("error", (error) => fail(error.message));
      child.once("exit", (code) => fail(`it ended with code ${code}`));
      createInterface({ input: child.stdout! }).on("line", (line) => {
        if (line === "ready") {
          clearTimeout(timer);
          resolve();
        } else attacher.#answer(line);
      });
    }).catch((error) => {
      attacher.#isClosing = true;
      child.kill("SIGKILL");
      throw error;
    });
    return attacher;
  }

  get pid(): number {
    return this.#child.pid!;
  }

  /**
   * Puts the program of a direction on an interface: on ingress ahead of all others, on egress behind them.
   * @throws XdpError XDP_NO_INTERFACE, XDP_UNSUPPORTED (tcx was demanded), XDP_NOT_PERMITTED
   */
  attach(
    link: { index: number; name: string; layer: Layer },
    direction: Direction,
    how: TcAttachment | "auto",
  ): Promise<TcAttachment> {
    const key = `${link.index} ${direction}`;
    if (this.#pending.has(key)) throw badArgument(`an attachment to ${link.name} is under way`);
    return new Promise((resolve, reject) => {
      this.#pending.set(key, { resolve, reject, interfaceName: link.name });
      this.#child.stdin!.write(`attach ${link.index} ${direction} ${link.layer} ${how}\n`);
    });
  }

  /** Takes the programs off an interface; one that has gone is forgotten. */
  forget(index: number): void {
    this.#child.stdin!.write(`forget ${index}\n`);
  }

  /**
   * Indexes of the interfaces from which a program that was attached has gone: somebody has taken it off, or the interface
   * is another one with the same index. The program that has gone is forgotten; forget() takes off what is left of both.
   */
  check(): Promise<number[]> {
    if (this.#check !== undefined) return this.#check.done;
    const found = new Set<number>();
    let end!: (error?: XdpError) => void;
    const done = new Promise<number[]>((resolve, reject) => {
      end = (error) => {
        this.#check = undefined;
        if (error === undefined) resolve([...found]);
        else reject(error);
      };
    });
    this.#check = { found, done, end };
    this.#child.stdin!.write("check\n");
    return done;
  }

  /** Takes everything off, and ends it. */
  async close(): Promise<void> {
    this.#isClosing = true;
    this.#child.stdin!.end();
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), STOP_MS);
    await this.#ended;
    clearTimeout(timer);
  }

  #answer(line: string): void {
    const [verb, index, direction, result] = line.split(" ");
    if (verb === "lost") this.#check?.found.add(Number(index));
    if (verb === "checked") this.#check?.end();
    const key = `${index} ${direction}`;
    const pending = this.#pending.get(key);
    if (pending === undefined) return;
    this.#pending.delete(key);
    if (verb === "attached") pending.resolve(result as TcAttachment);
    else pending.reject(attachError(pending.interfaceName, direction!, Number(result)));
  }
}

function attachError(interfaceName: string, direction: string, errno: number): XdpError {
  const name = errnoName(errno);
  const { code, why, mend } = explain("tc-attach", name);
  const side = direction === "out" ? "egress" : "ingress";
  return new XdpError(
    code,
    `cannot attach to ${side} of ${interfaceName}: ${why} (${name})`,
    mend,
    errno,
    name,
    "bpf",
  );
}
