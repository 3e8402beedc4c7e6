/**
 * The part of the control block that extensions need (native/sandbox/held.c): frames that the capture sandbox has taken
 * are held back in a ring of descriptors until every extension is done with them.
 *
 * The ring and the frames are mapped privately in each extension's memory, so a descriptor's offset is one in there.
 * Cursors count descriptors and wrap at 2^32. Words marked (E) are written by the thread of the extension, all others
 * by the capture sandbox; both with Atomics.
 */
import type { StructSpec } from "./abi.js";

/** Most extensions of a sensor. */
export const TAPS_MAX = 8;
/** Frames of a batch at most. */
export const EXTENSION_BATCH = 1024;
/** Seals whose place in the ring is known; far more than can be outstanding. */
export const HELD_SEALS = 64;

/** What a tap is: written `joining` by its extension's thread, `active` by the sandbox, `off` by whoever ends it. */
export const TAP_STATE = { off: 0, joining: 1, active: 2 } as const;

/** `queue` in a descriptor's info where the frame lies in no UMEM. */
export const HELD_QUEUE_FILE = 0xff;
export const HELD_QUEUE_HOST = 0xfe;

/** A held frame; the extension's `struct sw_frame` is the same. */
export const HELD_FRAME_STRUCT: StructSpec = {
  name: "held_frame",
  fields: [
    ["offset", "u32"], // of its first byte, in the extension's memory
    ["captured", "u32"], // bytes that are there
    ["wire", "u32"], // bytes as it was sent
    ["info", "u32"], // HELD_INFO
    ["time_ns", "u64"], // since 1970 UTC: files the packet's, else when it was taken
  ],
};

/** Bits of `info`: the link type is the lowest 16. */
export const HELD_INFO = {
  queue_shift: 16,
  direction_shift: 24, // 0 received, 1 sent (mode host)
  more: 1 << 26, // the next descriptor of this queue continues the frame
  continued: 1 << 27, // this one continues the frame of the descriptor before it
  unreadable: 1 << 28, // it lies nowhere: captured is 0
} as const;

/** One extension. A claimed batch is [done, next); what lies behind next nobody has looked at. */
const TAP_STRUCT: StructSpec = {
  name: "tap",
  fields: [
    ["state", "u32"],
    ["next", "u32"], // (E) by compare-and-swap, and the sandbox's when it skips what an extension is too slow for
    ["done", "u32"], // (E)
    ["sealed", "u32"], // (E) seals it has finished
    ["joined", "u32"], // seals before it joined
    ["reserved", "u32"],
    ["skipped", "u64"], // descriptors that the sandbox skipped
    ["padding", "u64", 12], // a tap has its own cache lines
  ],
};

export const HELD_STRUCT: StructSpec = {
  name: "held",
  fields: [
    // --- configuration, before init()
    ["ring", "u32"], // held_frame[entries]; 0: no extensions
    ["entries", "u32"], // a power of two
    ["limit", "u32"], // descriptors that may be held for a slow extension
    ["taps_count", "u32"],
    ["base", "u32"], // files: the file buffer in an extension's memory; mode host: the copies of records
    ["copies", "u32"], // mode host: copies of records in this memory, HOST_HEAD_BYTES for each entry of the ring
    ["verdicts", "u32"], // mode inline: u8[entries], (E) by the extension that gives verdicts; 0: none
    ["verdict_late", "u32"], // mode inline: the verdict on a frame that has none in time
    ["age_ns", "u64"], // mode inline: frames that were taken longer ago are held for nobody; 0: no matter
    // --- live state
    ["producer", "u32"],
    ["released", "u32"],
    ["seals", "u32"],
    ["signal", "u32"], // notified by threads that wait for one another (files)
    ["time_ns", "u64"], // by the host before each breath
    ["lost", "u64"], // frames that were not held for want of room in the ring
    ["seal_at", "u32", HELD_SEALS], // seal k ends before descriptor seal_at[k % HELD_SEALS]
    ["taps", TAP_STRUCT, TAPS_MAX],
  ],
};
