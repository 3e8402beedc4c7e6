import assert from "node:assert/strict";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { load } from "graphblas-wasm";
import { cidrText, ipv4Text } from "../../lib/address.js";
import { CHALLENGE_COLUMNS } from "../../lib/challenge-table.js";
import { rangePairs, rangeQuantities } from "../../lib/range-pairs.js";
import { nestedBlocks, parseRanges } from "../../lib/ranges.js";
import { quantitiesOfMatrix } from "../../lib/traffic.js";
import { ROOT, sparsewire, temporaryFolder } from "../cli/command.js";
import { captureOf, disposable, type Row, trafficFrom } from "../cli/traffic.js";

const EXAMPLE = join(ROOT, "daemon/challenge/ranges-rfc1918-bogons.txt");

const block = fc
  .tuple(fc.integer({ min: 0, max: 2 ** 32 - 1 }), fc.integer({ min: 0, max: 32 }))
  .map(([address, prefix]) => {
    const size = 2 ** (32 - prefix);
    return `${ipv4Text(address - (address % size))}/${prefix}`;
  });
const list = fc
  .uniqueArray(block, { minLength: 1, maxLength: 12 })
  .chain((blocks) =>
    fc
      .array(fc.constantFrom("", "a", "b", "c"), { minLength: blocks.length, maxLength: blocks.length })
      .map((names) => blocks.map((text, at) => `${text} ${names[at]}`).join("\n")),
  );
const address = fc.integer({ min: 0, max: 2 ** 32 - 1 }).map(ipv4Text);
const rows = fc.uniqueArray(fc.tuple(address, address, fc.integer({ min: 1, max: 9 }), fc.nat(1e12)), {
  minLength: 1,
  maxLength: 60,
  selector: ([src, dst]) => `${src} ${dst}`,
});

test("sub-matrices of all pairs of ranges come to the whole, in either byte order", async () => {
  const grb = await load();
  fc.assert(
    fc.property(list, rows, fc.constantFrom("big", "little"), (text, links, byteOrder) => {
      const ranges = parseRanges(text);
      using traffic = disposable(trafficFrom(grb, links as Row[], byteOrder));
      const { packets, bytes } = traffic.v4!;
      using none = grb.matrix(packets.type, packets.nrows, packets.ncols);
      let sum = none.dup();
      let total = 0;
      for (const pair of rangePairs(grb, traffic, ranges, { family: 4, byteOrder })) {
        const part = pair.planes();
        using before = sum;
        sum = before.eWiseAdd(part.packets);
        total += pair.n_bytes;
        assert.equal(Number(part.bytes.reduce("plus")), pair.n_bytes);
        part.packets.dispose();
        part.bytes.dispose();
      }
      assert.ok(sum.isEqual(packets));
      assert.equal(total, Number(bytes.reduce("plus")));
      sum.dispose();
      const all = [...rangeQuantities(grb, traffic, ranges, { family: 4, byteOrder })];
      assert.equal(all.length, (ranges.length + 1) ** 2);
      const whole = quantitiesOfMatrix(packets);
      const added = (name: "n_packets" | "n_links") =>
        all.reduce((count, row) => count + row.packets[name], 0);
      assert.deepEqual([added("n_packets"), added("n_links")], [whole.n_packets, whole.n_links]);
    }),
    { numRuns: 150 },
  );
  assert.equal(grb.liveObjects(), 0);
});

test("the example list: RFC 1918 and bogons; nested blocks of other ranges are told", () => {
  const ranges = parseRanges(readFileSync(EXAMPLE, "utf8"));
  assert.deepEqual(
    ranges.map(({ name, blocks }) => [name, blocks.length]),
    [
      ["rfc1918", 3],
      ["bogons", 12],
    ],
  );
  assert.deepEqual(nestedBlocks(ranges), []);
  const nested = nestedBlocks(parseRanges("10.0.0.0/8 a\n10.1.0.0/16 a\n10.1.2.0/24 b\n::/0 b\n::1 b"));
  assert.deepEqual(
    nested.map((pair) => pair.map(cidrText)),
    [["10.1.0.0/16", "10.1.2.0/24"]],
  );
});

test("quantities as the challenge's table, and sub-matrices as files", (t) => {
  const folder = temporaryFolder(t);
  const [capture, parts] = [join(folder, "trace.pcap"), join(folder, "parts")];
  writeFileSync(
    capture,
    captureOf([
      ["10.0.0.1", "192.0.2.1", 3],
      ["8.8.8.8", "192.168.1.1", 2],
      ["8.8.8.8", "9.9.9.9", 1],
      ["::1", "::2", 1],
    ]),
  );
  const tsv = sparsewire(["matrix", "quantities", capture, "--ranges", EXAMPLE, "--tsv"]);
  assert.deepEqual([tsv.code, tsv.err], [0, ""]);
  const [names, values] = tsv.out.split("\n").map((line) => line.split("\t"));
  assert.equal(names!.length, 1 + 9 * (1 + 9));
  assert.deepEqual(names!.slice(1, 10), CHALLENGE_COLUMNS);
  const cell = (name: string) => Number(values![names!.indexOf(name)]);
  assert.equal(values![0], "trace");
  assert.deepEqual(
    ["n_packets", "sub-n_packets-1_2", "sub-n_packets-3_1", "sub-n_packets-3_3", "sub-n_links-2_2"].map(cell),
    [6, 3, 2, 1, 0],
  );
  const args = ["matrix", "export", capture, "--ranges", EXAMPLE];
  const ran = sparsewire([...args, "-o", parts]);
  assert.deepEqual([ran.code, ran.err], [0, ""]);
  assert.deepEqual(readdirSync(parts).sort(), ["1_2.csv", "3_1.csv", "3_3.csv"]);
  assert.match(readFileSync(join(parts, "1_2.csv"), "utf8"), /^src.*\n10.0.0.1,192.0.2.1,3,\d+\n$/);
  assert.match(ran.out, /3_1.csv +everything else +rfc1918 +1 +2 /);
  const six = sparsewire([...args, "-o", parts, "--family", "6", "--format", "json"]);
  assert.deepEqual([six.code, readdirSync(parts).includes("3_3.json")], [0, true]);
  assert.equal(sparsewire(args).code, 2, "no folder");
});
