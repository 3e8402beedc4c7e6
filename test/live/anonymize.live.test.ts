/** A sensor that anonymises never tells a clear address: not on disk, on a socket, in a log or in a metric. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { readTar } from "../../lib/tar.js";
import { CLEAR, found, foundInArchive, writeKey } from "../anonymize/search.js";
import { captureOf } from "../cli/traffic.js";
import { archivesIn, Rig, sleep, unixGet } from "./rig.js";
import { readCapture } from "./tools/frames.js";
import { liveSkipReason } from "./tools/netns.js";
import { replayFrames } from "./tools/replay.js";

const PORT = 9471;
/** An aggregator that keeps what it is sent and acknowledges nothing, so that it stays in the spool as well. */
const SINK = `
const { appendFileSync } = require("node:fs");
require("node:http").createServer((request, response) => {
  appendFileSync(process.argv[1], JSON.stringify([request.url, request.headers]));
  request.on("data", (bytes) => appendFileSync(process.argv[1], bytes));
  request.on("end", () => response.writeHead(503).end("later"));
}).listen(${PORT}, "127.0.0.1");
`;
const PATHS = ["/status", "/interval", "/metrics", "/-/ready", "/-/healthy", "/nothing"];

function traffic(folder: string) {
  const [a, b, c, d, six, seven] = CLEAR;
  const path = join(folder, "traffic.pcap");
  writeFileSync(
    path,
    captureOf([
      [a, b, 40],
      [b, a, 30],
      [c, d, 20],
      [d, a, 10],
      [six, seven, 25],
      [seven, six, 5],
    ]),
  );
  return readCapture(path);
}

/** Every file below a folder but those the test itself has put there. */
const filesBelow = (folder: string, own: readonly string[]): string[] =>
  readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((name) => !own.includes(name) && statSync(join(folder, name)).isFile())
    .map((name) => join(folder, name));

/** Runs a sensor over the traffic, with these tables, and looks at all that it emits; what was found, and in how much. */
async function run(rig: Rig, tables: string): Promise<{ found: string[]; archives: number; bytes: number }> {
  rig.configure({ top: 'interval = "250ms"\n', aggregator: `http://127.0.0.1:${PORT}`, tables });
  const sink = rig.receiver.spawn(process.execPath, ["-e", SINK, join(rig.folder, "shipped")], {
    stdio: "ignore",
  });
  const all: string[] = [];
  let bytes = 0;
  const look = (where: string, data: Uint8Array, search = found): void => {
    bytes += data.length;
    all.push(...search(data).map((what) => `${where}: ${what}`));
  };
  try {
    await rig.start();
    const own = ["traffic.pcap", "anonymize.key", "sensor.toml"];
    const report = await replayFrames(rig.sender, "tx0", traffic(rig.folder), { rate: 150 });
    await rig.settled(report.frames);
    for (let turn = 0; turn < 4; turn++) {
      for (const path of PATHS)
        look(path, await unixGet(rig.socket, path).catch((error) => Buffer.from(String(error))));
      look("/interval", await unixGet(rig.socket, "/interval"), foundInArchive);
      await sleep(250);
    }
    assert.equal(await rig.stop(), 0, rig.log);
    const archives = archivesIn(rig.spool);
    for (const path of archives) look(path, readFileSync(path), foundInArchive);
    for (const path of filesBelow(rig.folder, own)) look(path, readFileSync(path));
    const packets = rig.manifests().reduce((sum, manifest) => sum + manifest.packets, 0);
    assert.equal(packets, report.frames, "every packet is in an archive");
    return { found: all, archives: archives.length, bytes };
  } finally {
    sink.kill("SIGKILL");
  }
}

describe("a sensor that anonymises", { skip: liveSkipReason() }, () => {
  test("tells no clear address anywhere; without a key the same search finds them all", async () => {
    const rig = new Rig();
    try {
      const key = writeKey(join(rig.folder, "anonymize.key"));
      const hidden = await run(rig, `[anonymize]\nkey_file = "${key}"\n`);
      assert.deepEqual(hidden.found, []);
      assert.ok(
        hidden.archives >= 3 && hidden.bytes > 50_000,
        `${hidden.archives} archives, ${hidden.bytes} bytes`,
      );
      const digits = readFileSync(key, "utf8").trim();
      for (const path of filesBelow(rig.folder, ["anonymize.key"])) {
        const bytes = readFileSync(path);
        assert.ok(
          !bytes.includes(digits) && !bytes.includes(Buffer.from(digits, "hex")),
          `the key is in ${path}`,
        );
      }
      assert.ok(statSync(join(rig.folder, "shipped")).size > 10_000, "uploads were looked at, too");
      assert.ok(rig.manifests().every(({ anonymization }) => anonymization.scheme === "cryptopan-aes128"));
      const six = readTar(readFileSync(archivesIn(rig.spool)[0]!)).members.map(({ name }) => name);
      assert.ok(six.includes("links4.packets.grb"));

      rig.emptySpool();
      const clear = await run(rig, "");
      for (const address of CLEAR) {
        const forms = new Set(
          clear.found.filter((what) => what.includes(`${address}, `)).map((what) => what.split(", ").at(-1)),
        );
        const expected = address.includes(":") ? ["network order", "clear index"] : ["host order"];
        assert.ok(
          expected.every((form) => forms.has(form)),
          `${address}: ${[...forms].join(", ")}`,
        );
      }
    } finally {
      rig.close();
    }
  });

  test("does not start on a spool with clear intervals", async () => {
    const rig = new Rig({ top: 'interval = "100ms"\n' });
    try {
      await rig.start();
      for (let tries = 0; tries < 50 && rig.manifests().length === 0; tries++) await sleep(50);
      assert.equal(await rig.stop(), 0);
      rig.configure({ tables: "[anonymize]\ntruncate4 = 24\n" });
      await assert.rejects(rig.start(), /intervals with clear addresses/);
      rig.emptySpool();
      await rig.start();
      const { anonymization } = await rig.status();
      assert.deepEqual(anonymization, { scheme: "truncate-24-128", key_id: null });
      assert.equal(await rig.stop(), 0);
    } finally {
      rig.close();
    }
  });
});
