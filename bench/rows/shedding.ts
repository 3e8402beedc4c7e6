import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { Rig } from "../../test/live/rig.js";
import { liveSkipReason } from "../../test/live/tools/netns.js";
import type { BenchOptions, Row, RowGroup } from "../report.js";
import { TemporaryFolder } from "../temporary.js";

const REPEAT = 2_000_000;
/** The word in the map `rate` (bpf/shed.h): shift in the low byte, mark in the high half. */
const WORDS: readonly [subject: string, word: bigint][] = [
  ["nothing is shed", 0n],
  ["frames are marked (a change of the rate)", 77n << 32n],
  ["1 in 2 is kept", 1n],
  ["1 in 16 is kept", 4n],
  ["1 in 1024 is kept", 10n],
];

/** What the program in the kernel costs a frame, run by itself on one frame (BPF_PROG_TEST_RUN). */
export const sheddingGroup: RowGroup = {
  name: "shedding",
  about: "ns per frame of the program in the kernel, with and without load shedding",
  run: async (options) => {
    const reason = liveSkipReason() ?? (bpftool("version") === undefined ? "bpftool is missing" : undefined);
    if (reason !== undefined) return [row("all", null, reason)];
    const rig = new Rig({ tables: "[shedding]\nenabled = false\n" });
    using folder = new TemporaryFolder();
    try {
      await rig.start();
      return programRows(rig, folder.file("frame"), options);
    } finally {
      await rig.stop();
      rig.close();
    }
  },
};

function programRows(rig: Rig, frame: string, { smoke }: BenchOptions): Row[] {
  writeFileSync(frame, udpFrame());
  const [link] = JSON.parse(rig.receiver.exec("ip", "-j", "link", "show", "rx0")) as [
    { xdp?: { prog?: { id?: number } } },
  ];
  const program = String(link.xdp?.prog?.id);
  const { map_ids = [] } = JSON.parse(bpftool("-j", "prog", "show", "id", program) ?? "{}") as {
    map_ids?: number[];
  };
  const rate = map_ids.find((id) => bpftool("map", "show", "id", String(id))?.includes("name rate "));
  if (rate === undefined) return [row("all", null, "the program's maps are not to be seen")];
  return WORDS.map(([subject, word]) => {
    const bytes = [...new Uint8Array(BigUint64Array.of(word).buffer)].map(String);
    bpftool("map", "update", "id", String(rate), "key", "0", "0", "0", "0", "value", ...bytes);
    const runs = Array.from({ length: smoke ? 1 : 5 }, () => {
      const repeat = String(smoke ? 1000 : REPEAT);
      const text = bpftool("-j", "prog", "run", "id", program, "data_in", frame, "repeat", repeat) ?? "{}";
      return (JSON.parse(text) as { duration?: number }).duration ?? Number.NaN;
    });
    return row(subject, Math.min(...runs), "best of 5, the call included");
  });
}

/** 60 bytes of Ethernet, IPv4, UDP. */
function udpFrame(): Uint8Array {
  const frame = new Uint8Array(60);
  frame.set([0x08, 0x00, 0x45, 0x00, 0x00, 46], 12);
  frame.set([64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 0x12, 0x34, 0x00, 0x35], 22);
  return frame;
}

function bpftool(...args: string[]): string | undefined {
  const done = spawnSync("bpftool", args, { encoding: "utf8" });
  return done.error === undefined && done.status === 0 ? done.stdout : undefined;
}

const row = (subject: string, value: number | null, note: string): Row => {
  return {
    group: "shedding",
    what: "XDP program",
    subject,
    value,
    unit: value === null ? "" : "ns/frame",
    note,
  };
};
