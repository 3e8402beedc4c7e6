import assert from "node:assert/strict";
import { test } from "node:test";
import { type GraphBLAS, GrBError, loadSync } from "graphblas-wasm";
import { anonymizer } from "../../lib/anonymize.js";
import { type DecodedArchive, decodeArchive, MEMBERS } from "../../lib/archive.js";
import { SparsewireError } from "../../lib/errors.js";
import { IPV6_HASH_KEY_DEFAULT, keyWords } from "../../lib/ipv6-index.js";
import { mapTraffic } from "../../lib/map-traffic.js";
import { encodeTraffic, trafficOf } from "../../lib/traffic.js";
import { archiveOf } from "../cli/traffic.js";
import { fuzz, mutate, type Random } from "../pcap/fuzz.js";
import { SAMPLE_KEY } from "./vectors.js";

const hashKey = keyWords(Uint8Array.from(IPV6_HASH_KEY_DEFAULT));
const MEMORY_BYTES = 64 << 20;

/** An archive whose members were damaged after their digests were checked: what a hostile sender could sign himself. */
function damaged(sound: DecodedArchive, random: Random): DecodedArchive {
  const names = [MEMBERS.packets4, MEMBERS.bytes4, MEMBERS.packets6, MEMBERS.bytes6, MEMBERS.dict6];
  const victim = random.pick(names);
  const other = random.pick(names);
  return {
    ...sound,
    member(name) {
      const bytes = sound.member(name);
      if (name !== victim || bytes === undefined) return bytes;
      return random.chance(0.2) ? sound.member(other) : mutate(random, bytes);
    },
  };
}

test("fuzz: damaged matrices and dictionaries are mapped to sound archives, or refused by a typed error", async (t) => {
  let grb: GraphBLAS = loadSync({ maximumBytes: MEMORY_BYTES });
  const sound = decodeArchive(
    archiveOf(grb, [
      ["10.0.0.1", "10.0.0.2", 3, 300],
      ["10.0.0.1", "192.0.2.7", 1, 64],
      ["2001:db8::1", "2001:db8::2", 2, 200],
      ["2001:db8::2", "2001:db8:1::3", 5, 500],
    ]),
  );
  const map = anonymizer({ key: SAMPLE_KEY, truncate6: 64 });
  await fuzz(t, (random) => {
    try {
      const traffic = trafficOf(grb, damaged(sound, random));
      try {
        const mapped = mapTraffic(grb, traffic, map, { hashKey });
        const { format: _format, members: _members, ...head } = sound.manifest;
        decodeArchive(encodeTraffic(grb, mapped, head).archive);
        mapped.dispose();
      } finally {
        traffic.dispose();
      }
    } catch (error) {
      assert.ok(error instanceof SparsewireError || error instanceof GrBError, `untyped: ${String(error)}`);
      assert.ok(!grb.panicked, "the engine did not trap");
    }
    if (grb.usedBytes() > MEMORY_BYTES / 2) {
      grb.dispose();
      grb = loadSync({ maximumBytes: MEMORY_BYTES });
    }
  });
});
