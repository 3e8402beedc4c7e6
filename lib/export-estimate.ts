/** Links as text with what was offered beside what was counted, for traffic of which some was sampled. */
import type { ByteOrder, Family } from "./address.js";
import type { LinkList } from "./links.js";
import { errorOf, type Part, type Sampling } from "./sampling.js";

const PIECE_CHARS = 1 << 16;

export const ESTIMATE_HEADER = [
  "src",
  "dst",
  "packets",
  "bytes",
  "packets_estimate",
  "bytes_estimate",
  "packets_error",
] as const;

/**
 * csv, tsv or json with ESTIMATE_HEADER. Without `sampling` nothing was sampled: the estimate is what was counted, and
 * can be short of the `dropped` packets at most.
 */
export function* estimateRows(
  links: LinkList,
  { format, family }: { format: "csv" | "tsv" | "json"; family: Family; byteOrder?: ByteOrder },
  { sampling, dropped }: { sampling: Sampling | undefined; dropped: number },
): Generator<string> {
  const separator = format === "tsv" ? "\t" : ",";
  const isJson = format === "json";
  const line = (values: readonly (string | number | bigint)[]): string =>
    isJson
      ? `{${ESTIMATE_HEADER.map((name, at) => `"${name}":${at < 2 ? `"${values[at]}"` : values[at]}`).join(",")}}`
      : values.join(separator);
  let text = isJson ? "[" : `${ESTIMATE_HEADER.join(separator)}\n`;
  let isFirst = true;
  for (const batch of links.batches()) {
    const { packets, bytes } = batch.estimate ?? batch;
    for (let at = 0; at < batch.length; at++) {
      const [source, destination] = [batch.src[at]!, batch.dst[at]!];
      // An IPv4 ordinal is the address.
      const part: Part =
        family === 4 ? { family, source: source >>> 24, destination: destination >>> 24 } : { family };
      const estimate = Number(packets(at));
      const error =
        sampling === undefined
          ? dropped
          : errorOf(estimate, sampling.packets(Number(batch.packets(at)), estimate, part));
      const values = [links.text(source), links.text(destination), batch.packets(at), batch.bytes(at)];
      const row = line([...values, packets(at), bytes(at), error]);
      text += isJson ? `${isFirst ? "\n" : ",\n"}${row}` : `${row}\n`;
      isFirst = false;
      if (text.length >= PIECE_CHARS) {
        yield text;
        text = "";
      }
    }
  }
  yield isJson ? `${text}\n]\n` : text;
}
