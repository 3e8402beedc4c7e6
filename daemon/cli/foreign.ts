/** Archives without a manifest: tars of bare .grb blobs, as the Graph Challenge exchanges them, and tars of such tars. */
import { createHash } from "node:crypto";
import { basename } from "node:path";
import type { GraphBLAS, Matrix } from "graphblas-wasm";
import type { ByteOrder } from "../../lib/address.js";
import { EXIT, SparsewireError } from "../../lib/errors.js";
import { ARCHIVE_FORMAT, type Manifest } from "../../lib/manifest.js";
import { DROP_CAUSES, FRAME_REASONS } from "../../lib/reasons.js";
import { DIMENSION4, makeTraffic, type Traffic } from "../../lib/traffic.js";
import { PacketSum } from "../challenge/packet-sum.js";
import type { TarNode } from "../challenge/tar-tree.js";

export type MatrixNode = Extract<TarNode, { kind: "matrices" }>;

/**
 * The sum of the matrices of one tar, as IPv4 packets; nobody recorded bytes, so those are 0. The manifest is made up: its
 * run is a digest of the tar's name and contents, so that the same tar twice is noticed, and two tars of equal traffic
 * are not one.
 *
 * @throws SparsewireError BAD_ARCHIVE, GrBError of a blob that is not sound
 */
export function foreignTraffic(
  grb: GraphBLAS,
  node: MatrixNode,
  byteOrder: ByteOrder,
): { traffic: Traffic; manifest: Manifest } {
  const digest = createHash("sha256").update(basename(node.name));
  using sum = new PacketSum();
  for (const matrix of foreignMatrices(grb, node, (blob) => digest.update(blob))) sum.add(matrix);
  const packets = sum.take();
  const total = packets === undefined ? 0 : Number(packets.reduce("plus"));
  const planes = packets === undefined ? undefined : { packets, bytes: zeros(packets) };
  const run = digest.digest("hex").slice(0, 16);
  const manifest = manifestOf(basename(node.name), run, node.entries.length, total, byteOrder);
  if (total > 0) return { traffic: makeTraffic(planes, undefined), manifest };
  planes?.packets.dispose();
  planes?.bytes.dispose();
  return { traffic: makeTraffic(undefined, undefined), manifest };
}

/** The matrices of one tar one by one, the caller's to free. Throws as foreignTraffic() does. */
export function* foreignMatrices(
  grb: GraphBLAS,
  { name, entries, read }: MatrixNode,
  look: (blob: Uint8Array) => void = () => {},
): Generator<Matrix> {
  for (const entry of entries) {
    const blob = read(entry);
    look(blob);
    const matrix = grb.deserialize(blob);
    const fault = faultOf(matrix);
    if (fault === undefined) yield asCounts(matrix);
    else {
      matrix.dispose();
      throw new SparsewireError("BAD_ARCHIVE", `${name}: ${entry.name} ${fault}`, {
        exit: EXIT.badInput,
        mend: "give matrices of packet counts over the IPv4 address space",
      });
    }
  }
}

const isCount = (type: string): boolean => type === "UINT32" || type === "UINT64";

function faultOf(matrix: Matrix): string | undefined {
  const { nrows, ncols } = matrix;
  const type: string = matrix.type;
  if (nrows !== DIMENSION4 || ncols !== DIMENSION4) return "is not a 2^32 x 2^32 matrix";
  if (isCount(type) || type === "BOOL") return undefined;
  if (type !== "INT64") return `has values of type ${type}`;
  return matrix.nvals > 0 && BigInt(matrix.reduce("min")) < 0n ? "has negative values" : undefined;
}

/** Sums of the challenge's own tools are INT64. */
function asCounts(matrix: Matrix): Matrix {
  if (isCount(matrix.type)) return matrix;
  try {
    return matrix.cast("UINT64");
  } finally {
    matrix.dispose();
  }
}

/** A plane of zeros over the same links. */
function zeros(packets: Matrix): Matrix {
  return packets.withValues("UINT64", new BigUint64Array(packets.nvals));
}

function manifestOf(
  name: string,
  run: string,
  matrices: number,
  packets: number,
  byteOrder: ByteOrder,
): Manifest {
  const none = <T extends string>(names: readonly T[]) =>
    Object.fromEntries(names.map((key) => [key, 0])) as Record<T, number>;
  return {
    format: ARCHIVE_FORMAT,
    software: "foreign",
    sensor: "foreign",
    run,
    sequence: 0,
    interface: name,
    mode: "sum",
    effective: null,
    start: 0n,
    end: 0n,
    sealed_by: "none",
    frames: packets,
    packets,
    bytes: 0,
    reasons: { ...none(FRAME_REASONS), ipv4: packets },
    drops: none(DROP_CAUSES),
    late: 0,
    sampling: 1,
    anonymization: { scheme: "unknown", key_id: null },
    byte_order: byteOrder,
    ipv6: null,
    intervals: matrices,
    parts: [{ sensor: "foreign", run, ranges: [[0, matrices - 1]] }],
    members: [],
  };
}
