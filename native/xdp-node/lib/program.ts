/** XDP programs: loading, attaching, detaching. */
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { badArgument, guard, XdpError } from "./errors.js";
import { interfaceIndex } from "./interface.js";
import { BpfMap } from "./map.js";
import { type NativeLink, type NativeProgram, native } from "./native.js";

export interface LoadOptions {
  /** Name of the program (its C function) in the object. Only this one is loaded. */
  program: string;
  /** Other sizes for maps, by name. */
  maps?: Record<string, { maxEntries: number }>;
  /** Values of `const volatile` variables (.rodata), by name; integers of up to 8 bytes. */
  constants?: Record<string, number | bigint>;
  /** The program takes frames in several buffers, also where its section does not say so. */
  frags?: boolean;
}

/** A program in the kernel. */
export class XdpProgram {
  #native: NativeProgram;

  private constructor(loaded: NativeProgram) {
    this.#native = loaded;
  }

  /**
   * Loads one program of a BPF object file (or its bytes).
   * @throws XdpError XDP_BAD_OBJECT, XDP_PROGRAM_REJECTED, XDP_NOT_PERMITTED, XDP_BAD_ARGUMENT
   */
  static load(object: string | Uint8Array, options: LoadOptions): XdpProgram {
    const where = typeof object === "string" ? object : `an object of ${object.byteLength} bytes`;
    return guard(`load ${options.program} of ${where}`, () => {
      const loaded = new native.Program(object, {
        programs: [options.program],
        frags: options.frags === true,
        maps: Object.entries(options.maps ?? {}).map(([name, { maxEntries }]) => [name, maxEntries]),
        constants: Object.entries(options.constants ?? {}).map(([name, value]) => [name, BigInt(value)]),
      });
      return new XdpProgram(loaded);
    });
  }

  /** The file descriptor of the program. */
  get fd(): number {
    return guard("use the program", () => this.#native.fd);
  }

  /**
   * Attaches through a bpf_link, so that the kernel detaches when this process ends. auto tries native, then
   * generic where the driver has no native XDP; native and generic are demands.
   * @throws XdpError XDP_NO_INTERFACE, XDP_PROGRAM_PRESENT, XDP_MTU_TOO_LARGE, XDP_NATIVE_UNSUPPORTED,
   *   XDP_NOT_PERMITTED
   */
  attach(interfaceName: string, mode: "native" | "generic" | "auto"): XdpLink {
    if (mode !== "native" && mode !== "generic" && mode !== "auto") throw badArgument(`mode "${mode}"`);
    const ifindex = interfaceIndex(interfaceName);
    const attempt = (generic: boolean) =>
      guard(`attach to ${interfaceName}`, () => new native.Link(this.#native.fd, ifindex, generic));
    if (mode !== "auto") return new XdpLink(attempt(mode === "generic"), interfaceName, ifindex);
    try {
      return new XdpLink(attempt(false), interfaceName, ifindex);
    } catch (error) {
      if (!(error instanceof XdpError && error.code === "XDP_NATIVE_UNSUPPORTED")) throw error;
      return new XdpLink(attempt(true), interfaceName, ifindex);
    }
  }

  /**
   * A map of the object.
   * @throws XdpError XDP_BAD_ARGUMENT when there is none of that name
   */
  map(name: string): BpfMap {
    return new BpfMap(this.#native, name);
  }

  /** Lets go of the program and its maps. A link that is still there keeps them in the kernel. */
  close(): void {
    this.#native.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** A program's place on an interface. Keep it: when it is collected, the program is detached. */
export class XdpLink {
  /** As asked back from the kernel. */
  readonly mode: "native" | "generic";
  readonly programId: number;
  #native: NativeLink;

  /** Made by XdpProgram.attach(). */
  constructor(
    link: NativeLink,
    readonly interfaceName: string,
    readonly ifindex: number,
  ) {
    this.#native = link;
    this.programId = link.programId;
    const attached = guard(`ask ${interfaceName}`, () => native.xdpAttached(ifindex));
    this.mode = attached.native === this.programId ? "native" : "generic";
  }

  /** Whether there is an interface that it is attached to, in this network namespace or another. */
  get isAttached(): boolean {
    return this.#native.ifindex !== 0;
  }

  /** Whether that interface is in this network namespace, by the name it had. Its index may be another one by now. */
  get isHere(): boolean {
    try {
      const index = native.interfaceIndex(this.interfaceName);
      const { native: driver, generic } = native.xdpAttached(index);
      return index === this.#native.ifindex && [driver, generic].includes(this.programId);
    } catch {
      return false;
    }
  }

  /** Takes the program off the interface. Close the sockets it feeds first. Detaching twice is harmless. */
  detach(): void {
    this.#native.close();
  }

  [Symbol.dispose](): void {
    this.detach();
  }
}

/**
 * Path of the program that comes with the package: `redirect` and `redirect_frags` hand every frame of a
 * queue to the socket in the XSKMAP `xsks`, and count frames seen and passed on in the per-CPU array `seen`.
 */
export function redirectObject(): string {
  const places = ["../../bpf/redirect.bpf.o", "../../../../bpf/build/redirect.bpf.o"];
  const paths = places.map((place) => fileURLToPath(new URL(place, import.meta.url)));
  const found = paths.find((path) => existsSync(path));
  if (found === undefined) {
    throw new XdpError(
      "XDP_BAD_OBJECT",
      "redirect.bpf.o is not built",
      "fetch the package again, or build it as the README says",
    );
  }
  return found;
}
