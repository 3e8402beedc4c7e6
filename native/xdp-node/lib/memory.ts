/** Memory that the caller owns and lends: where it is, and what pages back it. */
import { readFileSync } from "node:fs";
import { badArgument, guard } from "./errors.js";
import { native } from "./native.js";

/** A WebAssembly.Memory (shared, initial = maximum, so that it never moves), or anything with a buffer. */
export interface Memory {
  readonly buffer: ArrayBufferLike;
}

/** Bytes of a page, the unit in which rings and frames are mapped. */
export const pageSize: number = native.pageSize;

/** All bytes of a memory. The view is made anew each time: a memory that grew has another buffer. */
export function bytesOf(memory: Memory): Uint8Array {
  const buffer = memory?.buffer;
  if (!(buffer instanceof ArrayBuffer || buffer instanceof SharedArrayBuffer)) {
    throw badArgument("memory must have a buffer", "pass a WebAssembly.Memory");
  }
  return new Uint8Array(buffer);
}

/** The process address of the first byte of a view or buffer: to align, and to prove where a frame is. */
export function addressOf(view: ArrayBufferView | ArrayBufferLike): bigint {
  const bytes = ArrayBuffer.isView(view)
    ? new Uint8Array(view.buffer, view.byteOffset, view.byteLength)
    : new Uint8Array(view);
  return guard("take an address", () => native.addressOf(bytes));
}

export interface Backing {
  /** hugetlb: the huge page pool; thp: transparent huge pages for at least half of it; pages: others. */
  kind: "hugetlb" | "thp" | "pages";
  /** Bytes of the range that are resident now, and how many of those are in huge pages. */
  residentBytes: number;
  hugeBytes: number;
  /** With memfd: the descriptor of the pages, open and the caller's to close. */
  memfdFd?: number;
}

export interface BackingOptions {
  /**
   * Bytes from the start of the memory; offset + the memory's address a multiple of the page size (2 MiB for
   * huge pages).
   */
  offset: number;
  /** Bytes, a multiple of the page size (of 2 MiB for the huge page pool). */
  size: number;
  hugePages: "try" | "off";
  /** Back it with a memfd, so that the same frames can be mapped elsewhere. Default: anonymous memory. */
  memfd?: boolean;
}

/**
 * Replaces the pages of a range of memory: its content is lost, and it is all zero and resident afterwards.
 * Huge pages save about a fifth of the cost of reading frames. Do this before a socket uses the range.
 * @throws XdpError XDP_BAD_ARGUMENT, XDP_NO_MEMORY
 */
export function backMemory(memory: Memory, options: BackingOptions): Backing {
  const { offset, size } = options;
  const bytes = bytesOf(memory);
  const { pool, memfd } = guard("back memory", () =>
    native.backMemory(bytes, offset, size, options.hugePages === "try", options.memfd === true),
  );
  const resident = pool ? { resident: size, huge: size } : residency(addressOf(bytes) + BigInt(offset), size);
  const kind = pool ? "hugetlb" : resident.huge * 2 >= size ? "thp" : "pages";
  return {
    kind,
    residentBytes: resident.resident,
    hugeBytes: resident.huge,
    ...(memfd >= 0 ? { memfdFd: memfd } : {}),
  };
}

export interface PrivateMapping {
  /** Bytes from the start of the memory, and how many; multiples of the page size. */
  offset: number;
  size: number;
  /** Descriptor of a memfd (Backing.memfdFd), and where in it; it may be closed afterwards. */
  fd: number;
  fdOffset?: number;
}

/**
 * Shows the frames of one memory in another, copied on write: its owner sees what the kernel writes, in place; what the
 * owner writes there nobody else sees, and from then on the page no longer follows until privateBytes() drops its copy.
 * @throws XdpError XDP_BAD_ARGUMENT (also: the range leaves the file), XDP_NO_MEMORY
 */
export function mapPrivately(memory: Memory, { offset, size, fd, fdOffset = 0 }: PrivateMapping): void {
  const bytes = bytesOf(memory);
  guard("map frames", () => native.mapPrivately(bytes, offset, size, fd, fdOffset));
}

/**
 * Bytes of a range that have pages of their own: of a private mapping those that were written to. `drop` gives them back.
 * Reads 8 bytes of /proc/self/pagemap a page.
 */
export function privateBytes(memory: Memory, offset: number, size: number, drop = false): number {
  const bytes = bytesOf(memory);
  return guard("look for private pages", () => native.privateBytes(bytes, offset, size, drop));
}

const MAPPING = /^([0-9a-f]+)-([0-9a-f]+) /;
const HUGE = /^(?:AnonHugePages|ShmemPmdMapped|FilePmdMapped):\s+(\d+) kB/;
const RESIDENT = /^Rss:\s+(\d+) kB/;

/** Resident and huge bytes of the mappings that lie in [start, start + size), from /proc/self/smaps. */
function residency(start: bigint, size: number): { resident: number; huge: number } {
  const end = start + BigInt(size);
  let inside = false;
  let resident = 0;
  let huge = 0;
  for (const line of readFileSync("/proc/self/smaps", "latin1").split("\n")) {
    const mapping = MAPPING.exec(line);
    if (mapping) {
      inside = BigInt(`0x${mapping[1]}`) < end && start < BigInt(`0x${mapping[2]}`);
    } else if (inside) {
      resident += 1024 * Number(RESIDENT.exec(line)?.[1] ?? 0);
      huge += 1024 * Number(HUGE.exec(line)?.[1] ?? 0);
    }
  }
  // A mapping that the kernel merged with its neighbour counts more than our part of it.
  return { resident: Math.min(resident, size), huge: Math.min(huge, size) };
}
