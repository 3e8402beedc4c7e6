import { HostRig } from "../../test/live/host-rig.js";
import { liveSkipReason } from "../../test/live/tools/netns.js";
import { generate } from "../generator/generator.js";
import { LOADS, type LoadResult, measureLoad } from "../live/host-load.js";
import type { BenchOptions, Row, RowGroup } from "../report.js";

/** Turns with and without: their medians and the median of their ratios stand against a noisy machine. */
const ROUNDS = 15;
const TURN_SECONDS = 0.4;
const RATE = 500_000;

/** Mode host: what watching costs the host's own work, and what one packet costs. */
export const hostGroup: RowGroup = {
  name: "host",
  about: "mode host: an HTTP server and bulk TCP with and without it, in turns; loss at 500 k packets/s",
  run: async (options, say) => {
    const reason = liveSkipReason();
    if (reason !== undefined)
      return [
        { group: "host", what: "host's own work", subject: "all", value: null, unit: "", note: reason },
      ];
    const rows: Row[] = [];
    for (const load of LOADS) {
      say(load);
      const result = await measureLoad(load, options.smoke ? 1 : ROUNDS, options.smoke ? 0.1 : TURN_SECONDS);
      rows.push(...rowsOf(result));
    }
    say("packet rate");
    rows.push(...(await packetRate(options)));
    return rows;
  },
};

function rowsOf({ load, without, watched, ratio, cpuNs, lost }: LoadResult): Row[] {
  const [scale, unit] = load === "http" ? [1e3, "k requests/s"] : [1e9 / 8, "Gbit/s"];
  const row = {
    group: "host",
    what: load === "http" ? "HTTP server, 32 connections" : `TCP stream, ${load}`,
  };
  return [
    { ...row, subject: "without", value: without / scale, unit },
    { ...row, subject: "watched", value: watched / scale, unit },
    { ...row, subject: "watched / without", value: 100 * ratio, unit: "%", note: "median over the turns" },
    { ...row, subject: "capture thread", value: cpuNs, unit: "ns/packet", note: `${lost} lost` },
  ];
}

/** Small packets from outside, each of which the host's stack has to take. */
async function packetRate({ seconds, smoke }: BenchOptions): Promise<Row[]> {
  const rig = new HostRig();
  try {
    rig.host.exec("ethtool", "-K", "h0", "gro", "on");
    await rig.start();
    const rate = smoke ? 10_000 : RATE;
    const sent = await generate(rig.peer, "p0", { seconds, rate, links: 1 << 16, nice: -10 });
    const status = await rig.settled();
    const row = { group: "host", what: `received at ${rate / 1e3} k packets/s` };
    const lost = sent.frames - status.host!.interfaces[0]!.figures.in.packets;
    const cpu = status.workers[0]!.cpu_ns / status.counters.frames;
    return [
      { ...row, subject: "not counted", value: lost, unit: "packets", note: `of ${sent.frames}` },
      { ...row, subject: "capture thread", value: cpu, unit: "ns/packet" },
    ];
  } finally {
    rig.close();
  }
}
