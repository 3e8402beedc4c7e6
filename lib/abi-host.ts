/** The part of the memory layout (abi.ts) that is mode host's: ring buffers, their records, the table of interfaces. */
import type { StructSpec } from "./abi.js";

/** Most BPF ring buffers that one sandbox can drain; a power of two. */
export const HOST_RINGS_MAX = 8;
/** Mode host: most interfaces watched at a time. */
export const HOST_INTERFACES_MAX = 512;
/** Mode host: bytes of a packet that its record holds. */
export const HOST_HEAD_BYTES = 128;
/** Mode host: bit of a record's `captured` that says the packet was sent, not received. */
export const HOST_DIRECTION_SHIFT = 16;
/** Mode host: what an entry of the interface table holds when its interface has gone. */
export const HOST_INTERFACE_GONE = 0xffffffff;

/** Mode host: a BPF ring buffer as the kernel lays it out (two position pages, data mapped twice). */
export const HOST_RING_STRUCT: StructSpec = {
  name: "host_ring",
  fields: [
    ["consumer", "u32"], // offset of the page with the u64 position up to which it has been read
    ["producer", "u32"], // offset of the page with the u64 position up to which it has been reserved
    ["data", "u32"],
    ["size", "u32"], // bytes of data, a power of two; mapped twice, so that no record is cut at the end
    ["active", "u32"],
    ["bad_records", "u32"], // records of another shape than the program makes: never read
    ["records", "u64"], // records taken
    ["rate_position", "u64"], // from here on all records are of the new rate, marked or not (rate_settled)
  ],
};

/** Mode host: an interface that packets can come by. A table with open addressing, from ifindex % its size on. */
export const HOST_INTERFACE_STRUCT: StructSpec = {
  name: "host_interface",
  fields: [
    ["ifindex", "u32"], // 0: free; HOST_INTERFACE_GONE: free, but the search goes on
    ["link_type", "u32"], // LINKTYPE_ of its packets
    ["packets", "u64", 2], // received, sent; on the wire
    ["bytes", "u64", 2],
  ],
};

/** Mode host: one record of the ring buffer, as bpf/host.bpf.c writes it. */
export const HOST_RECORD_STRUCT: StructSpec = {
  name: "host_record",
  fields: [
    ["packets", "u32"], // on the wire: the segments of a super-packet
    ["bytes", "u32"], // on the wire, of all of them
    ["ifindex", "u32"],
    ["captured", "u32"], // bytes of head that are set; from HOST_DIRECTION_SHIFT on: 0 received, 1 sent
    ["mark", "u32"], // of the first packets after a change of the sampling rate (bpf/shed.h); else 0
    ["head", "u64", HOST_HEAD_BYTES / 8], // the first bytes, VLAN tags where they are on the wire
  ],
};
