/**
 * Attachments that may outlive the process: a bpf_link that is pinned in a BPF file system stays in force until its file
 * is removed, and the next process finds it there and gives it a new program without a moment in between.
 */
import { unlinkSync } from "node:fs";
import { badArgument, guard } from "./errors.js";
import { interfaceIndex } from "./interface.js";
import { native } from "./native.js";

/** enum bpf_attach_type of linux/bpf.h, and XDP_FLAGS_ of linux/if_link.h. tcx needs Linux 6.6. */
const KINDS = {
  "xdp-native": { type: 37, flags: 1 << 2 },
  "xdp-generic": { type: 37, flags: 1 << 1 },
  "tcx-ingress": { type: 46, flags: 0 },
} as const;
export type StandingKind = keyof typeof KINDS;

export class StandingLink {
  #fd: number;

  private constructor(fd: number) {
    this.#fd = fd;
  }

  /**
   * Attaches a program to an interface.
   * @throws XdpError as XdpProgram.attach(); XDP_UNSUPPORTED for tcx before Linux 6.6
   */
  static attach(program: { readonly fd: number }, interfaceName: string, kind: StandingKind): StandingLink {
    const ifindex = interfaceIndex(interfaceName);
    const { type, flags } = KINDS[kind];
    return guard(
      `attach to ${interfaceName}`,
      () => new StandingLink(native.standingCreate(program.fd, ifindex, type, flags)),
    );
  }

  /** The link that is pinned at `path`; undefined when there is none, or when its interface has gone since. */
  static open(path: string, interfaceName: string): StandingLink | undefined {
    let link: StandingLink;
    try {
      link = guard(`open ${path}`, () => new StandingLink(native.standingOpen(path)));
    } catch (error) {
      if ((error as { errnoName?: string }).errnoName === "ENOENT") return undefined;
      throw error;
    }
    if (link.facts().ifindex === interfaceIndex(interfaceName)) return link;
    // It belonged to an interface of this name that was deleted: nothing is attached by it any more.
    link.close();
    unlinkSync(path);
    return undefined;
  }

  /** Index of the interface, 0 once that is gone; id of the program. */
  facts(): { ifindex: number; programId: number } {
    return guard("ask a bpf_link", () => native.standingFacts(this.#open()));
  }

  /** Puts another program in the place of the one that is attached; no frame meets none. */
  update(program: { readonly fd: number }): void {
    guard("replace the program of a bpf_link", () => native.standingUpdate(this.#open(), program.fd));
  }

  /** Keeps it in force beyond this process, until the file is removed. */
  pin(path: string): void {
    guard(`pin a bpf_link at ${path}`, () => native.standingPin(this.#open(), path));
  }

  /** Lets go of it: it stays where it is pinned, and is detached otherwise. */
  close(): void {
    if (this.#fd >= 0) native.closeFd(this.#fd, false);
    this.#fd = -1;
  }

  /** Detaches it at once, also where it is pinned. */
  detach(): void {
    if (this.#fd >= 0) native.closeFd(this.#fd, true);
    this.#fd = -1;
  }

  #open(): number {
    if (this.#fd < 0) throw badArgument("the link is closed");
    return this.#fd;
  }
}

/** Whether a folder lies in a BPF file system, where links can be pinned. */
export function isBpfFileSystem(path: string): boolean {
  return native.isBpfFs(path);
}

/**
 * Keeps an interface promiscuous until close() or the end of the process, whichever comes first. No descriptor stays: a
 * packet socket that is open serves to read and send on any interface.
 */
export function holdPromiscuous(interfaceName: string): { close(): void } {
  const ifindex = interfaceIndex(interfaceName);
  const held = guard(`make ${interfaceName} promiscuous`, () => native.holdPromiscuous(ifindex));
  let isOpen = true;
  return {
    close() {
      if (isOpen) native.releasePromiscuous(held);
      isOpen = false;
    },
  };
}

/** Sets the interface's own flag (ip link set IF promisc on), which stays when the process ends. */
export function setPromiscuous(interfaceName: string, on: boolean): void {
  guard(`make ${interfaceName} promiscuous`, () => native.setPromiscuous(interfaceName, on));
}
