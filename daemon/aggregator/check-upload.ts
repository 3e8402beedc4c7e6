/**
 * What an uploaded archive must be before it is acknowledged: that of the interval in the URL, sound as bytes and as
 * matrices, and within the limits. Runs in the intake thread.
 */
import { type GraphBLAS, GrBError } from "graphblas-wasm";
import { decodeArchive } from "../../lib/archive.js";
import { checkArchive } from "../../lib/check-archive.js";
import { checkInterval, INTERVAL_MANIFEST_BYTES_MAX } from "../../lib/check-interval.js";
import { SparsewireError } from "../../lib/errors.js";
import type { Manifest } from "../../lib/manifest.js";
import { START_NS_MAX } from "./periods.js";
import { Refusal } from "./refusal.js";
import { digestRefusal, type UploadIdentity } from "./upload-request.js";

/** The manifest of a sound archive. Throws Refusal for any other, and only that. */
export function checkUpload(
  grb: GraphBLAS,
  bytes: Uint8Array,
  { identity, linksMax }: { identity: UploadIdentity; linksMax: number },
): Manifest {
  try {
    const archive = decodeArchive(bytes, { verify: true, manifestBytesMax: INTERVAL_MANIFEST_BYTES_MAX });
    checkInterval(archive.manifest);
    checkIdentity(identity, archive.manifest);
    checkArchive(grb, archive, { linksMax });
    return archive.manifest;
  } catch (error) {
    throw refusalOf(error);
  }
}

function checkIdentity(identity: UploadIdentity, manifest: Manifest): void {
  const differs = (["sensor", "run", "sequence"] as const).find((key) => identity[key] !== manifest[key]);
  if (differs !== undefined) throw mismatch(`the ${differs} in the path is not that in the manifest`);
  if (manifest.byte_order !== "big")
    throw mismatch("its indices are little-endian, sums here are big-endian");
  if (manifest.start >= START_NS_MAX || manifest.end < manifest.start)
    throw mismatch("its interval ends before it starts, or lies beyond the year 2262");
}

const mismatch = (what: string, mend = ""): Refusal =>
  new Refusal(what, { status: 400, cause: "mismatch", code: "MISMATCH", mend });

function refusalOf(error: unknown): Refusal {
  if (error instanceof Refusal) return error;
  if (isMemoryFault(error)) {
    return new Refusal("the archive does not fit the memory for matrices", {
      status: 413,
      cause: "too_large",
      code: "TOO_LARGE_TO_CHECK",
      mend: "seal shorter intervals, or raise limits.memory_bytes of the aggregator",
    });
  }
  if (error instanceof SparsewireError) {
    const { code, mend, message } = error;
    if (code === "BAD_DIGEST") return digestRefusal(message);
    if (code === "NOT_AN_INTERVAL") return mismatch(message, mend);
    if (code === "TOO_MANY_LINKS")
      return new Refusal(message, { status: 413, cause: "too_large", code, mend });
    return new Refusal(message, { status: 400, cause: "bad_archive", code, mend });
  }
  const why = error instanceof Error ? error.message : String(error);
  return new Refusal(`not a sound archive: ${why}`, {
    status: 400,
    cause: "bad_archive",
    code: "BAD_ARCHIVE",
    mend: "send the interval as the sensor wrote it",
  });
}

const isMemoryFault = (error: unknown): boolean =>
  error instanceof GrBError ? error.info === "GrB_OUT_OF_MEMORY" : error instanceof RangeError;
