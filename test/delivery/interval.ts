/** Sealed intervals of nothing, as an outbox takes them. */
import type { OutboxItem } from "../../daemon/sensor/outbox.js";
import { archiveName } from "../../lib/archive.js";
import { archive, head, NOON, SECOND } from "../aggregator/client.js";

/** A sealed interval of one second. */
export function interval(run: string, sequence: number, sensor = "edge-1"): OutboxItem {
  const what = { sensor, run, sequence, start: NOON + BigInt(sequence) * SECOND };
  return { name: archiveName(head(what)), sequence, archive: archive(what) };
}
