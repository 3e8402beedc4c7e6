import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { aggregatorConfigSchema } from "../../daemon/aggregator/config.js";
import { instanceOf } from "../../daemon/cli/instance.js";
import { socketOf } from "../../daemon/cli/sockets.js";
import { credentialDefaults, filePathOf } from "../../daemon/config/credential.js";
import { checkConfig, loadConfig } from "../../daemon/config/load.js";
import { readToken } from "../../daemon/http/tokens.js";
import { type SensorConfig, sensorConfigSchema } from "../../daemon/sensor/config.js";
import { instanceInterface, unitInstance } from "../../lib/unit-name.js";
import { sparsewire, temporaryFolder } from "../cli/command.js";

function configOf(name: string, folder: string): SensorConfig {
  const { path, overrides } = instanceOf(name, { folder, state: `/state/${name}` });
  return loadConfig(path, sensorConfigSchema, overrides);
}

test("an instance takes its own file, else the common one, and stays out of the others' way", (t) => {
  const folder = temporaryFolder(t);
  const without = configOf("eth1", folder);
  assert.equal(without.interface, "eth1");
  assert.equal(without.control.socket, "/run/sparsewire/sensor-eth1.sock");
  assert.equal(without.spool.path, "/state/eth1/spool");
  assert.match(without.sensor, /-eth1$/);
  writeFileSync(join(folder, "sensor.toml"), 'interface = "eth0"\n[metrics]\nport = 1\n');
  const common = configOf("eth1", folder);
  assert.deepEqual([common.interface, common.metrics.port], ["eth1", 1], "the instance says which interface");
  writeFileSync(
    join(folder, "sensor-uplink.toml"),
    'sensor = "edge"\ninterface = "eth7"\n[control]\nsocket = "/c"\n[spool]\npath = "/s"\n',
  );
  const own = configOf("uplink", folder);
  assert.deepEqual(
    [own.sensor, own.interface, own.control.socket, own.spool.path],
    ["edge", "eth7", "/c", "/s"],
  );
  writeFileSync(join(folder, "sensor-host.toml"), 'mode = "host"\ninterfaces = ["eth*"]\n');
  assert.equal(configOf("host", folder).interface, undefined, "a file of its own may name several");
});

test("an instance may be escaped as systemd-escape does it", (t) => {
  const folder = temporaryFolder(t);
  writeFileSync(join(folder, "sensor-br-lan.toml"), 'sensor = "own"\n');
  for (const given of ["br-lan", "br\\x2dlan"]) {
    const { interface: name, sensor, control, spool } = configOf(given, folder);
    assert.deepEqual([name, sensor], ["br-lan", "own"], given);
    assert.equal(control.socket, "/run/sparsewire/sensor-br-lan.sock");
    assert.equal(spool.path, `/state/${given}/spool`, "systemd's own folder of the instance");
  }
  for (const given of ["br\\x2flan", "\\x2e\\x2e"])
    assert.throws(() => configOf(given, folder), { code: "USAGE" });
  for (const name of ["eth0.100", "br-lan", "wg_home", "eth0:1", "a+b", "ü", "a\\b"])
    assert.equal(instanceInterface(unitInstance(name)), name);
  assert.deepEqual(["eth0.100", "br-lan", "a+b"].map(unitInstance), ["eth0.100", "br-lan", "a\\x2bb"]);
});

test("names that are none, and faults in the file of an instance, are usage errors", (t) => {
  for (const name of ["", ".", "..", "a/b", "a b", "%i", "x".repeat(16)])
    assert.throws(() => instanceOf(name), { code: "USAGE", exit: 2 }, name);
  const folder = temporaryFolder(t);
  writeFileSync(join(folder, "sensor-eth1.toml"), "intervall = 1\n");
  assert.throws(() => configOf("eth1", folder), { code: "BAD_CONFIG", exit: 2 });
  assert.equal(sparsewire(["check-config", "--instance", "no/name"]).code, 2);
});

test("a default steps back before the file, an override does not", () => {
  const overrides = (unless: string[]) => [{ key: "spool.path", flag: "--x", value: "/flag", unless }];
  const path = (text: string, unless: string[]) => {
    const checked = checkConfig(`interface = "a"\n${text}`, sensorConfigSchema, overrides(unless));
    return checked.ok ? checked.value.spool.path : checked.faults;
  };
  assert.equal(path('[spool]\npath = "/file"', ["spool.path"]), "/file");
  assert.equal(path('[spool]\nmax_bytes = "1GiB"', ["spool.path"]), "/flag");
  assert.equal(path('[spool]\npath = "/file"', []), "/flag");
});

/** A socket at which somebody answers. */
async function listen(t: TestContext, path: string): Promise<void> {
  const server: Server = createServer((socket) => socket.end());
  await new Promise<void>((resolve) => server.listen(path, resolve));
  t.after(() => server.close());
}

test("commands find the only sensor that runs, and ask which one when there are several", async (t) => {
  const folder = temporaryFolder(t);
  const usual = join(folder, "sensor.sock");
  assert.equal(await socketOf(undefined, join(folder, "none")), join(folder, "none/sensor.sock"));
  assert.equal(await socketOf(undefined, folder), usual, "none: the usual place");
  assert.equal(await socketOf("/given", folder), "/given");
  writeFileSync(join(folder, "other.sock"), "");
  await listen(t, join(folder, "sensor-eth1.sock"));
  assert.equal(await socketOf(undefined, folder), join(folder, "sensor-eth1.sock"));
  writeFileSync(join(folder, "sensor-eth2.sock"), ""); // left behind by a sensor that was killed
  assert.equal(await socketOf(undefined, folder), join(folder, "sensor-eth1.sock"));
  await listen(t, usual);
  await assert.rejects(socketOf(undefined, folder), (error: Error & { code: string; mend: string }) => {
    assert.equal(error.code, "USAGE");
    assert.match(error.message, /2 sensors run here: .*sensor-eth1\.sock, .*sensor\.sock/);
    assert.match(error.mend, /--socket /);
    return true;
  });
});

test("%d/ is the folder of credentials, in every key that names a file", (t) => {
  const folder = temporaryFolder(t);
  const environment = { CREDENTIALS_DIRECTORY: folder };
  assert.equal(filePathOf("%d/token", environment), join(folder, "token"));
  assert.equal(filePathOf("/etc/%d/token", environment), "/etc/%d/token");
  assert.throws(() => filePathOf("%d/token", {}), { code: "NO_CREDENTIAL", exit: 2 });
  for (const bad of ["%d/", "%d/..", "%d/a/b"])
    assert.throws(() => filePathOf(bad, environment), { code: "NO_CREDENTIAL" }, bad);
  writeFileSync(join(folder, "token"), "0123456789abcdef0123\n", { mode: 0o400 });
  const before = process.env.CREDENTIALS_DIRECTORY;
  process.env.CREDENTIALS_DIRECTORY = folder;
  t.after(() => {
    if (before === undefined) delete process.env.CREDENTIALS_DIRECTORY;
    else process.env.CREDENTIALS_DIRECTORY = before;
  });
  assert.equal(readToken("%d/token"), "0123456789abcdef0123");
});

test("credentials that the units load serve the keys that nothing else sets", (t) => {
  const folder = join(temporaryFolder(t), "credentials");
  mkdirSync(folder);
  const environment = { CREDENTIALS_DIRECTORY: folder };
  const sensor = (text: string): SensorConfig => {
    const checked = checkConfig(text, sensorConfigSchema, credentialDefaults("sensor", environment));
    assert.ok(checked.ok);
    return checked.value;
  };
  const text = 'interface = "a"\n';
  assert.equal(sensor(text).aggregator.token_file, undefined);
  for (const name of ["token", "metrics-token", "anonymize-key", "ipv6-key", "read-token"])
    writeFileSync(join(folder, `sparsewire.${name}`), "");
  const found = sensor(text);
  assert.equal(found.aggregator.token_file, "%d/sparsewire.token");
  assert.equal(found.metrics.token_file, "%d/sparsewire.metrics-token");
  assert.equal(found.anonymize.key_file, "%d/sparsewire.anonymize-key");
  assert.equal(found.ipv6.hash_key_file, "%d/sparsewire.ipv6-key");
  assert.equal(found.metrics.tls_key, undefined, "one that is not there is not asked for");
  const given = sensor(`${text}[anonymize]\ncredential = "mine"\n[aggregator]\ntoken_file = "/t"\n`);
  assert.deepEqual([given.anonymize.key_file, given.aggregator.token_file], [undefined, "/t"]);
  const aggregator = checkConfig("", aggregatorConfigSchema, credentialDefaults("aggregator", environment));
  assert.ok(aggregator.ok);
  assert.equal(aggregator.value.read_token_file, "%d/sparsewire.read-token");
  assert.deepEqual(credentialDefaults("sensor", {}), []);
});

test("every credential that a unit loads is one that the program knows, and the other way round", (t) => {
  const folder = temporaryFolder(t);
  const root = join(import.meta.dirname, "../../..");
  for (const [kind, unit] of [
    ["sensor", "sparsewire-sensor@.service"],
    ["aggregator", "sparsewire-aggregator.service"],
  ] as const) {
    const text = readFileSync(join(root, "systemd", unit), "utf8");
    const names = [...text.matchAll(/^LoadCredential=(.+)$/gm)].map(([, name]) => name!);
    for (const name of names) writeFileSync(join(folder, name), "");
    const values = credentialDefaults(kind, { CREDENTIALS_DIRECTORY: folder }).map(({ value }) => value);
    assert.deepEqual(values.sort(), names.map((name) => `%d/${name}`).sort());
  }
});
