/** A Parquet file in pieces: row groups as they come, then the footer that says where everything lies. */
import { type Chunk, CODEC_GZIP } from "./column.js";
import { CompactWriter } from "./thrift.js";

/** text: UTF-8. uint64: numbers below 2^64. nanoseconds: since 1970 UTC, may be null. */
export type ColumnKind = "text" | "uint64" | "nanoseconds";

export interface Column {
  name: string;
  kind: ColumnKind;
}

/** Numbers of the format's enumerations (parquet.thrift). */
const PHYSICAL = { int64: 2, bytes: 6 } as const;
const CONVERTED = { utf8: 0, uint64: 14 } as const;
const LOGICAL = { string: 1, timestamp: 8, integer: 10 } as const;
const UNIT_NANOS = 3;
const REQUIRED = 0;
const OPTIONAL = 1;

interface Placed {
  rows: number;
  bytes: number;
  chunks: (Omit<Chunk, "pieces"> & { offset: number })[];
}

export class ParquetFile {
  readonly #columns: readonly Column[];
  readonly #groups: Placed[] = [];
  #offset = 0;

  constructor(columns: readonly Column[]) {
    this.#columns = columns;
  }

  start(): Uint8Array {
    return this.#placed(MAGIC);
  }

  /** The pieces of a row group; its chunks are in the order of the columns and of equal length. */
  *rowGroup(chunks: readonly Chunk[]): Generator<Uint8Array> {
    const group: Placed = { rows: chunks[0]!.values, bytes: 0, chunks: [] };
    for (const { pieces, ...chunk } of chunks) {
      group.chunks.push({ ...chunk, offset: this.#offset });
      group.bytes += chunk.plainBytes;
      for (const piece of pieces) yield this.#placed(piece);
    }
    this.#groups.push(group);
  }

  /** The footer: schema, row groups, who wrote it, and facts about the whole. */
  *finish(createdBy: string, facts: Record<string, string>): Generator<Uint8Array> {
    const writer = new CompactWriter();
    const columns = this.#columns;
    const rows = this.#groups.reduce((sum, group) => sum + group.rows, 0);
    writer.i32(1, 1);
    writer.structs(2, [undefined, ...columns], (fields, column) => {
      if (column === undefined) fields.binary(4, "links").i32(5, columns.length);
      else writeColumn(fields, column);
    });
    writer.i64(3, rows);
    writer.structs(4, this.#groups, (fields, group) => {
      fields.structs(1, group.chunks, (of, chunk) => {
        const column = columns[group.chunks.indexOf(chunk)]!;
        of.i64(2, chunk.offset).struct(3, (metadata) => writeChunk(metadata, column, chunk));
      });
      fields.i64(2, group.bytes).i64(3, group.rows);
    });
    writer.structs(5, Object.entries(facts), (fields, [key, value]) =>
      fields.binary(1, key).binary(2, value),
    );
    writer.binary(6, createdBy);
    // Without the columns' orders a reader may not trust the ranges of unsigned numbers.
    writer.structs(7, columns, (fields) => fields.struct(1, () => {}));
    const footer = writer.end().bytes;
    const length = new Uint8Array(4);
    new DataView(length.buffer).setUint32(0, footer.length, true);
    for (const piece of [footer, length, MAGIC]) yield this.#placed(piece);
  }

  #placed(piece: Uint8Array): Uint8Array {
    this.#offset += piece.length;
    return piece;
  }
}

const MAGIC = new TextEncoder().encode("PAR1");

const physical = ({ kind }: Column): number => (kind === "text" ? PHYSICAL.bytes : PHYSICAL.int64);

function writeColumn(fields: CompactWriter, column: Column): void {
  const { kind, name } = column;
  fields
    .i32(1, physical(column))
    .i32(3, kind === "nanoseconds" ? OPTIONAL : REQUIRED)
    .binary(4, name);
  if (kind !== "nanoseconds") fields.i32(6, kind === "text" ? CONVERTED.utf8 : CONVERTED.uint64);
  fields.struct(10, (logical) => {
    if (kind === "text") logical.struct(LOGICAL.string, () => {});
    else if (kind === "uint64") logical.struct(LOGICAL.integer, (type) => type.i8(1, 64).bool(2, false));
    else {
      logical.struct(LOGICAL.timestamp, (type) =>
        type.bool(1, true).struct(2, (unit) => unit.struct(UNIT_NANOS, () => {})),
      );
    }
  });
}

function writeChunk(fields: CompactWriter, column: Column, chunk: Placed["chunks"][number]): void {
  fields.i32(1, physical(column)).i32s(2, chunk.encodings).strings(3, [column.name]).i32(4, CODEC_GZIP);
  fields.i64(5, chunk.values).i64(6, chunk.plainBytes).i64(7, chunk.bytes);
  fields.i64(9, chunk.offset + chunk.dictionaryBytes);
  if (chunk.dictionaryBytes > 0) fields.i64(11, chunk.offset);
  const { range } = chunk;
  if (range === undefined) return;
  fields.struct(12, (statistics) => statistics.i64(3, 0).binary(5, range.max).binary(6, range.min));
}
