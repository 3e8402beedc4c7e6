import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { load } from "graphblas-wasm";
import { exportLinks } from "../../lib/export.js";
import { makeTraffic, type Planes } from "../../lib/traffic.js";
import { zipPieces } from "../../lib/zip.js";
import { temporaryFolder } from "../cli/command.js";
import { disposable, trafficFrom } from "../cli/traffic.js";
import { Random } from "../pcap/fuzz.js";
import { randomLinks } from "./links.js";
import { python, readNpy, readZip } from "./readers.js";

type Triple = [row: bigint, column: bigint, value: bigint];

interface Descriptor {
  binsparse: {
    version: string;
    format: string;
    shape: number[];
    number_of_stored_values: number;
    data_types: Record<string, string>;
  };
}

const npz = (...args: Parameters<typeof exportLinks>): Buffer =>
  Buffer.concat([...exportLinks(...args)] as Uint8Array[]);

/** By the specification of Binsparse, section DCSR. */
function triplesOf(file: Buffer): { descriptor: Descriptor; triples: Triple[] } {
  const members = readZip(file);
  const descriptor = JSON.parse(members.get("binsparse.json")!.toString()) as Descriptor;
  assert.deepEqual(JSON.parse(readNpy(members.get("binsparse.npy")!).values as string), descriptor);
  assert.equal(descriptor.binsparse.format, "DCSR");
  const array = (name: string): bigint[] => {
    const { descr, values, shape } = readNpy(members.get(`${name}.npy`)!);
    assert.equal(descriptor.binsparse.data_types[name], descr === "<u8" ? "uint64" : "uint32");
    assert.deepEqual(shape, [values.length]);
    return values as bigint[];
  };
  const [rows, pointers, columns, values] = ["indices_0", "pointers_to_1", "indices_1", "values"].map(array);
  assert.equal(descriptor.binsparse.number_of_stored_values, values!.length);
  const triples = rows!.flatMap((row, at) =>
    columns!
      .slice(Number(pointers![at]), Number(pointers![at + 1]))
      .map((column, k): Triple => [row, column, values![Number(pointers![at]) + k]!]),
  );
  return { descriptor, triples };
}

function truthOf(planes: Planes, plane: "packets" | "bytes"): Triple[] {
  const { I, J, X } = planes[plane].extractTuples();
  return Array.from(I, (row, at) => [row, J[at]!, BigInt(X[at]!)]);
}

test("npz holds the matrix as Binsparse DCSR, in both families and planes", async () => {
  const grb = await load();
  const random = new Random(12);
  for (const family of [4, 6] as const) {
    using traffic = disposable(trafficFrom(grb, randomLinks(random, family, 3000)));
    const planes = (family === 4 ? traffic.v4 : traffic.v6)!;
    for (const plane of ["packets", "bytes"] as const) {
      const { descriptor, triples } = triplesOf(npz(traffic, { format: "npz", family, plane }));
      assert.deepEqual(triples, truthOf(planes, plane));
      assert.deepEqual(descriptor.binsparse.shape, family === 4 ? [2 ** 32, 2 ** 32] : [2 ** 60, 2 ** 60]);
    }
  }
  assert.equal(grb.liveObjects(), 0);
});

test("an empty family is an empty matrix", () => {
  const empty = npz(makeTraffic(undefined, undefined), { format: "npz", family: 6 });
  assert.deepEqual(triplesOf(empty).triples, []);
});

test("more links than a band holds", async () => {
  const grb = await load();
  const count = 300_000;
  const I = BigUint64Array.from({ length: count }, (_, at) => BigInt(at >> 4) * 7919n);
  const J = BigUint64Array.from({ length: count }, (_, at) => BigInt(at & 15) * 268_435_399n);
  const X = Uint32Array.from({ length: count }, (_, at) => at + 1);
  using packets = grb.build("UINT32", 1n << 32n, 1n << 32n, I, J, X);
  using bytes = packets.cast("UINT64");
  const members = readZip(npz(makeTraffic({ packets, bytes }, undefined), { format: "npz", family: 4 }));
  const { Ap, Ah, Aj, Ax } = packets.toHyperCSR();
  for (const [name, array] of Object.entries({
    indices_0: Ah,
    pointers_to_1: Ap,
    indices_1: Aj,
    values: Ax,
  })) {
    assert.deepEqual(readNpy(members.get(`${name}.npy`)!).values, Array.from(array, BigInt), name);
  }
});

test("what does not fit a zip archive is refused before its first byte", () => {
  const huge = zipPieces([{ name: "a", size: 2 ** 32, pieces: [] }]);
  assert.throws(() => huge.next(), { code: "TOO_LARGE" });
});

test("NumPy reads npz, SciPy reads Matrix Market, D4M triples are the same links", async (t) => {
  const grb = await load();
  const rows = randomLinks(new Random(13), 4, 2000);
  using traffic = disposable(trafficFrom(grb, rows));
  const folder = temporaryFolder(t);
  const [npzPath, mtxPath] = [join(folder, "a.npz"), join(folder, "a.mtx")];
  const triples = [...exportLinks(traffic, { format: "d4m", family: 4, plane: "bytes" })].join("");
  assert.equal(triples, rows.map(([src, dst, , bytes]) => `${src}\t${dst}\t${bytes}\n`).join(""));
  writeFileSync(npzPath, npz(traffic, { format: "npz", family: 4, plane: "bytes" }));
  writeFileSync(mtxPath, [...exportLinks(traffic, { format: "mtx", family: 4, plane: "bytes" })].join(""));
  const read = python(
    `
import json, sys, zipfile
import numpy, scipy.io
assert zipfile.ZipFile(sys.argv[1]).testzip() is None
z = numpy.load(sys.argv[1])
d = json.loads(z["binsparse"].item())["binsparse"]
rows = numpy.repeat(z["indices_0"], numpy.diff(z["pointers_to_1"]).astype(int))
m = scipy.io.mmread(sys.argv[2]).tocoo()
order = numpy.lexsort((m.col, m.row))
triples = lambda r, c, v: [[int(a), int(b), int(x)] for a, b, x in zip(r, c, v)]
print(json.dumps({
  "shape": d["shape"],
  "npz": triples(rows, z["indices_1"], z["values"]),
  "mtx": triples(m.row[order], m.col[order], m.data[order]),
}))
`,
    ["numpy", "scipy.io"],
    [npzPath, mtxPath],
  );
  if ("missing" in read) return t.skip(read.missing);
  const truth = truthOf(traffic.v4!, "bytes").map((triple) => triple.map(Number));
  assert.deepEqual(JSON.parse(read.out), { shape: [2 ** 32, 2 ** 32], npz: truth, mtx: truth });
});
