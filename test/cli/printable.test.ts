/** No name that others chose moves a cursor, changes a colour or turns text around on a terminal. */
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { statusText } from "../../daemon/cli/status.js";
import { table } from "../../daemon/cli/table.js";
import { emptyModel } from "../../daemon/cli/top-model.js";
import { renderTop } from "../../daemon/cli/top-view.js";
import { errorLine, SparsewireError } from "../../lib/errors.js";
import { printable, printableText } from "../../lib/printable.js";
import { sparsewire, temporaryFolder } from "./command.js";
import { exampleStatus } from "./sensor-double.js";

/** Written as numbers, so that this list is not made of the one that is tested. */
const HARMFUL = [
  ...Array.from({ length: 0x20 }, (_, code) => code),
  ...Array.from({ length: 0x21 }, (_, code) => 0x7f + code),
  ...[0x61c, 0x200e, 0x200f, 0x2028, 0x2029, 0x202a, 0x202b, 0x202c, 0x202d, 0x202e],
  ...[0x2066, 0x2067, 0x2068, 0x2069],
].map((code) => String.fromCharCode(code));

/** What of a text a terminal would obey; line feeds are the caller's. */
const obeyed = (text: string): string[] => HARMFUL.filter((each) => each !== "\n" && text.includes(each));

const hostile = fc
  .array(
    fc.oneof(fc.constantFrom(...HARMFUL), fc.constantFrom("a", "é", "漢", "\\", '"', "\x1b[31m", "\x9b2J")),
    {
      minLength: 1,
      maxLength: 20,
    },
  )
  .map((parts) => parts.join(""));
const seed = Number(process.env.SPARSEWIRE_FUZZ_SEED ?? Date.now() % 2 ** 31);
const check = (property: fc.IProperty<[string]>): void => fc.assert(property, { seed, numRuns: 300 });

test("every such character becomes visible, and in JSON it stays what it was", () => {
  check(
    fc.property(hostile, (name) => {
      assert.deepEqual(obeyed(printable(name)), []);
      assert.ok(!printable(name).includes("\n"));
      assert.deepEqual(obeyed(printableText(name).replaceAll("\t", "")), []);
      assert.deepEqual(JSON.parse(printableText(JSON.stringify({ name }))), { name });
    }),
  );
});

test("whatever shows names shows none of them: tables, status, the live view, errors", () => {
  check(
    fc.property(hostile, (name) => {
      const status = exampleStatus({ sensor: name, interface: name, mode: name, software: name, run: name });
      const model = { ...emptyModel(name), dropCauses: [name], drops: 1, intervals: name, sampled: name };
      model.topLinks = [{ src: name, dst: name, packets: 1, bytes: 1 }];
      model.topSources = [{ address: name, packets: 1, bytes: 1, fan: 1 }];
      const view = {
        columns: 80,
        rows: 30,
        color: false,
        sort: "packets",
        paused: false,
        clock: "",
        keys: true,
      } as const;
      const shown = [
        table([name], [[name]]),
        statusText(status),
        renderTop(model, { ...view, notes: [name], trouble: name }).join("\n"),
        errorLine(new SparsewireError("X", name, { mend: name })),
      ];
      for (const text of shown) assert.deepEqual(obeyed(text), [], JSON.stringify(text));
      assert.equal(table([name], [[name]]).split("\n").length, 3, "a line a row");
    }),
  );
});

test("no command prints them, whatever a file is called", (t) => {
  const name = "a\x1b[31mred\x9b2J\r\u202egnp\ny";
  const folder = join(temporaryFolder(t), name);
  mkdirSync(folder);
  const file = join(folder, `${name}.tar`);
  writeFileSync(file, "no archive");
  const config = join(folder, `${name}.toml`);
  writeFileSync(config, `sensor = "x"\n"${"\\u001b[31m\\u009b"}" = 1\ninterface = "\\u001b[2J"\n`);
  const commands = [
    ["matrix", "quantities", file],
    ["matrix", "top", folder],
    ["matrix", "sum", file, "-o", join(folder, "sum.tar")],
    ["matrix", "diff", file, file],
    ["matrix", "plot", file],
    ["matrix", "export", file, "--ranges", file, "-o", folder],
    ["ingest", file, "-o", folder],
    ["ingest", join(folder, "none")],
    ["anonymize", file, "-o", folder, "--key", file],
    ["extension", "check", file],
    ["extension", "new", folder],
    ["check-config", config],
    ["check-config", "--json", config],
    ["sensor", "--config", config],
    ["aggregator", "--config", config],
    ["status", "--socket", file],
    ["top", "--aggregator", name],
    ["doctor", name],
    ["sensor", "--instance", name],
    [name],
    ["ingest", `--${name}`],
  ];
  for (const args of commands) {
    const { out, err } = sparsewire(args);
    assert.notEqual(out + err, "", JSON.stringify(args));
    assert.deepEqual(obeyed(out + err), [], JSON.stringify([args, out, err]));
    assert.doesNotMatch(out + err, /gnp\n/, JSON.stringify([args, out, err]));
  }
});
