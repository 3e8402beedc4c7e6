/** The C face of abi.ts; native/build.mjs writes it to native/sandbox/build/abi.h before it compiles. */
import * as abi from "./abi.js";
import * as held from "./abi-held.js";
import { FRAME_REASONS } from "./reasons.js";

function structs(spec: abi.StructSpec, seen: Map<string, string>): void {
  for (const [, type] of spec.fields) if (typeof type !== "string") structs(type, seen);
  if (seen.has(spec.name)) return;
  const layout = abi.layoutOf(spec);
  const members = spec.fields.map(([name, type, length]) => {
    const cType =
      typeof type === "string" ? (type === "u32" ? "uint32_t" : "uint64_t") : `struct ${type.name}`;
    return `  ${cType} ${name}${length === undefined || length === 1 ? "" : `[${length}]`};`;
  });
  const asserts = Object.entries(layout.fields).map(
    ([name, field]) =>
      `_Static_assert(offsetof(struct ${spec.name}, ${name}) == ${field.offset}, "${name}");`,
  );
  seen.set(
    spec.name,
    [
      `struct ${spec.name} {`,
      ...members,
      "} __attribute__((aligned(8)));",
      `_Static_assert(sizeof(struct ${spec.name}) == ${layout.bytes}, "${spec.name}");`,
      ...asserts,
      "",
    ].join("\n"),
  );
}

const enumeration = (prefix: string, names: readonly string[]): string =>
  `enum { ${names.map((name, i) => `${prefix}${name.toUpperCase()} = ${i}`).join(", ")}, ${prefix}COUNT = ${names.length} };`;

/** The whole header, deterministic: same abi.ts, same bytes. */
export function abiHeader(): string {
  const seen = new Map<string, string>();
  structs(abi.CONTROL_STRUCT, seen);
  structs(abi.HOST_RECORD_STRUCT, seen);
  structs(held.HELD_FRAME_STRUCT, seen);
  const snake = (name: string): string => name.replaceAll(/[A-Z]/g, (c) => `_${c.toLowerCase()}`);
  return [
    "/* Generated from lib/abi.ts; do not edit. */",
    "#ifndef SPARSEWIRE_ABI_H",
    "#define SPARSEWIRE_ABI_H",
    "#include <stddef.h>",
    "#include <stdint.h>",
    `#define SW_ABI_VERSION ${abi.ABI_VERSION}u`,
    `#define SW_CONTROL_OFFSET ${abi.CONTROL_OFFSET}u`,
    `#define SW_QUEUES_MAX ${abi.QUEUES_MAX}u`,
    `#define SW_SLOTS ${abi.SLOTS}u`,
    `#define SW_HOST_RINGS_MAX ${abi.HOST_RINGS_MAX}u`,
    `#define SW_HOST_INTERFACES_MAX ${abi.HOST_INTERFACES_MAX}u`,
    `#define SW_HOST_HEAD_BYTES ${abi.HOST_HEAD_BYTES}u`,
    `#define SW_HOST_DIRECTION_SHIFT ${abi.HOST_DIRECTION_SHIFT}u`,
    `#define SW_HOST_INTERFACE_GONE ${abi.HOST_INTERFACE_GONE}u`,
    `#define SW_TAPS_MAX ${held.TAPS_MAX}u`,
    `#define SW_EXTENSION_BATCH ${held.EXTENSION_BATCH}u`,
    `#define SW_HELD_SEALS ${held.HELD_SEALS}u`,
    `#define SW_HELD_QUEUE_FILE ${held.HELD_QUEUE_FILE}u`,
    `#define SW_HELD_QUEUE_HOST ${held.HELD_QUEUE_HOST}u`,
    ...Object.entries(held.HELD_INFO).map(
      ([name, value]) => `#define SW_HELD_${name.toUpperCase()} ${value}u`,
    ),
    ...Object.entries(abi.HEAP).map(([name, value]) => `#define SW_${name.toUpperCase()} ${value}u`),
    enumeration("SW_REASON_", FRAME_REASONS),
    enumeration("SW_COUNTER_", abi.COUNTERS),
    enumeration("SW_SEAL_", abi.SEAL_CAUSES),
    enumeration("SW_FILE_", Object.keys(abi.FILE_STATUS).map(snake)),
    enumeration("SW_DAMAGE_", abi.FILE_DAMAGE),
    enumeration("SW_VERDICT_", abi.FORWARD_VERDICTS),
    enumeration("SW_SLOT_", Object.keys(abi.SLOT_STATE)),
    enumeration("SW_TAP_", Object.keys(held.TAP_STATE)),
    ...seen.values(),
    "#endif",
    "",
  ].join("\n");
}
