import assert from "node:assert/strict";
import { test } from "node:test";
import { GrBError, load } from "graphblas-wasm";
import { hasManifest, tarTree } from "../../daemon/challenge/tar-tree.js";
import { foreignTraffic } from "../../daemon/cli/foreign.js";
import { decodeArchive } from "../../lib/archive.js";
import { SparsewireError } from "../../lib/errors.js";
import { type TarSource, writeTar } from "../../lib/tar.js";
import { fuzz, mutate, type Random } from "../pcap/fuzz.js";

const MEMORY_BYTES_MAX = 32 << 20;
const CODES = ["BAD_TAR", "BAD_ARCHIVE", "BAD_MANIFEST", "BAD_DIGEST"];
const INFOS = ["GrB_INVALID_OBJECT", "GrB_DOMAIN_MISMATCH", "GrB_NOT_IMPLEMENTED", "GrB_OUT_OF_MEMORY"];

/** Reads outside of the bytes, which the reader must never ask for, are failures. */
function sourceOf(bytes: Uint8Array): TarSource {
  return {
    size: bytes.length,
    read(offset, length) {
      assert.ok(offset >= 0 && length >= 0 && offset + length <= bytes.length, `${offset} + ${length}`);
      return bytes.subarray(offset, offset + length);
    },
  };
}

/** The checksums of all headers set right, so that mutations reach what lies behind them. */
function mendChecksums(tar: Uint8Array): Uint8Array {
  const bytes = Buffer.from(tar);
  for (let at = 0; at + 512 <= bytes.length; at += 512) {
    if (bytes.toString("latin1", at + 257, at + 262) !== "ustar") continue;
    bytes.fill(" ", at + 148, at + 156);
    const sum = bytes.subarray(at, at + 512).reduce((total, byte) => total + byte, 0);
    bytes.write(`${sum.toString(8).padStart(6, "0")}\0 `, at + 148, "latin1");
  }
  return bytes;
}

test("fuzz: mutated tars of matrices, and tars of tars, end in sums or typed errors", async (t) => {
  const grb = await load({ maximumBytes: MEMORY_BYTES_MAX });
  const keys = (count: number, step: bigint) =>
    BigUint64Array.from({ length: count }, (_, k) => BigInt(k) * step);
  const blobs = [
    grb.buildPacked("UINT32", keys(200, (1n << 33n) + 77n)),
    grb.buildPacked("UINT64", keys(3, 1n), 9),
    grb.matrix("UINT32", 1n << 32n, 1n << 32n),
  ].map((matrix) => {
    using whole = matrix;
    return whole.serialize();
  });
  const flat = writeTar(
    blobs.map((data, at) => ({ name: `${at}.grb`, data })),
    { mtime: 1 },
  );
  const nested = writeTar(
    [
      { name: "a.tar", data: flat },
      { name: "b/c.tar", data: flat.subarray(0, flat.length - 1024) },
      { name: "3.grb", data: blobs[0]! },
    ],
    { mtime: 1 },
  );
  const mutant = (random: Random): Uint8Array => {
    if (random.chance(0.4)) {
      const members = blobs.map((data, at) => ({
        name: `${at}.grb`,
        data: random.chance(0.5) ? mutate(random, data) : data,
      }));
      return writeTar(members, { mtime: 1 });
    }
    const mutated = mutate(random, random.pick([flat, nested]));
    return random.chance(0.8) ? mendChecksums(mutated) : mutated;
  };
  const counts = { sums: 0, errors: 0 };
  await fuzz(t, (random) => {
    const source = sourceOf(mutant(random));
    try {
      if (hasManifest(source)) return;
      for (const node of tarTree(source, "fuzz.tar")) {
        if (node.kind === "archive") decodeArchive(node.read());
        else foreignTraffic(grb, node, "little").traffic.dispose();
      }
      counts.sums++;
    } catch (error) {
      counts.errors++;
      if (error instanceof SparsewireError) assert.ok(CODES.includes(error.code), error.code);
      else assert.ok(error instanceof GrBError && INFOS.includes(error.info), String(error));
    }
    assert.equal(grb.liveObjects(), 0);
  });
  t.diagnostic(`${counts.sums} sums, ${counts.errors} typed errors`);
  assert.ok(grb.memoryBytes() <= MEMORY_BYTES_MAX && counts.sums > 0 && counts.errors > 0);
});
