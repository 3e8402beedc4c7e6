import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import type { DoneStep } from "../../daemon/units/step.js";
import { requireProgram, sparsewire, temporaryFolder } from "../cli/command.js";

const UNITS = "etc/systemd/system";

function service(...args: string[]): { done: DoneStep[]; code: number | null; err: string } {
  const { code, out, err } = sparsewire(["service", ...args, "--json"]);
  return { done: code === 0 ? (JSON.parse(out) as DoneStep[]) : [], code, err };
}

const outcomes = (done: DoneStep[]): Record<string, string> =>
  Object.fromEntries(done.map(({ what, outcome }) => [what, outcome]));

function install(t: TestContext, prefix: string, ...more: string[]): Record<string, string> {
  const { done, code, err } = service("install", "--prefix", prefix, ...more);
  assert.equal(code, 0, err);
  for (const { why } of done) assert.ok(why.length > 5, "every step says what it is for");
  t.diagnostic(`${done.length} steps`);
  return outcomes(done);
}

test("install writes units that start this very program, and a second time changes nothing", (t) => {
  const prefix = temporaryFolder(t);
  const first = install(t, prefix);
  const files = [
    `${UNITS}/sparsewire-sensor@.service`,
    `${UNITS}/sparsewire-aggregator.service`,
    `${UNITS}/sparsewire-bpf.service`,
    "etc/sysusers.d/sparsewire.conf",
    "etc/tmpfiles.d/sparsewire.conf",
    "etc/sparsewire/sensor.toml",
    "etc/sparsewire/aggregator.toml",
  ].map((name) => join(prefix, name));
  for (const path of files) {
    assert.equal(first[path], "written");
    assert.equal(statSync(path).mode & 0o777, 0o644);
  }
  assert.equal(first["systemctl daemon-reload"], "left to you", "nothing is run for an image");
  const unit = readFileSync(files[0]!, "utf8");
  assert.match(unit, /^ExecStart=\S+ \S+dist\/daemon\/cli\/main\.js sensor --instance %i$/m);
  assert.doesNotMatch(unit, /\/usr\/bin\/sparsewire/);
  const second = install(t, prefix);
  for (const path of files) assert.equal(second[path], "unchanged");
  for (const name of ["sensor", "aggregator"])
    assert.equal(sparsewire(["check-config", join(prefix, `etc/sparsewire/${name}.toml`)]).code, 0);
});

test("an edited configuration stays, the default goes beside it; an edited unit is put right", (t) => {
  const prefix = temporaryFolder(t);
  install(t, prefix);
  const config = join(prefix, "etc/sparsewire/sensor.toml");
  const unit = join(prefix, UNITS, "sparsewire-sensor@.service");
  const original = readFileSync(unit, "utf8");
  writeFileSync(config, 'interface = "mine"\n');
  writeFileSync(unit, "# mine\n");
  const done = install(t, prefix);
  assert.equal(readFileSync(config, "utf8"), 'interface = "mine"\n');
  assert.match(readFileSync(`${config}.new`, "utf8"), /every key there is/);
  assert.ok(Object.entries(done).some(([what, outcome]) => outcome === "kept" && what.startsWith(config)));
  assert.equal(readFileSync(unit, "utf8"), original);
  assert.deepEqual(
    readdirSync(join(prefix, "etc/sparsewire")).filter((name) => name.endsWith(".tmp")),
    [],
  );
});

test("sensors are enabled one by one, each with a metrics port of its own; uninstall takes it all back", (t) => {
  if (!requireProgram(t, "systemctl")) return;
  const prefix = temporaryFolder(t);
  const etc = join(prefix, "etc/sparsewire");
  for (const name of ["eth1", "eth2", "eth3", "eth2"]) install(t, prefix, "--interface", name);
  assert.equal(existsSync(join(etc, "sensor-eth1.toml")), false, "the first one takes the common file");
  for (const [name, port] of [
    ["eth2", 9471],
    ["eth3", 9472],
  ] as const) {
    const text = readFileSync(join(etc, `sensor-${name}.toml`), "utf8");
    assert.match(text, new RegExp(`^interface = "${name}"$`, "m"));
    assert.match(text, new RegExp(`^port = ${port}$`, "m"));
  }
  const wanted = readdirSync(join(prefix, UNITS, "multi-user.target.wants")).sort();
  assert.deepEqual(
    wanted,
    [1, 2, 3].map((n) => `sparsewire-sensor@eth${n}.service`),
  );
  assert.equal(service("uninstall", "--prefix", prefix).code, 0);
  const left = readdirSync(prefix, { recursive: true, encoding: "utf8" }).filter((name) =>
    /\.(service|conf)$/.test(name),
  );
  assert.deepEqual(left, []);
  assert.ok(existsSync(join(etc, "sensor.toml")), "configurations stay");
  assert.equal(service("uninstall", "--prefix", prefix, "--purge").code, 0);
  assert.equal(existsSync(etc), false);
});

test("a sensor's mode is in a configuration of its own, which is made once and never overwritten", (t) => {
  if (!requireProgram(t, "systemctl")) return;
  const prefix = temporaryFolder(t);
  const path = join(prefix, "etc/sparsewire/sensor-eth0.toml");
  const words = ["--interface", "eth0", "--mode", "host"];
  assert.equal(install(t, prefix, ...words)[path], "written");
  const text = readFileSync(path, "utf8");
  assert.match(text, /^mode = "host"$/m);
  assert.match(text, /^interface = "eth0"$/m);
  assert.equal(sparsewire(["check-config", "--kind", "sensor", path]).code, 0);
  install(t, prefix, "--interface", "eth1");
  assert.equal(install(t, prefix, ...words)[path], "unchanged", "also when there are others by now");
  writeFileSync(path, `${text}# mine\n`);
  install(t, prefix, ...words);
  assert.equal(readFileSync(path, "utf8"), `${text}# mine\n`);
  assert.equal(service("install", "--prefix", prefix, "--mode", "host").code, 2);
  assert.equal(service("install", "--prefix", prefix, ...words.slice(0, 3), "inline").code, 2);
});

test("where a package has brought the units, install only chooses and enables", (t) => {
  const prefix = temporaryFolder(t);
  mkdirSync(join(prefix, "lib/systemd/system"), { recursive: true });
  writeFileSync(join(prefix, "lib/systemd/system/sparsewire-sensor@.service"), "");
  assert.deepEqual(Object.values(install(t, prefix)), ["left to you", "left to you", "left to you"]);
  assert.equal(existsSync(join(prefix, "etc")), false);
});

test("--dry-run prints a shell script that does the same", (t) => {
  const prefix = temporaryFolder(t);
  const { code, out } = sparsewire(["service", "install", "--prefix", prefix, "--dry-run"]);
  assert.equal(code, 0);
  assert.deepEqual(readdirSync(prefix), [], "and does nothing");
  assert.equal(spawnSync("sh", ["-n"], { input: out }).status, 0);
  const files = out.replaceAll(/^system.*$/gm, ":");
  assert.equal(spawnSync("sh", ["-e"], { input: files }).status, 0);
  const done = install(t, prefix);
  const written = Object.values(done).filter((outcome) => outcome === "written");
  assert.deepEqual(written, [], "the script had written all of it");
});

test("refusals: no systemd, nothing to start, no name of an interface", (t) => {
  const nothing = service("install", "--now");
  assert.deepEqual([nothing.code, JSON.parse(nothing.err).error.code], [2, "USAGE"]);
  for (const name of ["", "a/b", "..", "%i", "x".repeat(16), "a b"])
    assert.equal(service("install", "--interface", name).code, 2, name);
  if (existsSync("/run/systemd/system")) return t.skip("this host is run by systemd");
  for (const command of ["install", "uninstall"]) {
    const refused = service(command);
    assert.deepEqual([refused.code, JSON.parse(refused.err).error.code], [5, "NO_SYSTEMD"]);
  }
});
