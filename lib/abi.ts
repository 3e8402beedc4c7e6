/**
 * The memory layout of a capture sandbox: the one place that says where anything lies.
 *
 * `native/sandbox` gets the same layout as a generated C header (see abi-header.ts); the capture worker
 * and the main thread use the offsets below. Nothing else writes an offset.
 *
 *   0 .. 1 MiB           the wasm module's own data and stack
 *   CONTROL_OFFSET       struct control: configuration, live state, counters, ring table, sealed slots
 *   heap                 packet logs, sort scratch, run arenas, address dictionary, sealed arrays (the sandbox
 *                        lays these out itself at init, from the configured sizes; `heapBytes` is their bound)
 *   file buffer          pcap mode: bytes of the file, as read
 *   rings                live mode: RX, fill (TX, completion) rings of each queue, mapped MAP_FIXED
 *   frames               live mode: the UMEM of each queue, 2 MiB-aligned in the address space
 *   host rings           mode host: the BPF ring buffers, mapped MAP_FIXED
 */
import { HELD_STRUCT } from "./abi-held.js";
import {
  HOST_INTERFACE_STRUCT,
  HOST_INTERFACES_MAX,
  HOST_RECORD_STRUCT,
  HOST_RING_STRUCT,
  HOST_RINGS_MAX,
} from "./abi-host.js";
import { SparsewireError } from "./errors.js";
import { FRAME_REASONS } from "./reasons.js";

export * from "./abi-host.js";

export const ABI_VERSION = 1;
export const WASM_PAGE = 65536;
export const CONTROL_OFFSET = 1 << 20;
export const CONTROL_BYTES = 1 << 16;
export const HEAP_OFFSET = CONTROL_OFFSET + CONTROL_BYTES;

/** Most RX queues that one sandbox can serve. */
export const QUEUES_MAX = 16;
/** Sealed intervals that can wait for the matrix worker: two, swapped at a seal. */
export const SLOTS = 2;
/** log2 of packets in a sub-window: each full log is sorted and folded at once. */
export const LOG_ENTRIES_DEFAULT = 1 << 17;

/** Sizes that the heap's bound depends on; the C sources get them from the generated header. */
export const HEAP = {
  /** IPv6 packets that wait as raw addresses until a batch of them is looked up. */
  stage_packets: 1024,
  /** Links in a block of a run. Not a power of two: its planes then lie in different cache sets. */
  block_links: 4032,
  /** Runs that can wait to be merged, per family and interval. */
  runs_max: 32,
  /** Largest log_entries; the smallest is 2^12. */
  log_entries_max: 1 << 22,
} as const;

/** Why an interval ended; the names go into the manifest (`sealed_by`). */
export const SEAL_CAUSES = ["none", "clock", "packets", "budget", "stop", "end", "rate"] as const;
export type SealCause = (typeof SEAL_CAUSES)[number];

/** What `file_feed` stopped for (control.file_status). */
export const FILE_STATUS = { needMore: 0, window: 1, budget: 2, damaged: 3, done: 4 } as const;

/** State of a sealed slot (control.slots[i].state); written with Atomics on both sides. */
export const SLOT_STATE = { free: 0, sealing: 1, ready: 2 } as const;

/** Counters (u64, cumulative since init, published at the end of each breath); one per frame reason first. */
export const COUNTERS = [
  ...FRAME_REASONS.map((reason) => `frames_${reason}` as const),
  "frames", // every frame offered to the sandbox
  "frame_bytes", // wire bytes of every frame offered
  "packets", // frames counted into a matrix
  "packet_bytes", // their wire bytes
  "late", // file mode: older than the current window
  "multi_buffer", // frames that came in several descriptors
  "bad_descriptors", // descriptors that leave the UMEM: never read; their frame is not counted as a frame
  "v6_collisions", // second address with the same 60-bit hash within an interval
  "breaths",
  "empty_breaths",
  "folds", // sub-windows sorted and folded
  "merges",
  "early_seals",
] as const;
export type CounterName = (typeof COUNTERS)[number];
export const COUNTER_INDEX = Object.fromEntries(COUNTERS.map((name, i) => [name, i])) as Record<
  CounterName,
  number
>;

type FieldType = "u32" | "u64";
export type FieldSpec = readonly [name: string, type: FieldType, length?: number];
export type StructSpec = { readonly name: string; readonly fields: readonly (FieldSpec | StructField)[] };
type StructField = readonly [name: string, struct: StructSpec, length: number];

/** One producer/consumer ring, as byte offsets inside the linear memory. */
const ringFields = (ring: string): FieldSpec[] => [
  [`${ring}_producer`, "u32"],
  [`${ring}_consumer`, "u32"],
  [`${ring}_flags`, "u32"],
  [`${ring}_descriptors`, "u32"],
  [`${ring}_size`, "u32"],
];

/** Mode inline: what became of the frames of an RX queue, cumulative (u64 each in QUEUE_STRUCT). */
export const FORWARD_COUNTERS = [
  "forwarded", // frames put on the peer's TX ring
  "forwarded_bytes",
  "diverted", // frames put on the TX ring of the divert interface
  "uncounted", // frames forwarded that are in no matrix: the interval had no memory left
  "tx_full", // dropped: the TX ring had no room
  "link_down", // dropped: the interface they would leave by is down
  "verdict", // dropped: an extension said so (or diverted them, and there is nowhere to)
  "unforwardable", // dropped: a buffer outside the UMEM, or more buffers than a frame can have
] as const;
export type ForwardCounter = (typeof FORWARD_COUNTERS)[number];

/** What is to become of a frame in mode inline. */
export const FORWARD_VERDICTS = ["pass", "drop", "divert"] as const;

/** One RX queue: its rings and the UMEM region its descriptors point into. */
export const QUEUE_STRUCT: StructSpec = {
  name: "queue",
  fields: [
    ...ringFields("rx"),
    ...ringFields("fill"),
    ["umem_offset", "u32"],
    ["umem_bytes", "u32"],
    ["chunk_bytes", "u32"],
    ["headroom", "u32"],
    ["link_type", "u32"], // LINKTYPE_ of the frames: 1 = Ethernet
    ["active", "u32"],
    ["frames", "u64"], // frames taken from this queue
    ["rate_index", "u32"], // RX index from which on all frames are of the new rate, marked or not (rate_settled)
    // --- mode inline: entries `group`, group + 1 (and + 2: where diverted frames leave) share one UMEM
    ["group", "u32"], // 1 + the entry of the first side; 0: frames are consumed, not forwarded
    ["peer", "u32"], // 1 + the entry whose TX ring takes this queue's frames; 0: none
    ["divert", "u32"], // 1 + the entry that diverted frames leave by; 0: none
    ["home_first", "u32"], // chunks that always come back to this queue's fill ring: offset in the UMEM
    ["home_bytes", "u32"], // and bytes; 0: the queue receives nothing
    ["tx_always_wake", "u32"], // 1: the kernel sends only when it is called (copy mode)
    ...ringFields("tx"),
    ...ringFields("completion"),
    ["out_down", "u32"], // written by the host: 1 = the interface of this entry is down, nothing can leave by it
    ["extension_base", "u32"], // where the UMEM lies in an extension's memory
    ...FORWARD_COUNTERS.map((name): FieldSpec => [name, "u64"]),
  ],
};

/** One sealed matrix pair (packets and bytes share the pattern): offsets of HyperCSR arrays. */
const MATRIX_STRUCT: StructSpec = {
  name: "matrix",
  fields: [
    ["nvec", "u32"],
    ["nvals", "u32"],
    ["ap", "u32"], // u64[nvec + 1]
    ["ah", "u32"], // u64[nvec]
    ["aj", "u32"], // u64[nvals]
    ["packets", "u32"], // u32[nvals]
    ["bytes", "u32"], // u64[nvals]
    ["reserved", "u32"],
  ],
};

export const SLOT_STRUCT: StructSpec = {
  name: "slot",
  fields: [
    ["state", "u32"],
    ["cause", "u32"],
    ["epoch", "u64"], // number of this seal, from 0
    ["start_ns", "u64"], // file mode: start and end of the window, ns since 1970 UTC
    ["end_ns", "u64"],
    ["first_ns", "u64"], // file mode: earliest and latest timestamp seen in it
    ["last_ns", "u64"],
    ["v4", MATRIX_STRUCT, 1],
    ["v6", MATRIX_STRUCT, 1],
    ["dict", "u32"], // links6.dict bytes: {u64 index; u8 address[16]} sorted by index
    ["dict_count", "u32"],
    ["counters", "u64", COUNTERS.length], // this interval's share of each counter
  ],
};

export const CONTROL_STRUCT: StructSpec = {
  name: "control",
  fields: [
    // --- configuration, written by the host before init()
    ["abi_version", "u32"],
    ["memory_pages", "u32"], // size of the linear memory in 64 KiB pages
    ["heap_offset", "u32"],
    ["heap_bytes", "u32"],
    ["log_entries", "u32"], // power of two
    ["link_budget", "u32"], // links (per address family) an interval may hold before it is sealed early
    ["address_budget", "u32"], // distinct IPv6 addresses, likewise
    ["queue_count", "u32"],
    ["file_buffer", "u32"],
    ["file_buffer_bytes", "u32"],
    ["ipv4_only", "u32"], // 1: IPv6 packets are counted by their reason alone, in no window and no matrix
    ["window_packets", "u64"], // 0: no packet-count window
    ["window_ns", "u64"], // file mode: length of a time window; 0: none
    ["hash_key", "u64", 2], // SipHash-2-4 key of the IPv6 index: sensors whose matrices are to be summed share it
    ["table_key", "u64"], // random per process: slots of the address dictionary, so that nobody can aim at them
    // --- live state, written by the sandbox
    ["seal_needed", "u32"], // a SEAL_CAUSES index: breathe() takes nothing more until seal_begin()
    ["file_status", "u32"], // FILE_STATUS
    ["file_damage", "u32"], // FILE_DAMAGE index when damaged
    ["active_slot", "u32"], // the slot of the last seal_begin()
    ["file_offset", "u64"], // bytes of the (decompressed) file consumed
    ["file_records", "u64"],
    ["interval_packets", "u64"], // packets in the open interval
    ["interval_links", "u64"], // upper bound of links held by the open interval
    ["counters", "u64", COUNTERS.length],
    ["batch_histogram", "u64", 16], // breaths by log2(frames taken)
    // --- written by host threads with Atomics, read by the worker's loop
    ["stop_request", "u32"],
    ["heartbeat", "u32"],
    ["wakeups", "u64"],
    // --- a change of the sampling rate (rate.c): frames of the old rate and of the new are in no interval together
    ["rate_mark", "u32"], // written by the host: mark of the first frames of the new rate; 0: no change under way
    ["rate_settled", "u32"], // written by the host: = rate_mark once every queue's rate_index holds
    ["rate_seen", "u32"], // written by the sandbox: = rate_mark once it looks for it
    ["rate_reached", "u32"], // written by the sandbox: = rate_mark when each queue has come to its first new frame
    ["queues", QUEUE_STRUCT, QUEUES_MAX],
    ["slots", SLOT_STRUCT, SLOTS],
    ["host_rings", HOST_RING_STRUCT, HOST_RINGS_MAX],
    ["host_interfaces", HOST_INTERFACE_STRUCT, HOST_INTERFACES_MAX], // written by the main thread, counters by the sandbox
    ["held", HELD_STRUCT, 1],
  ],
};

/** Damage kinds of capture files (control.file_damage). */
export const FILE_DAMAGE = [
  "none",
  "not_a_capture",
  "cut_in_header",
  "cut_in_record",
  "bad_record_length",
  "bad_block_length",
  "bad_interface",
  "unsupported_version",
] as const;

export interface FieldLayout {
  offset: number;
  type: FieldType | StructLayout;
  length: number;
}
export interface StructLayout {
  name: string;
  bytes: number;
  fields: Record<string, FieldLayout>;
}

/** Natural alignment, structs aligned to 8 and padded to a multiple of 8: what clang does for wasm32 and x86-64. */
export function layoutOf(spec: StructSpec): StructLayout {
  let offset = 0;
  const fields: Record<string, FieldLayout> = {};
  for (const [name, type, length] of spec.fields) {
    const inner = typeof type === "string" ? type : layoutOf(type);
    const size = typeof inner === "string" ? (inner === "u32" ? 4 : 8) : inner.bytes;
    const align = inner === "u32" ? 4 : 8;
    offset = Math.ceil(offset / align) * align;
    fields[name] = { offset, type: inner, length: length ?? 1 };
    offset += size * (length ?? 1);
  }
  return { name: spec.name, bytes: Math.ceil(offset / 8) * 8, fields };
}

export const CONTROL = layoutOf(CONTROL_STRUCT);
export const SLOT = layoutOf(SLOT_STRUCT);
export const QUEUE = layoutOf(QUEUE_STRUCT);
export const MATRIX = layoutOf(MATRIX_STRUCT);
export const HOST_RING = layoutOf(HOST_RING_STRUCT);
export const HOST_INTERFACE = layoutOf(HOST_INTERFACE_STRUCT);
export const HOST_RECORD = layoutOf(HOST_RECORD_STRUCT);
if (CONTROL.bytes > CONTROL_BYTES) throw new Error("control block outgrew CONTROL_BYTES");

/** What the size of the heap follows from. */
export interface HeapConfig {
  /** Packets in a sub-window: a power of two, 2^12 to 2^22. */
  logEntries: number;
  /** Links per address family that an interval may hold before it is sealed early; at most 2^27. */
  linkBudget: number;
  /** Distinct IPv6 addresses, likewise. */
  addressBudget: number;
}

/**
 * Bytes of heap that init() demands, exactly. An interval with at most `linkBudget` links is never sealed early; to
 * learn that it has more without a pause, the sandbox holds up to two logs more. Most of it stays untouched (and thus
 * costs nothing) until the traffic needs it.
 */
export function heapBytes({ logEntries, linkBudget, addressBudget }: HeapConfig): number {
  const links = linkBudget + 2 * logEntries + HEAP.stage_packets;
  const addresses = addressBudget + 2 * HEAP.stage_packets;
  const area = (...sizes: number[]): number =>
    sizes.reduce((sum, size) => sum + Math.ceil(size / 64) * 64, 0);
  const log = area(8 * (logEntries + 1), 4 * (logEntries + 1));
  const table = 4 * 2 ** Math.ceil(Math.log2(2 * addresses));
  const dictionary = area(16 * addresses, 8 * addresses, 4 * addresses, table);
  const scratch = 2 * area(8 * logEntries, 4 * logEntries) + area(4 * addresses);
  const stage = area(32 * HEAP.stage_packets, 4 * HEAP.stage_packets);
  const matrix = area(8 * (links + 1), 8 * links, 8 * links, 4 * links, 8 * links);
  const slots = SLOTS * (2 * matrix + area(24 * addresses));
  const blocks = (entries: number): number => Math.floor(entries / HEAP.block_links);
  const slack = 2 * HEAP.runs_max + 4 + blocks(logEntries);
  const pool = 4 * (blocks(links) + slack) + blocks(addresses) + slack;
  return 2 * (2 * log + dictionary) + scratch + stage + slots + area(4 * pool, 20 * HEAP.block_links * pool);
}

/** Where everything lies in a sandbox's memory; offsets are multiples of a 64 KiB page. */
export interface MemoryLayout {
  heapOffset: number;
  heapBytes: number;
  fileBuffer: number;
  fileBufferBytes: number;
  /**
   * Per queue: `ringBytes` for its rings, and `framesBytes` for its UMEM. The latter is 2 MiB more than asked for: the
   * UMEM goes to the first place in it whose address in the process is a multiple of 2 MiB.
   */
  queues: { rings: number; ringBytes: number; frames: number; framesBytes: number }[];
  /** Mode host: where each BPF ring buffer is mapped: two pages of positions, then its bytes twice. */
  hostRings: { offset: number; bytes: number }[];
  held: number;
  /** Size of the memory, initial and maximum, in 64 KiB pages. */
  pages: number;
}

export const HUGE_PAGE_BYTES = 2 << 20;

/** Lays out a sandbox's memory. Throws SparsewireError SANDBOX_MEMORY when it would exceed 4 GiB. */
export function memoryLayout(
  config: HeapConfig & {
    fileBufferBytes?: number;
    queues?: readonly { ringBytes: number; umemBytes: number }[];
    /** Mode host: bytes of each BPF ring buffer's mapping. */
    hostRings?: readonly number[];
    /** Extensions: bytes of the ring of held frames and what goes with it. */
    heldBytes?: number;
  },
): MemoryLayout {
  let top = HEAP_OFFSET;
  const reserve = (bytes: number): number => {
    const offset = top;
    top += Math.ceil(bytes / WASM_PAGE) * WASM_PAGE;
    return offset;
  };
  const heap = heapBytes(config);
  const heapOffset = reserve(heap);
  const fileBufferBytes = config.fileBufferBytes ?? 0;
  const fileBuffer = reserve(fileBufferBytes);
  const queues = (config.queues ?? []).map(({ ringBytes, umemBytes }) => {
    const framesBytes = umemBytes + HUGE_PAGE_BYTES;
    return { rings: reserve(ringBytes), ringBytes, frames: reserve(framesBytes), framesBytes };
  });
  const hostRings = (config.hostRings ?? []).map((bytes) => ({ offset: reserve(bytes), bytes }));
  const held = reserve(config.heldBytes ?? 0);
  const pages = top / WASM_PAGE;
  if (pages > 65536) {
    throw new SparsewireError("SANDBOX_MEMORY", `a capture sandbox of ${Math.ceil(top / 2 ** 20)} MiB`, {
      mend: "lower link_budget, address_budget or the frames per queue: 4096 MiB is the most it can have",
    });
  }
  return { heapOffset, heapBytes: heap, fileBuffer, fileBufferBytes, queues, hostRings, held, pages };
}
