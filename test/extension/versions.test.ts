/** One name, several versions: an upgrade that changes an extension's keys spoils no sum. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { decodeArchive } from "../../lib/archive.js";
import { extensionOf } from "../../lib/extension-export.js";
import { EXTENSION_DIMENSION } from "../../lib/extension-matrix.js";
import { plainName, SUM_EXTENSIONS_MAX, versionName } from "../../lib/extension-versions.js";
import type { Manifest, ManifestHead } from "../../lib/manifest.js";
import { sumManifests } from "../../lib/sum-manifests.js";
import { addTraffic, encodeTraffic, makeTraffic, trafficOf } from "../../lib/traffic.js";
import { head, RUN } from "../aggregator/client.js";
import { grb } from "../aggregator/traffic.js";

const SUM = { sensor: "sum", run: RUN, sequence: 0, mode: "sum", software: "test" } as const;
const OLD = keysOf("port");
const NEW = keysOf("ipv4");

function keysOf(kind: string, value = "frames") {
  return {
    row: { name: "row", kind: "ipv4" },
    column: { name: "column", kind },
    value,
    combine: "plus" as const,
  };
}

/** An archive of one interval with one extension, whose only entry is `value`. */
function archiveOf(
  sequence: number,
  keys: ReturnType<typeof keysOf>,
  value: number,
  name = "ports",
): Uint8Array {
  const size = EXTENSION_DIMENSION;
  const matrix = grb().build("UINT64", size, size, BigUint64Array.of(1n), BigUint64Array.of(2n), value);
  const traffic = makeTraffic(
    undefined,
    undefined,
    new Map([[name, { keys, matrix: matrix as never, dict: new Map() }]]),
  );
  const record = {
    status: "running" as const,
    frames: 1,
    missed: 0,
    rows: 1,
    rows_lost: 0,
    events: 0,
    ...keys,
  };
  const { archive } = encodeTraffic(grb(), traffic, head({ sequence, extensions: { [name]: record } }));
  traffic.dispose();
  return archive;
}

/** The sum of two archives, as an archive. */
function add(one: Uint8Array, other: Uint8Array): Uint8Array {
  const [a, b] = [decodeArchive(one), decodeArchive(other)];
  const sum = addTraffic(trafficOf(grb(), a), trafficOf(grb(), b));
  return encodeTraffic(grb(), sum, sumManifests([a.manifest, b.manifest], SUM)).archive;
}

const valuesOf = (bytes: Uint8Array): [string, bigint][] => {
  const traffic = trafficOf(grb(), decodeArchive(bytes));
  return [...(traffic.extensions ?? [])].map(([name, { matrix }]) => [name, BigInt(matrix.reduce("plus"))]);
};

test("one version keeps its plain name", () => {
  const sum = add(archiveOf(1, OLD, 5), archiveOf(2, OLD, 7));
  assert.deepEqual(valuesOf(sum), [["ports", 12n]]);
  assert.ok(decodeArchive(sum).member("ext.ports.grb") !== undefined);
});

test("versions are kept apart, in whatever order they are added", () => {
  const parts = [archiveOf(1, OLD, 5), archiveOf(2, NEW, 7), archiveOf(3, OLD, 11), archiveOf(4, NEW, 13)];
  const expected = [
    [versionName("ports", OLD), 16n],
    [versionName("ports", NEW), 20n],
  ].sort(([a], [b]) => (String(a) < String(b) ? -1 : 1));
  for (const order of [
    [0, 1, 2, 3],
    [0, 2, 1, 3],
    [3, 1, 0, 2],
  ]) {
    const sum = order.map((at) => parts[at]!).reduce(add);
    assert.deepEqual(valuesOf(sum), expected);
    const { manifest } = decodeArchive(sum);
    const records = Object.entries(manifest.extensions!).map(([name, { intervals }]) => [name, intervals]);
    assert.deepEqual(
      records,
      expected.map(([name]) => [name, 2]),
    );
  }
});

test("an export of a name with several versions says how to choose one", () => {
  const sum = add(archiveOf(1, OLD, 5), archiveOf(2, NEW, 7));
  const traffic = trafficOf(grb(), decodeArchive(sum));
  const chosen = versionName("ports", NEW);
  assert.throws(
    () => extensionOf(traffic, "ports"),
    (error: { code: string; mend: string }) => {
      assert.equal(error.code, "EXTENSION_VERSIONS");
      return error.mend.includes(`--extension `) && error.mend.includes(chosen);
    },
  );
  assert.equal(BigInt(extensionOf(traffic, chosen).matrix.reduce("plus")), 7n);
  assert.throws(() => extensionOf(traffic, "other"), { code: "NO_EXTENSION" });
});

test("a name whose hash is not that of its keys is refused", () => {
  const sum = decodeArchive(add(archiveOf(1, OLD, 5), archiveOf(2, NEW, 7)));
  const [[name, record]] = Object.entries(sum.manifest.extensions!) as [[string, never]];
  const manifest = {
    ...sum.manifest,
    extensions: { [name.replace(/.$/, "0")]: record, [name.replace(/.$/, "1")]: record },
  };
  assert.throws(() => trafficOf(grb(), { ...sum, manifest } as never), { code: "BAD_ARCHIVE" });
});

test("ever new versions find an end, and those that many intervals have stay", () => {
  const record = { status: "running" as const, frames: 1, missed: 0, rows: 1, rows_lost: 0, events: 0 };
  const manifestOf = (sequence: number, value: string): Manifest =>
    ({
      ...head({ sequence, extensions: { ports: { ...record, ...keysOf("port", value) } } }),
      members: [],
      format: "",
    }) as never;
  let sum: ManifestHead = sumManifests([manifestOf(0, "honest"), manifestOf(1, "honest")], SUM);
  for (let sequence = 2; sequence < 1002; sequence++)
    sum = sumManifests([sum as Manifest, manifestOf(sequence, `v${sequence}`)], SUM);
  const names = Object.keys(sum.extensions!);
  assert.equal(names.length, SUM_EXTENSIONS_MAX);
  assert.ok(names.includes(versionName("ports", keysOf("port", "honest"))));
  assert.equal(sum.extensions_omitted, 1001 - SUM_EXTENSIONS_MAX);
  assert.equal(plainName(names[0]!), "ports");
});
