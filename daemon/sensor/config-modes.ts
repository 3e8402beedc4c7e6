/** sensor.toml: what only some modes need, and what the capture path can be asked to do beside counting. */
import { z } from "zod";
import { byteSize, durationMs } from "../config/types.js";

/** What the kernel takes for the name of an interface. */
export const interfaceName = z
  .string()
  .min(1)
  .max(15)
  .regex(/^(?!\.\.?$)[^\s/:]*$/, "an interface name has no space, / or :, and is not . or ..");

/** Interface names, or patterns with * and ?, of mode host. */
export const interfacePattern = z
  .string()
  .regex(/^[^\s/]{1,15}$/, "an interface name, or a pattern with * and ?, of at most 15 characters");

export const host = z
  .strictObject({
    loopback: z.boolean().default(false).describe("count lo too, where a pattern fits it"),
    ring_bytes: byteSize({ min: "64KiB", max: "1GiB" })
      .prefault("8MiB")
      .refine((bytes) => Number.isInteger(Math.log2(bytes)), "must be a power of two")
      .describe("each BPF ring buffer between kernel and sandbox; one a CPU, at most 8; 160 bytes a packet"),
    directions: z
      .enum(["both", "ingress", "egress"])
      .default("both")
      .describe("which way packets go that are counted"),
    attach: z
      .enum(["auto", "tcx", "clsact"])
      .default("auto")
      .describe("how the programs hang on an interface; auto: tcx where the kernel has it"),
  })
  .prefault({})
  .describe("mode host");

export const inline = z
  .strictObject({
    peer: interfaceName.optional().describe("the interface on the other side"),
    on_exit: z
      .enum(["open", "closed"])
      .default("open")
      .describe("when the sensor is gone: open = the kernel goes on bridging, closed = nothing passes"),
    pins: z
      .string()
      .min(1)
      .max(4096)
      .default("/sys/fs/bpf/sparsewire")
      .describe(
        "folder in a BPF file system that keeps the programs of on_exit = open when the sensor is gone",
      ),
    gather: durationMs({ min: "0s", max: "10ms" })
      .prefault("20us")
      .describe("under load let frames gather so long: less CPU time, more delay"),
    realtime: z
      .boolean()
      .default(false)
      .describe("forward before everything else on the CPU (SCHED_FIFO); wants more than one CPU"),
    verdict: z
      .string()
      .min(1)
      .max(32)
      .optional()
      .describe("name of the extension whose verdicts (pass, drop, divert) are obeyed; default: pass all"),
    verdict_timeout: durationMs({ min: "1ms", max: "1s" })
      .prefault("20ms")
      .describe("a frame whose verdict takes longer passes (on_exit open) or is dropped (closed)"),
    divert: interfaceName.optional().describe("interface that diverted frames leave by"),
  })
  .prefault({})
  .describe("mode inline");

export const extension = z.strictObject({
  name: z
    .string()
    .regex(/^[a-z0-9][a-z0-9-]{0,31}$/, "1 to 32 of a-z 0-9 -")
    .describe("name in archives, metrics and status"),
  file: z.string().min(1).max(4096).describe("the .wasm file"),
  memory_max: byteSize({ min: "1MiB", max: "1GiB" })
    .prefault("64MiB")
    .describe("most linear memory of its own, frames not counted"),
  batch_timeout: durationMs({ min: "1ms", max: "1s" })
    .prefault("20ms")
    .describe("a batch that takes longer suspends it"),
  rows_max: z
    .number()
    .int()
    .min(1)
    .max(1 << 24)
    .default(1 << 20)
    .describe("distinct rows of its matrix in one interval; more are counted as lost"),
  labels_bytes_max: byteSize({ min: "64KiB", max: "64MiB" })
    .prefault("16MiB")
    .describe("bytes of labels in one interval, 10 and the text for each; more are counted as lost"),
  events_max: z
    .number()
    .int()
    .min(0)
    .max(100_000)
    .default(100)
    .describe("events a second; ten times as many suspend it"),
  restart: durationMs({ min: "0s", max: "24h" })
    .prefault("0s")
    .describe("start it again so long after it was suspended; 0s: never"),
});

export const extensions = z
  .array(extension)
  .max(8)
  .default([])
  .refine((list) => new Set(list.map(({ name }) => name)).size === list.length, "names must differ")
  .describe("WebAssembly programs that see every frame, each in a sandbox of its own");

export const shedding = z
  .strictObject({
    enabled: z
      .boolean()
      .default(true)
      .describe(
        "under overload count a sample of the packets, drawn flow by flow, and say so, instead of losing packets at random",
      ),
    fraction_min: z
      .union([1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096].map((n) => z.literal(n)))
      .default(1024)
      .describe("the smallest sample is one in so many"),
    loss: z
      .number()
      .min(0)
      .max(1)
      .default(0.001)
      .describe("share of packets lost in a tenth of a second that halves the sample"),
    calm: durationMs({ min: "100ms", max: "10m" })
      .prefault("2s")
      .describe("time without loss, and with room to spare, before the sample doubles again"),
  })
  .prefault({})
  .describe("load shedding that is accounted for");
