/** Archives without a manifest: tars of bare .grb blobs, as the Graph Challenge exchanges them. */
import { createHash } from "node:crypto";
import { basename } from "node:path";
import type { GraphBLAS, Matrix } from "graphblas-wasm";
import type { ByteOrder } from "../../lib/address.js";
import { EXIT, SparsewireError } from "../../lib/errors.js";
import { ARCHIVE_FORMAT, type Manifest } from "../../lib/manifest.js";
import { DROP_CAUSES, FRAME_REASONS } from "../../lib/reasons.js";
import type { TarMember } from "../../lib/tar.js";
import { DIMENSION4, makeTraffic, type Traffic } from "../../lib/traffic.js";

/** Whether the members are those of a foreign archive: at least one .grb, and no manifest. */
export function isForeign(members: readonly TarMember[]): boolean {
  return members.some(isBlob) && !members.some(({ name }) => name === "manifest.json");
}

/**
 * The matrices of a foreign archive one by one, as IPv4 packets; nobody recorded bytes, so those are 0. Manifests
 * are made up: the run is a digest of the blob, so that the same archive twice is noticed.
 */
export function* foreignTraffic(
  grb: GraphBLAS,
  path: string,
  members: readonly TarMember[],
  byteOrder: ByteOrder,
): Generator<{ traffic: Traffic; manifest: Manifest }> {
  for (const [at, member] of members.filter(isBlob).entries()) {
    const packets = grb.deserialize(member.data);
    if (packets.nrows !== DIMENSION4 || packets.ncols !== DIMENSION4) {
      packets.dispose();
      throw new SparsewireError("BAD_ARCHIVE", `${path}: ${member.name} is not a 2^32 x 2^32 matrix`, {
        exit: EXIT.badInput,
        mend: "give matrices over the IPv4 address space",
      });
    }
    const total = Number(packets.reduce("plus"));
    const run = createHash("sha256").update(member.data).digest("hex").slice(0, 16);
    const planes = packets.nvals > 0 ? { packets, bytes: zeros(grb, packets) } : undefined;
    if (planes === undefined) packets.dispose();
    yield {
      traffic: makeTraffic(planes, undefined),
      manifest: manifestOf(basename(path), run, at, total, byteOrder),
    };
  }
}

function isBlob({ name }: TarMember): boolean {
  return name.endsWith(".grb");
}

/** A plane of zeros over the same links. */
function zeros(grb: GraphBLAS, packets: Matrix): Matrix {
  const { Ap, Ah, Aj } = packets.toHyperCSR();
  return grb.fromHyperCSR("UINT64", packets.nrows, packets.ncols, {
    Ap,
    Ah,
    Aj,
    Ax: new BigUint64Array(Aj.length),
  });
}

function manifestOf(
  name: string,
  run: string,
  sequence: number,
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
    sequence,
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
    intervals: 1,
    members: [],
  };
}
