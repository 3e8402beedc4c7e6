import assert from "node:assert/strict";
import { chmodSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { loadAnonymization, readKeyFile } from "../../daemon/capture/anonymizer-key.js";
import { decodeArchive } from "../../lib/archive.js";
import { anonymizationKeyId } from "../../lib/cryptopan.js";
import { sparsewire, temporaryFolder } from "../cli/command.js";
import { captureOf } from "../cli/traffic.js";
import { CLEAR, foundInArchive, writeKey } from "./search.js";

const [a, b, c, d, six, seven] = CLEAR;

function capture(folder: string): string {
  const path = join(folder, "clear.pcap");
  const pairs: [string, string, number][] = [
    [a, b, 3],
    [b, a, 2],
    [c, d, 5],
    [six, seven, 4],
  ];
  writeFileSync(path, captureOf(pairs));
  return path;
}

const archivesOf = (folder: string): Buffer[] =>
  readdirSync(folder)
    .toSorted()
    .map((name) => readFileSync(join(folder, name)));
const clearIn = (folder: string): string[] => archivesOf(folder).flatMap((bytes) => foundInArchive(bytes));

/** A run that must succeed; its stdout. */
function ok(...args: string[]): string {
  const ran = sparsewire(args);
  assert.deepEqual([ran.code, ran.err], [0, ""], args.join(" "));
  return ran.out;
}

/** A run that must fail with this stable code and exit code; the message. */
function refused(exit: number, code: string, ...args: string[]): string {
  const ran = sparsewire([...args, "--json"]);
  assert.equal(ran.code, exit, ran.err);
  const { error } = JSON.parse(ran.err) as { error: { code: string; message: string } };
  assert.equal(error.code, code);
  return error.message;
}

const links = (...sources: string[]): string =>
  ["4", "6"].map((family) => ok("matrix", "export", ...sources, "--family", family)).join("");

function setUp(t: TestContext) {
  const folder = temporaryFolder(t);
  const at = (name: string) => join(folder, name);
  const key = writeKey(at("anonymize.key"));
  const file = capture(folder);
  ok("ingest", file, "-o", at("clear"));
  return { folder, at, key, file };
}

test("captures and archives come out anonymised alike, without a trace of an address; the key gives them back", (t) => {
  const { at, key, file } = setUp(t);
  assert.equal(new Set(clearIn(at("clear")).map((text) => text.replace(/^.*: /, "").split(",")[0])).size, 6);
  ok("ingest", file, "-o", at("ingested"), "--anonymize", key);
  assert.equal(
    ok("anonymize", at("clear"), "-o", at("stored"), "--key", key),
    `1 archives anonymised in ${at("stored")}\n`,
  );
  assert.deepEqual(clearIn(at("ingested")), []);
  assert.deepEqual(clearIn(at("stored")), []);
  assert.equal(links(at("stored")), links(at("ingested")));
  assert.notEqual(links(at("stored")), links(at("clear")));
  const { manifest } = decodeArchive(archivesOf(at("stored"))[0]!);
  const digits = readFileSync(key, "utf8").trim();
  assert.deepEqual(manifest.anonymization, {
    scheme: "cryptopan-aes128",
    key_id: anonymizationKeyId(Buffer.from(digits, "hex")),
  });
  assert.ok(
    archivesOf(at("stored")).every(
      (bytes) => !bytes.includes(digits) && !bytes.includes(Buffer.from(digits, "hex")),
    ),
  );
  assert.equal(manifest.ipv6?.addresses, 2);
  assert.deepEqual(readdirSync(at("stored")), readdirSync(at("clear")), "names stay");
  ok("deanonymize", at("stored"), "-o", at("back"), "--key", key);
  assert.equal(links(at("back")), links(at("clear")));
  assert.deepEqual(archivesOf(at("back")), archivesOf(at("clear")), "to the byte");
  const summary = JSON.parse(ok("deanonymize", at("stored"), "-o", at("json"), "--key", key, "--json"));
  assert.deepEqual(summary, { archives: 1, output: at("json"), scheme: "none", key_id: null });
});

test("truncation: with a key and without one", (t) => {
  const { at, key, file } = setUp(t);
  ok("anonymize", at("clear"), "-o", at("cut"), "--truncate4", "24", "--truncate6", "48");
  assert.match(links(at("cut")), /^198\.51\.100\.0,203\.0\.113\.0,3,/m);
  assert.match(links(at("cut")), /^2001:db8:a7f3::,2001:db8:a7f3::,4,/m);
  const scheme = (folder: string) => decodeArchive(archivesOf(at(folder))[0]!).manifest.anonymization;
  assert.deepEqual(scheme("cut"), { scheme: "truncate-24-48", key_id: null });
  ok("ingest", file, "-o", at("both"), "--anonymize", key, "--truncate4", "16");
  assert.equal(scheme("both").scheme, "cryptopan-aes128+truncate-16-128");
  assert.match(ok("matrix", "export", at("both")), /^\d+\.\d+\.0\.0,\d+\.\d+\.0\.0,3,/m);
  assert.match(
    refused(3, "TRUNCATED", "deanonymize", at("both"), "-o", at("no"), "--key", key),
    /truncate-16-128/,
  );
  assert.match(refused(2, "USAGE", "anonymize", at("clear"), "-o", at("no")), /nothing/);
});

test("what cannot be undone, or is done already, is refused by name", (t) => {
  const { at, key, file } = setUp(t);
  const other = writeKey(at("other.key"));
  ok("anonymize", at("clear"), "-o", at("open"), "--key", key);
  assert.match(
    refused(3, "WRONG_KEY", "deanonymize", at("open"), "-o", at("no"), "--key", other),
    /this key is/,
  );
  refused(3, "NOT_ANONYMIZED", "deanonymize", at("clear"), "-o", at("no"), "--key", key);
  refused(3, "ALREADY_ANONYMIZED", "anonymize", at("open"), "-o", at("no"), "--key", other);
  refused(2, "EXISTS", "anonymize", at("clear"), "-o", at("open"), "--key", key);
  refused(3, "UNKNOWN_FORMAT", "anonymize", file, "-o", at("no"), "--key", key);
  refused(2, "USAGE", "anonymize", at("clear"), "--key", key);
});

test("addresses of different kinds are not added up, unless forced to", (t) => {
  const { at, key } = setUp(t);
  ok("anonymize", at("clear"), "-o", at("one"), "--key", key);
  ok("anonymize", at("clear"), "-o", at("two"), "--key", writeKey(at("other.key")));
  assert.match(refused(3, "ANONYMIZATION", "matrix", "export", at("one"), at("two")), /not of the same kind/);
  refused(3, "ANONYMIZATION", "matrix", "diff", at("clear"), at("one"));
  // The same interval in two kinds is one interval: it counts once, whatever kind comes first.
  const forced = sparsewire(["matrix", "sum", at("one"), at("two"), "-o", at("sum.tar"), "--force"]);
  assert.equal(forced.code, 0, forced.err);
  assert.match(forced.err, /counted once/);
});

test("a key file that others may read is refused, as is what is no key", (t) => {
  const folder = temporaryFolder(t);
  const key = writeKey(join(folder, "k"));
  assert.equal(readKeyFile(key).length, 32);
  chmodSync(key, 0o400);
  assert.equal(readKeyFile(key).length, 32);
  for (const mode of [0o640, 0o604, 0o660, 0o620, 0o601, 0o777]) {
    chmodSync(key, mode);
    assert.throws(() => readKeyFile(key), { code: "KEY_PERMISSIONS", exit: 4 }, mode.toString(8));
  }
  const link = join(folder, "link");
  symlinkSync(key, link);
  assert.throws(() => readKeyFile(link), { code: "KEY_PERMISSIONS" }, "a link is what it points to");
  assert.throws(() => readKeyFile(join(folder, "none")), { code: "KEY_UNREADABLE", exit: 2 });
  const directory = join(folder, "dir");
  mkdirSync(directory, { mode: 0o700 });
  assert.throws(() => readKeyFile(directory), { code: "KEY_UNREADABLE" });
  const short = join(folder, "short");
  for (const text of ["", "abc", "0".repeat(63), `${"0".repeat(64)} and more`, "0".repeat(10_000)]) {
    writeFileSync(short, text, { mode: 0o600 });
    assert.throws(() => readKeyFile(short), { code: "BAD_ANONYMIZATION_KEY", exit: 2 });
  }
  const pcap = capture(folder);
  chmodSync(key, 0o644);
  const message = refused(4, "KEY_PERMISSIONS", "ingest", pcap, "-o", join(folder, "o"), "--anonymize", key);
  assert.match(message, /mode 0644/);
  assert.deepEqual(readdirSync(folder).includes("o"), false, "nothing was written");
});

test("a systemd credential is found by its name, whatever its mode, and takes the place of a file", (t) => {
  const folder = temporaryFolder(t);
  const digits = readFileSync(writeKey(join(folder, "anonymize-key"), 0o440), "utf8").trim();
  const settings = { credential: "anonymize-key", key_file: "/nowhere", truncate4: 24 };
  const options = loadAnonymization(settings, { CREDENTIALS_DIRECTORY: folder });
  assert.equal(Buffer.from(options.key!).toString("hex"), digits);
  assert.deepEqual([options.truncate4, options.truncate6], [24, 128]);
  assert.throws(() => loadAnonymization(settings, {}), { code: "NO_CREDENTIAL", exit: 2 });
  assert.throws(() => loadAnonymization({ credential: "none" }, { CREDENTIALS_DIRECTORY: folder }), {
    code: "KEY_UNREADABLE",
  });
});

test("a sensor does not start without the key it is told to use", (t) => {
  const folder = temporaryFolder(t);
  const file = capture(folder);
  const key = writeKey(join(folder, "k"), 0o644);
  const sensor = (...set: string[]) =>
    sparsewire(
      ["sensor", "--mode", "pcap", "--file", file, "--control", join(folder, "s.sock")].concat(
        ["metrics.enabled=false", `spool.path=${join(folder, "spool")}`, ...set].flatMap((item) => [
          "--set",
          item,
        ]),
      ),
      { env: { CREDENTIALS_DIRECTORY: folder } },
    );
  const open = sensor(`anonymize.key_file=${key}`);
  assert.deepEqual([open.code, /others may read the key/.test(open.err)], [4, true], open.err);
  assert.equal(sensor("anonymize.credential=../k").code, 2, "a name is not a path");
  assert.equal(sensor("anonymize.credential=none").code, 2);
  assert.equal(sensor("anonymize.truncate4=33").code, 2);
  chmodSync(key, 0o600);
  const ran = sensor(`anonymize.key_file=${key}`);
  assert.equal(ran.code, 0, ran.err);
  assert.match(ran.err, /cryptopan-aes128/);
});
