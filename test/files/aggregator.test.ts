import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterTest, config, NOON, put, SECOND, start, temporaryFolder, test } from "../aggregator/support.js";
import { type Links, random, trafficArchive } from "../aggregator/traffic.js";
import { duckdb, readNpy, readZip } from "./readers.js";

const RANGE = "from=2026-01-31T12:00:00Z&to=2026-01-31T12:01:00Z";

test("the aggregator serves Parquet, NPZ and D4M triples of a range", async (t) => {
  const server = await start(config());
  afterTest(() => server.close());
  const truth: Links = new Map();
  const next = random(12);
  for (let sequence = 0; sequence < 3; sequence++) {
    const bytes = trafficArchive({ sequence, start: NOON + BigInt(sequence) * SECOND }, 60, next, truth);
    assert.equal((await put(server.url, bytes, { sequence })).status, 201);
  }
  const links = [...truth].map(([pair, { packets }]) => [...pair.split(","), String(packets)]).sort();
  const ask = async (format: string, type: string): Promise<Buffer> => {
    const answer = await fetch(`${server.url}/api/v1/matrix?${RANGE}&format=${format}`);
    assert.equal(answer.status, 200);
    assert.equal(answer.headers.get("content-type"), type);
    return Buffer.from(await answer.arrayBuffer());
  };
  const triples = (await ask("d4m", "text/tab-separated-values; charset=utf-8")).toString().trimEnd();
  assert.deepEqual(
    triples
      .split("\n")
      .map((line) => line.split("\t"))
      .sort(),
    links,
  );
  const values = readNpy(readZip(await ask("npz", "application/zip")).get("values.npy")!).values as bigint[];
  assert.equal(values.length, links.length);
  const path = join(temporaryFolder(), "range.parquet");
  writeFileSync(path, await ask("parquet", "application/vnd.apache.parquet"));
  const reader = await duckdb();
  if (typeof reader === "string") return t.skip(reader);
  afterTest(reader.close);
  const rows = await reader.query(`SELECT src, dst, packets::VARCHAR FROM '${path}'`);
  assert.deepEqual(rows.sort(), links);
  const times = "SELECT DISTINCT epoch_us(interval_start), epoch_us(interval_end)";
  assert.deepEqual(await reader.query(`${times} FROM '${path}'`), [
    [String(NOON / 1000n), String((NOON + 3n * SECOND) / 1000n)],
  ]);
});
