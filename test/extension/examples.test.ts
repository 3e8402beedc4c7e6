/** The example extensions on the real captures, offline: their matrices are what the test's own parser works out. */
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { load } from "graphblas-wasm";
import { ingestFiles } from "../../daemon/capture/ingest.js";
import { extensionsOf } from "../../daemon/extension/settings.js";
import { decodeArchive } from "../../lib/archive.js";
import { extensionRows } from "../../lib/extension-matrix.js";
import { addTraffic, type Traffic, trafficOf } from "../../lib/traffic.js";
import { readCapture } from "../live/tools/frames.js";
import { EXAMPLES, type Example } from "./expected.js";
import { example } from "./modules.js";

const CAPTURES =
  process.env.SPARSEWIRE_PCAPS ?? fileURLToPath(new URL("../../../../shared/pcaps", import.meta.url));
const names = existsSync(CAPTURES)
  ? readdirSync(CAPTURES).filter((name) => /\.(pcap|pcapng)(\.gz)?$/.test(name))
  : [];
const folder = mkdtempSync(join(tmpdir(), "sparsewire-ext-"));
after(() => rmSync(folder, { recursive: true, force: true }));

for (const windowPackets of [undefined, 100]) {
  const title = windowPackets === undefined ? "one interval" : `windows of ${windowPackets} packets`;
  test(`all captures as one stream, ${title}`, {
    skip: names.length === 0 ? "no captures at ../shared/pcaps" : false,
  }, async () => {
    const files = names.map((name) => join(CAPTURES, name));
    const { lines, frames, seen } = await run(files, windowPackets);
    const captured = files.flatMap(readCapture);
    for (const [extension, expected] of Object.entries(EXAMPLES)) {
      const wanted = expected(captured);
      assert.ok(wanted.length > 20, `${extension} has something to find`);
      assert.deepEqual(lines[extension as Example], wanted, extension);
      assert.equal(seen[extension], frames, `${extension} saw every frame`);
    }
  });
}

/** Ingests captures with the three extensions and sums the archives up. */
async function run(files: string[], windowPackets: number | undefined) {
  const grb = await load();
  let sum: Traffic | undefined;
  let frames = 0;
  const seen: Record<string, number> = {};
  await ingestFiles({
    files,
    ...(windowPackets === undefined ? { whole: true } : { windowPackets }),
    extensions: extensionsOf(Object.keys(EXAMPLES).map(example)),
    sink: (bytes) => {
      const archive = decodeArchive(bytes);
      frames += archive.manifest.frames;
      for (const [name, record] of Object.entries(archive.manifest.extensions!)) {
        assert.deepEqual([record.status, record.missed, record.rows_lost], ["running", 0, 0], name);
        seen[name] = (seen[name] ?? 0) + record.frames;
      }
      const traffic = trafficOf(grb, archive);
      sum = sum === undefined ? traffic : addTraffic(sum, traffic);
    },
  });
  const lines = Object.fromEntries(
    Object.keys(EXAMPLES).map((name) => {
      seen[name] ??= 0;
      const matrix = sum?.extensions?.get(name);
      return [
        name,
        matrix === undefined ? [] : [...extensionRows(matrix)].map((row) => row.join(",")).sort(),
      ];
    }),
  ) as Record<Example, string[]>;
  grb.dispose();
  return { lines, frames, seen };
}
