/** Two sensors and an aggregator in namespaces of their own, over TLS with a token: the sum is the union of both. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { openSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { generate } from "../../bench/generator/generator.js";
import { CLI, exportLinks, Rig, sleep, sortedLines } from "./rig.js";
import { liveSkipReason } from "./tools/netns.js";

const TOKEN = "0123456789abcdef0123456789abcdef";
const PORT = 8471;

/** Reads a CSV of links into a map, adding up what is in it already. */
function addLinks(path: string, sum: Map<string, [number, number]>): void {
  for (const line of sortedLines(readFileSync(path, "utf8"))) {
    const [src, dst, packets, bytes] = line.split(",");
    if (src === "src") continue;
    const [p, b] = sum.get(`${src},${dst}`) ?? [0, 0];
    sum.set(`${src},${dst}`, [p + Number(packets), b + Number(bytes)]);
  }
}

const asLines = (sum: Map<string, [number, number]>): string[] =>
  [...sum].map(([link, [packets, bytes]]) => `${link},${packets},${bytes}`).sort();

describe("many sensors, one aggregator, TLS", { skip: liveSkipReason() }, () => {
  test("sums equal the union; a wrong token ships nothing and loses nothing", async () => {
    const rigs = ["a", "b"].map((name, i) => {
      const aggregator = `https://10.77.${i}.1:${PORT}"\ntoken_file = "token"\nca_file = "cert.pem`;
      return new Rig({ top: 'interval = "500ms"\n', aggregator, sensor: `sensor-${name}` });
    });
    const [first, second] = rigs as [Rig, Rig];
    try {
      const hub = first.lab.namespace("hub");
      first.lab.veth(hub, "hub-a", first.receiver, "up0", { addresses: ["10.77.0.1/24", "10.77.0.2/24"] });
      first.lab.veth(hub, "hub-b", second.receiver, "up0", { addresses: ["10.77.1.1/24", "10.77.1.2/24"] });
      const folder = first.folder;
      const [key, cert, token] = ["key.pem", "cert.pem", "token"].map((name) => join(folder, name)) as [
        string,
        string,
        string,
      ];
      const names = "subjectAltName=IP:10.77.0.1,IP:10.77.1.1";
      execFileSync(
        "openssl",
        [
          "req",
          "-x509",
          "-newkey",
          "ec",
          "-pkeyopt",
          "ec_paramgen_curve:P-256",
          "-nodes",
          "-keyout",
          key,
          "-out",
          cert,
        ].concat(["-days", "2", "-subj", "/CN=aggregator", "-addext", names]),
        { stdio: "ignore" },
      );
      writeFileSync(token, `${TOKEN}\n`, { mode: 0o600 });
      const wrong = join(folder, "wrong-token");
      writeFileSync(wrong, "fedcba9876543210fedcba9876543210\n", { mode: 0o600 });
      writeFileSync(
        join(folder, "aggregator.toml"),
        `token_file = "${token}"\n[listen]\naddress = "0.0.0.0"\nport = ${PORT}\ntls_cert = "${cert}"\ntls_key = "${key}"
[store]\npath = "${join(folder, "store")}"\n`,
      );
      const log = openSync(join(folder, "aggregator.log"), "a");
      const args = [CLI, "aggregator", "--config", join(folder, "aggregator.toml")];
      hub.spawn(process.execPath, args, { stdio: ["ignore", log, log] });

      // The second sensor begins with a wrong token: everything waits in its spool.
      for (const [rig, tokenFile] of [
        [first, token],
        [second, wrong],
      ] as const) {
        const config = join(rig.folder, "sensor.toml");
        const text = readFileSync(config, "utf8")
          .replace('"token"', `"${tokenFile}"`)
          .replace('"cert.pem"', `"${cert}"`);
        writeFileSync(config, text);
        await rig.start();
      }
      const truth = new Map<string, [number, number]>();
      const truth6 = new Map<string, [number, number]>();
      let frames = 0;
      for (const [i, rig] of rigs.entries()) {
        const base = join(rig.folder, "truth");
        // Seeds differ, links overlap: the union has sums of both.
        const options = { count: 50_000, rate: 50_000, links: 3000, ipv6: 0.3, seed: i + 1, truth: base };
        frames += (await generate(rig.sender, "tx0", options)).frames;
        addLinks(`${base}.v4.csv`, truth);
        addLinks(`${base}.v6.csv`, truth6);
      }
      await second.until(async () => ((await second.status()).ship?.retries.unauthorized ?? 0) > 0, 20_000);
      assert.equal((await second.status()).ship!.acknowledged, 0);
      assert.match(second.log, /cannot ship to https:\/\/10\.77\.1\.1.*token/);
      const config = join(second.folder, "sensor.toml");
      writeFileSync(config, readFileSync(config, "utf8").replace(wrong, token));
      second.child!.kill("SIGHUP");
      for (const rig of rigs) {
        await rig.settled(50_000);
        await sleep(700);
        await rig.until(async () => (await rig.status()).spool!.depth === 0, 20_000);
        assert.equal(await rig.stop(), 0, rig.log);
      }
      const store = join(folder, "store", "raw");
      assert.deepEqual(exportLinks([store], 4), asLines(truth));
      assert.deepEqual(exportLinks([store], 6), asLines(truth6));
      const api = `https://10.77.0.1:${PORT}/api/v1`;
      const ask = (path: string): string =>
        hub.exec("curl", "-sS", "--cacert", cert, "-H", `Authorization: Bearer ${TOKEN}`, `${api}${path}`);
      const csv = ask("/matrix?from=-10m&to=now&format=csv&family=4");
      assert.deepEqual(
        sortedLines(csv).filter((line) => !line.startsWith("src")),
        asLines(truth),
        "the API's sum",
      );
      const { sensors } = JSON.parse(ask("/sensors")) as {
        sensors: { name: string; since_start: { packets: number } }[];
      };
      assert.deepEqual(sensors.map(({ name }) => name).sort(), ["sensor-a", "sensor-b"]);
      assert.equal(
        sensors.reduce((sum, { since_start }) => sum + since_start.packets, 0),
        frames,
      );
      const refused = hub.exec(
        "curl",
        "-sS",
        "--cacert",
        cert,
        "-o",
        "/dev/null",
        "-w",
        "%{http_code}",
        `${api}/sensors`,
      );
      assert.equal(refused, "401", "reading needs the token too");
    } finally {
      second.close();
      first.close();
    }
  });
});
