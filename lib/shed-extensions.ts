/** Cutting an archive to size: what extensions made of an interval is left out, the largest first; its links never. */
import type { Manifest } from "./manifest.js";
import type { TarMember } from "./tar.js";

type ExtensionRecord = NonNullable<Manifest["extensions"]>[string];

/** What an extension adds to an archive. */
export interface ExtensionPart {
  name: string;
  members: TarMember[];
}

const bytesOf = ({ members }: ExtensionPart): number =>
  members.reduce((sum, { data }) => sum + data.length, 0);

/** The parts without those that have to go, the largest first, so that an archive loses at least `excess` bytes, or all. */
export function withoutLargest(parts: readonly ExtensionPart[], excess: number): ExtensionPart[] {
  const left = [...parts].sort((a, b) => bytesOf(a) - bytesOf(b));
  for (let more = excess; more > 0 && left.length > 0; ) more -= bytesOf(left.pop()!);
  return parts.filter((part) => left.includes(part));
}

/** What the manifest says of an extension whose part was left out: all that was in it counts as missed, or lost. */
export function shedRecord(record: ExtensionRecord, bytesMax: number): ExtensionRecord {
  const { frames, missed, rows, rows_lost: lost } = record;
  return {
    ...record,
    reason: `shed: too large for an archive of ${bytesMax} bytes`,
    ...{ frames: 0, missed: missed + frames, rows: 0, rows_lost: lost + rows, shed: 1 },
  };
}
