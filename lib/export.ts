/** A traffic matrix as a file for other tools, in pieces: text of several kinds, Parquet, NPZ, a GraphBLAS blob. */
import type { ByteOrder, Family } from "./address.js";
import { EXIT, SparsewireError } from "./errors.js";
import { estimateRows } from "./export-estimate.js";
import { type LinkList, linksOf, rowBands } from "./links.js";
import { npzPieces } from "./npz.js";
import { type Interval, parquetLinks } from "./parquet/links.js";
import type { Sampling } from "./sampling.js";
import { DIMENSION4, DIMENSION6, type PlanePair, type Traffic } from "./traffic.js";

export const EXPORT_FORMATS = ["csv", "tsv", "json", "parquet", "mtx", "d4m", "npz", "grb"] as const;
export type ExportFormat = (typeof EXPORT_FORMATS)[number];

/** What each format is served as over HTTP. */
export const CONTENT_TYPES: Record<ExportFormat, string> = {
  csv: "text/csv; charset=utf-8",
  tsv: "text/tab-separated-values; charset=utf-8",
  json: "application/json; charset=utf-8",
  parquet: "application/vnd.apache.parquet",
  mtx: "text/x-matrix-market; charset=utf-8",
  d4m: "text/tab-separated-values; charset=utf-8",
  npz: "application/zip",
  grb: "application/octet-stream",
};

export interface ExportOptions {
  format: ExportFormat;
  family: Family;
  /** What the IPv4 indices mean; `little` for Graph Challenge data. Default big. */
  byteOrder?: ByteOrder;
  /** Which values mtx, d4m, npz and grb carry; the other formats carry both. Default packets. */
  plane?: "packets" | "bytes";
  /**
   * Of sampled traffic what was offered: csv, tsv and json have the columns packets_estimate, bytes_estimate and
   * packets_error (|truth - estimate| is at most that) besides; mtx, d4m, npz and grb carry the estimates.
   */
  estimate?: { sampling: Sampling | undefined; dropped: number } | undefined;
  /** What parquet says of every link; null there without it. */
  interval?: Interval | undefined;
}

/** Text is gathered to pieces of about this many characters. */
const PIECE_CHARS = 1 << 16;

/**
 * The links of one family. csv and tsv have the header src,dst,packets,bytes; json is an array of objects with
 * those keys; parquet has these columns and PARQUET_COLUMNS' others; rows are by numeric source, then destination. d4m
 * has a triple a line: source, destination, value of one plane, tabs between, no header. mtx (coordinate integer general,
 * 1-based), npz (Binsparse DCSR) and grb carry one plane with the matrix's own indices. Memory is bounded by a batch of
 * links, not by the file.
 *
 * @throws SparsewireError BAD_ARCHIVE when packets and bytes disagree, NO_LINKS for grb of a family without links
 */
export function* exportLinks(traffic: Traffic, options: ExportOptions): Generator<string | Uint8Array> {
  const { format, family } = options;
  const counted = family === 4 ? traffic.v4 : traffic.v6;
  const planes = options.estimate === undefined ? counted : (counted?.estimate ?? counted);
  if (format === "grb") yield blobOf(planes, options);
  else if (format === "mtx") yield* matrixMarket(planes, options);
  else if (format === "npz") yield* npzPieces(planes, options);
  else {
    const links = linksOf(traffic, family, options.byteOrder);
    if (format === "parquet") yield* parquetLinks(links, options.interval, CREATED_BY);
    else if (format === "d4m")
      yield* triples(links, options.plane ?? "packets", options.estimate !== undefined);
    else if (options.estimate !== undefined)
      yield* estimateRows(links, { ...options, format }, options.estimate);
    else yield* rows(links, format);
  }
}

const CREATED_BY = "sparsewire";

const HEADER = ["src", "dst", "packets", "bytes"];

function* rows(links: LinkList, format: "csv" | "tsv" | "json"): Generator<string> {
  const separator = format === "tsv" ? "\t" : ",";
  const isJson = format === "json";
  let text = isJson ? "[" : `${HEADER.join(separator)}\n`;
  let between = "\n";
  for (const { length, src, dst, packets, bytes } of links.batches()) {
    let ordinal = -1;
    let source = "";
    for (let at = 0; at < length; at++) {
      if (src[at] !== ordinal) {
        ordinal = src[at]!;
        source = links.text(ordinal);
      }
      const target = links.text(dst[at]!);
      if (isJson) {
        text += `${between}{"src":"${source}","dst":"${target}","packets":${packets(at)},"bytes":${bytes(at)}}`;
        between = ",\n";
      } else {
        text += `${source}${separator}${target}${separator}${packets(at)}${separator}${bytes(at)}\n`;
      }
      if (text.length >= PIECE_CHARS) {
        yield text;
        text = "";
      }
    }
  }
  yield isJson ? `${text}\n]\n` : text;
}

/** D4M associative array triples: row key, column key, value. */
function* triples(links: LinkList, plane: "packets" | "bytes", estimated: boolean): Generator<string> {
  let text = "";
  for (const batch of links.batches()) {
    const values = (estimated ? (batch.estimate ?? batch) : batch)[plane];
    let ordinal = -1;
    let source = "";
    for (let at = 0; at < batch.length; at++) {
      if (batch.src[at] !== ordinal) {
        ordinal = batch.src[at]!;
        source = links.text(ordinal);
      }
      text += `${source}\t${links.text(batch.dst[at]!)}\t${values(at)}\n`;
      if (text.length >= PIECE_CHARS) {
        yield text;
        text = "";
      }
    }
  }
  yield text;
}

function* matrixMarket(planes: PlanePair | undefined, options: ExportOptions): Generator<string> {
  const plane = options.plane ?? "packets";
  const dimension = options.family === 4 ? DIMENSION4 : DIMENSION6;
  let text = `%%MatrixMarket matrix coordinate integer general\n% ${plane}, IPv${options.family}`;
  text +=
    options.family === 6
      ? ", indices are keyed hashes\n"
      : `, ${options.byteOrder ?? "big"}-endian indices\n`;
  text += `${dimension} ${dimension} ${planes?.packets.nvals ?? 0}\n`;
  const matrix = planes?.[plane];
  for (const [low, high] of matrix === undefined ? [] : rowBands(matrix)) {
    using band = matrix!.extractRange(low, high, 0n, dimension);
    const { Ap, Ah, Aj, Ax } = band.toHyperCSR();
    for (let row = 0; row < Ah.length; row++) {
      const prefix = `${Ah[row]! + 1n} `;
      const end = Number(Ap[row + 1]);
      for (let at = Number(Ap[row]); at < end; at++) {
        text += `${prefix}${Aj[at]! + 1n} ${Ax[at]}\n`;
        if (text.length >= PIECE_CHARS) {
          yield text;
          text = "";
        }
      }
    }
  }
  yield text;
}

function blobOf(planes: PlanePair | undefined, options: ExportOptions): Uint8Array {
  if (planes !== undefined) return planes[options.plane ?? "packets"].serialize();
  throw new SparsewireError("NO_LINKS", `there is no IPv${options.family} link, so no matrix to write`, {
    exit: EXIT.failure,
    mend: `use --family ${options.family === 4 ? 6 : 4}, or --format csv, which can be empty`,
  });
}
