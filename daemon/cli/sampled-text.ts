/** How text output shows traffic of which some was sampled. */
import type { ManifestHead } from "../../lib/manifest.js";
import { relativeThroughput } from "../../lib/sampling.js";
import type { Estimated } from "../../lib/top.js";
import type { SensorStatus } from "../sensor/status.js";
import { warn } from "./command.js";
import { grouped } from "./table.js";

interface Entry {
  packets: number;
  bytes: number;
  estimated?: Estimated;
}

/** What was counted; of sampled traffic also what was offered: the estimate, and between what it lies. */
export function figures({ packets, bytes, estimated }: Entry): (string | number)[] {
  if (estimated === undefined) return [packets, bytes];
  const { packets_low, packets_high } = estimated;
  return [packets, bytes, estimated.packets, `${packets_low}-${packets_high}`, estimated.bytes];
}

/** The heads of figures() of a list. */
export function figureHead([first]: Entry[]): string[] {
  const counted = ["packets", "bytes"];
  return first?.estimated === undefined ? counted : [...counted, "packets est.", "between", "bytes est."];
}

/** Says that some of the traffic was sampled, and what the columns are; empty where none was. */
export function sampledNote(manifest: Pick<ManifestHead, "shed" | "frames" | "drops"> | undefined): string {
  if (manifest?.shed === undefined) return "";
  const { shed, frames, drops } = manifest;
  const offered = frames + Object.values(drops).reduce((sum, count) => sum + count, 0);
  return (
    `sampled: ${grouped(frames)} of ${grouped(offered)} frames counted, ${grouped(shed.packets)} shed on purpose;\n` +
    "packets and bytes are what was counted, est. is what was offered, by which the list is ordered\n\n"
  );
}

/** Says on stderr that figures which have no estimates beside them are of sampled traffic; nothing where none was. */
export function warnSampled(manifest: Pick<ManifestHead, "shed"> | undefined, what: string): void {
  if (manifest?.shed !== undefined) warn(`some of this traffic was sampled: ${what}`);
}

/** The line of `status` about load shedding: the rate now, what came of it in the last interval, and since the start. */
export function sheddingLines(status: Pick<SensorStatus, "shedding" | "last_interval">): [string, string][] {
  const { shedding, last_interval: last } = status;
  if (shedding === null || shedding === undefined) return [];
  if (!shedding.enabled) return [["shedding", "off"]];
  const now =
    shedding.sampling === 1
      ? "everything is counted"
      : `1 in ${1 / shedding.sampling} of the packets counted`;
  const shed = Object.values(shedding.protocols).reduce((sum, [packets]) => sum + packets, 0);
  const parts = [now];
  if (last !== null) {
    const throughput = relativeThroughput(last.frames, last.drops);
    parts.push(`relative throughput ${percent(throughput)}, accuracy ${percent(last.accuracy)}`);
  }
  if (shed > 0) parts.push(`${grouped(shed)} packets shed, ${grouped(shedding.changes)} changes of the rate`);
  return [["shedding", parts.join("; ")]];
}

const percent = (share: number): string => `${(100 * share).toFixed(share === 1 ? 0 : 1)}%`;
