import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { captureFileBytes, FILE_DISTRIBUTIONS, writeCaptureFile } from "../../bench/capture-file.js";
import { GROUPS, runGroups } from "../../bench/main.js";
import { describeMachine, formatFigure, renderTable } from "../../bench/report.js";
import { readCapture } from "./tools/frames.js";

/** Every row group at sizes that prove nothing but that it works. */
describe("npm run bench", { timeout: 280_000 }, () => {
  for (const group of GROUPS) {
    it(`measures ${group.name}`, async (t) => {
      const { rows, failed } = await runGroups([group], { seconds: 0.3, smoke: true, long: true }, () => {});
      assert.equal(failed, 0, rows.at(-1)?.note);
      assert.ok(rows.length > 0);
      for (const { what, subject, value, note } of rows) {
        if (value === null) t.diagnostic(`${what}: ${subject}: ${note}`);
        else assert.ok(Number.isFinite(value), `${what}: ${subject}: ${value}`);
      }
      const lost = rows.find(({ subject }) => subject === "unaccounted for");
      assert.ok(lost === undefined || lost.value === 0, `${lost?.value} frames are unaccounted for`);
      assert.match(renderTable(describeMachine(), rows), new RegExp(`^${group.name}: `, "m"));
    });
  }

  it("writes figures that can be compared at a glance", () => {
    assert.deepEqual([0.123456, 12.345, 999.6, 1234567].map(formatFigure), [
      "0.123",
      "12.3",
      "1000",
      "1,234,567",
    ]);
  });
});

describe("capture file of the bench", () => {
  const folder = mkdtempSync(join(tmpdir(), "sparsewire-bench-"));
  const file = join(folder, "a.pcap");
  after(() => rmSync(folder, { recursive: true }));

  for (const distribution of FILE_DISTRIBUTIONS) {
    it(`is the same every time, with timestamps of 1 Mpps (${distribution})`, () => {
      writeCaptureFile(file, 70_000, distribution);
      const first = readFileSync(file);
      writeCaptureFile(file, 70_000, distribution);
      assert.ok(first.equals(readFileSync(file)));
      assert.equal(first.byteLength, captureFileBytes(70_000));
      const links = new Set(
        readCapture(file).map(({ bytes }) => Buffer.from(bytes.subarray(26, 34)).toString("hex")),
      );
      assert.equal(first.readUInt32LE(24 + 69_999 * 80 + 4), 69_999);
      if (distribution === "distinct") assert.equal(links.size, 70_000);
      else assert.ok(links.size > 10_000 && links.size < 70_000, `${links.size} links`);
    });
  }
});
