/** Matrices of extensions: sums, anonymisation, dictionaries, large keys, archives that are not sound. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { loadSync, type Matrix } from "graphblas-wasm";
import { Rows } from "../../daemon/extension/rows.js";
import { anonymizer } from "../../lib/anonymize.js";
import { readExtensionDict, writeExtensionDict } from "../../lib/extension-dict.js";
import { keyPrinter, parseKeyKind } from "../../lib/extension-keys.js";
import {
  addExtensions,
  EXTENSION_DIMENSION,
  type ExtensionMatrices,
  type ExtensionMatrix,
  extensionRows,
  mapExtensions,
  openExtension,
} from "../../lib/extension-matrix.js";

const grb = loadSync();
const NO_LABELS = new Map();

function matrixOf(
  kinds: [string, string],
  entries: [bigint, bigint, bigint][],
  combine: "plus" | "max" = "plus",
): ExtensionMatrix {
  const column = (at: 0 | 1 | 2): BigUint64Array => BigUint64Array.from(entries, (entry) => entry[at]);
  const size = EXTENSION_DIMENSION;
  const matrix = grb.build("UINT64", size, size, column(0), column(1), column(2), combine) as Matrix;
  const [row, columnKind] = kinds;
  const keys = {
    row: { name: "row", kind: row },
    column: { name: "column", kind: columnKind },
    value: "value",
    combine,
  };
  return { keys, matrix, dict: NO_LABELS };
}
const one = (matrix: ExtensionMatrix): ExtensionMatrices => new Map([["one", matrix]]);
const printed = (matrices: ExtensionMatrices | undefined): string[] =>
  [...extensionRows(matrices!.get("one")!)].map((row) => row.join(" "));

test("sums combine as the extension says", () => {
  for (const [combine, expected] of [
    ["plus", "1 2 12"],
    ["max", "1 2 7"],
  ] as const) {
    const a = one(matrixOf(["number", "number"], [[1n, 2n, 5n]], combine));
    const b = one(
      matrixOf(
        ["number", "number"],
        [
          [1n, 2n, 7n],
          [3n, 4n, 1n],
        ],
        combine,
      ),
    );
    assert.deepEqual(printed(addExtensions(a, b)), [expected, "3 4 1"]);
    assert.deepEqual(printed(addExtensions(a, undefined)), ["1 2 5"]);
  }
  const a = one(matrixOf(["number", "number"], [[1n, 2n, 5n]]));
  const versions = addExtensions(a, one(matrixOf(["port", "number"], [[1n, 2n, 5n]])));
  assert.equal(versions!.size, 2, "keys differ: each version stays what it is");
});

test("kinds of keys: what they take, how they print", () => {
  assert.equal(typeof parseKeyKind("ipv4/port/(a|b)"), "object");
  for (const bad of ["ipv4/ipv4", "number/port", "", "(A)", "text/port", "colour"]) {
    assert.equal(typeof parseKeyKind(bad), "string", bad);
  }
  const print = keyPrinter("ipv4/port/(syn|ack)", NO_LABELS);
  assert.equal(print((((0x0a000001n << 16n) | 443n) << 4n) | 1n), "10.0.0.1/443/ack");
  const dict = new Map([[5n, { kind: "text" as const, bytes: new TextEncoder().encode('a,b" c') }]]);
  assert.equal(keyPrinter("text", dict)(5n), "a\\x2cb\\x22\\x20c");
  assert.equal(keyPrinter("text", dict)(6n), "#6");
});

test("addresses are anonymised in every part of a key; text is left out", () => {
  const map = anonymizer({ key: new Uint8Array(32).fill(7) });
  const [clear] = [0x0a000001n];
  const fresh = BigInt(map.map4(Uint32Array.of(Number(clear)))[0]!);
  const address = `${[24n, 16n, 8n, 0n].map((shift) => (fresh >> shift) & 255n).join(".")}`;
  const mapped = mapExtensions(
    grb,
    one(matrixOf(["ipv4", "address/(a|b)"], [[clear, (clear << 4n) | 1n, 9n]])),
    map,
  );
  assert.deepEqual(printed(mapped), [`${address} ${address}/b 9`]);
  const six = { kind: "ipv6" as const, bytes: Uint8Array.from({ length: 16 }, (_, i) => i + 32) };
  const index = (1n << 55n) | 77n;
  const matrix = { ...matrixOf(["address", "port"], [[index, 443n, 1n]]), dict: new Map([[index, six]]) };
  const [line] = printed(mapExtensions(grb, one(matrix), map));
  assert.match(line!, /^[0-9a-f:]+ 443 1$/);
  assert.ok(!line!.startsWith("2021:2223:"), "not the clear one");
  assert.equal(mapExtensions(grb, one(matrixOf(["text", "port"], [[1n, 1n, 1n]])), map)!.size, 0);
});

test("dictionaries are read as they were written; damage is refused", () => {
  const dict = new Map([
    [9n, { kind: "text" as const, bytes: new TextEncoder().encode("example.org") }],
    [3n, { kind: "number" as const, bytes: new Uint8Array(8).fill(1) }],
  ]);
  const bytes = writeExtensionDict(dict);
  assert.deepEqual([...readExtensionDict(bytes).keys()], [3n, 9n]);
  for (const damaged of [
    bytes.slice(0, 5),
    bytes.slice(0, bytes.length - 1),
    bytes.slice().fill(255, 8, 9),
  ]) {
    assert.throws(() => readExtensionDict(damaged), { code: "BAD_ARCHIVE" });
  }
  const small = grb.build(
    "UINT64",
    10n,
    10n,
    BigUint64Array.of(1n),
    BigUint64Array.of(1n),
    BigUint64Array.of(1n),
  );
  const { keys } = matrixOf(["number", "number"], []);
  assert.throws(() => openExtension(grb, keys, small.serialize(), new Uint8Array()), { code: "BAD_ARCHIVE" });
});

test("rows: keys beyond 2^60 are kept by a hash and a label; rows beyond the bound are counted as lost", () => {
  const rows = new Rows(grb, "plus", { rows: 100, labelBytes: 1 << 16 });
  const none = { labels: new Uint8Array(), events: new Uint8Array(), eventsLost: 0 };
  const large = 0xfedcba9876543210n;
  const two = BigUint64Array.of(1n, 1n);
  rows.take({ rows: BigUint64Array.of(large, large), columns: two, values: two, rowsLost: 3, ...none });
  const sealed = rows.seal();
  assert.deepEqual([sealed.rows, sealed.lost], [2, 3]);
  const { keys } = matrixOf(["number", "number"], []);
  const opened = openExtension(grb, keys, sealed.blob, sealed.dict);
  assert.deepEqual(printed(one(opened)), [`${large} 1 2`]);
  const many = BigUint64Array.from({ length: 200 }, (_, i) => BigInt(i));
  rows.take({ rows: many, columns: many, values: many, rowsLost: 0, ...none });
  const over = rows.seal();
  assert.deepEqual([over.rows, over.lost], [0, 200]);
});
