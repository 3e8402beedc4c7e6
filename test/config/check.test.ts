import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { z } from "zod";
import { exampleConfig } from "../../daemon/config/example.js";
import { faultLine } from "../../daemon/config/faults.js";
import { KINDS, loadKinds } from "../../daemon/config/kinds.js";
import { ConfigError, checkConfig, loadConfig } from "../../daemon/config/load.js";
import { didYouMean } from "../../daemon/config/nearest.js";
import { diffConfig } from "../../daemon/config/schema.js";
import { byteSize, durationNs, port, reloadable } from "../../daemon/config/types.js";
import { ROOT } from "../cli/command.js";

const schema = z.strictObject({
  sensor: z.string().regex(/^[a-z]+$/, "only a-z"),
  mode: z.enum(["mirror", "pcap"]).default("mirror"),
  interval: reloadable(durationNs({ min: "10ms" })).prefault("1s"),
  queues: z.union([z.literal("all"), z.array(z.number().int().min(0))]).default("all"),
  spool: z
    .strictObject({ path: z.string(), max_bytes: reloadable(byteSize({ min: "1MiB" })).prefault("1GiB") })
    .prefault({ path: "/spool" }),
  metrics: z.strictObject({ port: port.default(9470), enabled: z.boolean().default(true) }).prefault({}),
});

/** The lines that are printed for a text. */
function faults(text: string): string[] {
  const checked = checkConfig(text, schema);
  return checked.ok ? [] : checked.faults.map((fault) => faultLine("f.toml", fault));
}

test("a sound configuration is parsed, with its defaults", () => {
  const checked = checkConfig('sensor = "a"\nspool.path = "/x"\ninterval = "250ms"\n', schema);
  assert.ok(checked.ok);
  assert.equal(checked.value.interval, 250_000_000n);
  assert.deepEqual(checked.value.spool, { path: "/x", max_bytes: 2 ** 30 });
  assert.equal(checked.value.metrics.port, 9470);
});

test("keys may be written with hyphens, but not twice", () => {
  const checked = checkConfig('sensor = "a"\n[spool]\npath = "/x"\nmax-bytes = "1MiB"\n', schema);
  assert.ok(checked.ok);
  assert.equal(checked.value.spool.max_bytes, 2 ** 20);
  assert.match(
    faults('[spool]\nmax-bytes = "1MiB"\nmax_bytes = "1MiB"\n').join(),
    /:3:1: this key is defined twice/,
  );
});

test("every fault is named at once, at its line, with its mend", () => {
  const text = [
    'sensor = "A B"',
    'intervall = "1s"',
    'interval = "5"',
    'mode = "miror"',
    'queues = [0, "x"]',
    "[spool]",
    "path = 5",
    'max_bytes = "1kB"',
    'interval = "1s"',
    "[metrics]",
    "port = 70000",
    'enabled = "yes"',
    "[[metrix]]",
  ];
  assert.deepEqual(faults(text.join("\n")), [
    'f.toml:1:1: sensor: "A B" is not accepted; only a-z',
    'f.toml:2:1: intervall: unknown key; did you mean "interval"?',
    'f.toml:3:1: interval: "5" is not a duration: the unit is missing; write a number and a unit of ms, s, m, h, d, as in "1s", "250ms" or "1h30m"',
    'f.toml:4:1: mode: "miror" is not one of mirror, pcap; did you mean "mirror"?',
    'f.toml:5:14: queues[1]: expected a number, found "x"; write a number without quotes',
    "f.toml:7:1: spool.path: expected a string, found 5; write it in quotes",
    "f.toml:8:1: spool.max_bytes: must be at least 1MiB",
    "f.toml:9:1: spool.interval: unknown key; did you mean interval?",
    "f.toml:11:1: metrics.port: must be at most 65535; found 70000",
    'f.toml:12:1: metrics.enabled: expected true or false, found "yes"; write true or false without quotes',
    'f.toml:13:1: metrix: unknown key; did you mean "metrics"?',
  ]);
});

test("faults of syntax do not hide those after them", () => {
  const text = 'sensor = \nmode = = 2\n[spool]\npath = "/a"\npath = "/b"\nfoo = 1\n';
  assert.deepEqual(faults(text), [
    'f.toml:1:8: a value is missing after "="',
    "f.toml:2:8: unexpected token",
    "f.toml:5:1: this key is defined twice",
    "f.toml:6:1: spool.foo: unknown key; known here: path, max_bytes",
  ]);
});

test("a missing key is named with the line to add", () => {
  assert.deepEqual(faults("[spool]\n"), [
    'f.toml:1:1: sensor: required, but missing; add sensor = "..."',
    'f.toml:1:1: spool.path: required, but missing; add path = "..." under [spool]',
  ]);
});

test("keys that look like object internals are keys like any other", () => {
  assert.deepEqual(faults('sensor = "a"\n__proto__ = 1\nconstructor.x = 2\n').length, 2);
  assert.equal(({} as { x?: unknown }).x, undefined);
});

test("absurdly nested input is a fault, not a crash", () => {
  for (const text of [
    `a = ${"[".repeat(50_000)}${"]".repeat(50_000)}`,
    `a = ${"[".repeat(100)}${"]".repeat(100)}`,
    `${"a.".repeat(5000)}b = 1`,
  ]) {
    assert.match(faults(text).join("\n"), /nested/);
  }
});

test("flags override the file, and their faults name the flag", () => {
  const flags = [
    { key: "mode", flag: "--mode", value: "pcap" },
    { key: "spool.max_bytes", flag: "--spool-bytes", value: "2MiB" },
  ];
  const checked = checkConfig('sensor = "a"\nmode = "mirror"\n[spool]\npath = "/x"\n', schema, flags);
  assert.ok(checked.ok);
  assert.equal(checked.value.mode, "pcap");
  assert.equal(checked.value.spool.max_bytes, 2 ** 21);
  const wrong = checkConfig('sensor = "a"', schema, [{ key: "mode", flag: "--mode", value: "x" }]);
  assert.ok(!wrong.ok);
  assert.equal(
    faultLine("", wrong.faults[0]!),
    '--mode: "x" is not one of mirror, pcap; use one of mirror, pcap',
  );
});

test("a reload knows which changed keys need a restart", () => {
  const value = (text: string) => loadValue(text);
  const before = value('sensor = "a"');
  const after = value('sensor = "b"\ninterval = "2s"\nspool.path = "/spool"\nspool.max_bytes = "2GiB"');
  assert.deepEqual(diffConfig(schema, before, after), {
    changed: ["sensor", "interval", "spool.max_bytes"],
    restart: ["sensor"],
  });
  assert.deepEqual(diffConfig(schema, before, before), { changed: [], restart: [] });
});

function loadValue(text: string): unknown {
  const checked = checkConfig(text, schema);
  assert.ok(checked.ok);
  return checked.value;
}

test("an unreadable configuration says why", () => {
  assert.throws(() => loadConfig("/nowhere/x.toml", schema), { code: "CONFIG_UNREADABLE", exit: 2 });
  assert.throws(() => loadConfig("/tmp", schema), /it is a directory/);
  assert.throws(() => loadConfig("/dev/zero", schema), /larger than 1 MiB/);
  assert.throws(() => loadConfig(undefined, schema), ConfigError);
});

test("did you mean finds slips of the fingers and nothing else", () => {
  const words = ["interval", "interface", "mode", "queues"];
  assert.equal(didYouMean("intervl", words), 'did you mean "interval"?');
  assert.equal(didYouMean("qeueus", words), 'did you mean "queues"?');
  assert.equal(didYouMean("MODE", words), 'did you mean "mode"?');
  assert.equal(didYouMean("banana", words), "");
});

test("the example configurations are what the schemas say, and sound", async () => {
  const kinds = await loadKinds();
  for (const kind of KINDS) {
    const text = exampleConfig(kind, kinds[kind]);
    assert.equal(
      readFileSync(join(ROOT, `systemd/${kind}.toml`), "utf8"),
      text,
      `systemd/${kind}.toml is out of date: sparsewire check-config --example ${kind} -o systemd/${kind}.toml`,
    );
    assert.ok(checkConfig(text, kinds[kind].schema).ok);
    // With every commented-out key set as well, it is still without unknown keys and wrong types.
    const all = checkConfig(text.replaceAll(/^#([a-z_]+ = )/gm, "$1"), kinds[kind].schema);
    const faults = all.ok ? [] : all.faults.map(({ key, what }) => `${key}: ${what}`);
    // What only one mode takes, or refers to another table, cannot be sound all at once.
    assert.deepEqual(
      faults.filter((fault) => !/only mode host takes|there is no extension/.test(fault)),
      [],
      kind,
    );
    assert.doesNotMatch(text, /= \.\.\./, "a key without default needs a hint in daemon/config/kinds.ts");
  }
});

test("a table that is not closed is named where it stands, and nothing else is", () => {
  assert.deepEqual(
    faults('sensor = "a"\n[spool\n').map((line) => line.replace(/: .*/, "")),
    ["f.toml:2:6"],
  );
});

test("interfaces that no kernel could have, and an inline pair of one, are faults", async () => {
  const { sensor } = await loadKinds();
  const keys = (text: string): string[] => {
    const checked = checkConfig(text, sensor.schema);
    return checked.ok ? [] : checked.faults.map(({ line, key }) => `${line} ${key}`);
  };
  assert.deepEqual(keys('interface = "../etc"'), ["1 interface"]);
  assert.deepEqual(keys('interface = ".."'), ["1 interface"]);
  assert.deepEqual(keys('interface = "eth0.7-a@b"'), []);
  assert.deepEqual(keys('interface = "a"\nmode = "inline"\n[inline]\npeer = "a"\ndivert = "b c"'), [
    "4 inline.peer",
    "5 inline.divert",
  ]);
});
