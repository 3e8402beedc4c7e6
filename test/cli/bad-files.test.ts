/** A bad file, wherever a command takes one: one line that names it, and the exit code of its kind. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { archive } from "../aggregator/client.js";
import { BINARY, temporaryFolder } from "./command.js";

/** A capture without a packet: header only. */
const CAPTURE = Buffer.from("d4c3b2a1020004000000000000000000ffff000001000000", "hex");
const KEY = "0123456789abcdef".repeat(4);

/** Exit codes for what is no such file at all: data are 3, what configures is 2. */
const SENSOR = "sensor --mode pcap --control c.sock --set metrics.enabled=false";
const COMMANDS: [line: string, exit: number][] = [
  ["matrix quantities BAD", 3],
  ["matrix top BAD", 3],
  ["matrix sum good.tar BAD -o out/sum.tar", 3],
  ["matrix diff good.tar BAD", 3],
  ["matrix plot BAD -o out/a.svg", 3],
  ["matrix export BAD --format grb -o out/a.grb", 3],
  ["matrix quantities good.tar --ranges BAD", 3],
  ["matrix export good.tar --ranges BAD -o out", 3],
  ["ingest BAD -o out", 3],
  ["ingest good.pcap --extension BAD -o out", 3],
  ["ingest good.pcap --anonymize BAD -o out", 2],
  ["anonymize BAD --key good.key -o out", 3],
  ["anonymize good.tar --key BAD -o out", 2],
  ["deanonymize BAD --key good.key -o out", 3],
  ["extension check BAD", 3],
  ["check-config BAD", 2],
  ["sensor --config BAD", 2],
  ["aggregator --config BAD --store out --port 0", 2],
  ["aggregator --set token_file=BAD --store out --port 0", 2],
  [`${SENSOR} --file BAD`, 3],
  [`${SENSOR} --file good.pcap --set ipv6.hash_key_file=BAD`, 2],
  ["top --aggregator http://127.0.0.1:1 --token-file BAD", 2],
];

/** Each command with every kind of file; else with one of them, by the seed. */
const isLong = process.env.SPARSEWIRE_LONG === "1";
const seed = Number(process.env.SPARSEWIRE_FUZZ_SEED ?? Date.now() % 5);

/** Folders of archives are sources, and an aggregator needs nothing to be configured. */
const isGood = (bad: string, line: string): boolean =>
  (bad === "bad-folder" && /^(matrix [a-z]+|anonymize|deanonymize) (good.tar )?BAD/.test(line)) ||
  (bad === "bad-empty" && line.startsWith("aggregator --config"));

const HANG_MS = 60_000;

/** One run to its end; a command that takes a bad file for a good one may go on for ever. */
async function ended(args: string[]) {
  const child = spawn(process.execPath, [BINARY, ...args], { timeout: HANG_MS, killSignal: "SIGKILL" });
  const said = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const)
    child[name].setEncoding("utf8").on("data", (text: string) => {
      said[name] += text;
    });
  const [status, signal] = (await once(child, "close")) as [number | null, NodeJS.Signals | null];
  return { ...said, status, hasHung: signal === "SIGKILL" };
}

test("a bad file is named, with its own exit code", async (t) => {
  const folder = temporaryFolder(t);
  const at = (name: string): string => join(folder, name);
  writeFileSync(at("good.tar"), archive());
  writeFileSync(at("good.pcap"), CAPTURE);
  writeFileSync(at("good.key"), KEY, { mode: 0o600 });
  mkdirSync(at("out"));
  mkdirSync(at("bad-folder"), { mode: 0o700 });
  // Text, binary, and the beginnings of what is meant.
  writeFileSync(at("bad-text"), "neither this nor that\n".repeat(150), { mode: 0o600 });
  writeFileSync(
    at("bad-bytes"),
    Uint8Array.from({ length: 3000 }, (_, i) => (i * 167 + 255) % 256),
    { mode: 0o600 },
  );
  writeFileSync(at("bad-cut"), readFileSync(at("good.tar")).subarray(0, 700), { mode: 0o600 });
  writeFileSync(at("bad-empty"), "", { mode: 0o600 });
  const wrong: string[] = [];
  const run = async (bad: string, [line, exit]: [string, number]): Promise<void> => {
    const args = line.split(" ").map((part) => (/^(out|good\.|c\.sock)/.test(part) ? at(part) : part));
    const given = args.map((part) => part.replace("BAD", at(bad)));
    const { status: code, stdout: out, stderr: err, hasHung } = await ended(given);
    if (hasHung) wrong.push(`goes on: ${given.join(" ")}`);
    const said = out + err;
    const what = `${line.replace("BAD", bad)}: exit ${code}, ${said.slice(-300)}`;
    if (code === 0 && bad === "bad-empty") return;
    if (!said.includes(bad)) wrong.push(`not named: ${what}`);
    if (/TypeError|undefined|\[object/.test(said)) wrong.push(`a fault of ours: ${what}`);
    if (bad === "bad-folder" ? ![2, 3].includes(code!) : code !== exit) wrong.push(`not ${exit}: ${what}`);
  };
  const kinds = ["bad-text", "bad-bytes", "bad-cut", "bad-empty", "bad-folder"];
  const cases = COMMANDS.flatMap((command, nth) =>
    kinds
      .filter((_, kind) => isLong || (nth + seed) % kinds.length === kind)
      .map((bad) => [bad, command] as const),
  ).filter(([bad, [line]]) => !isGood(bad, line));
  const next = async (): Promise<void> => {
    for (let each = cases.pop(); each !== undefined; each = cases.pop()) await run(...each);
  };
  await Promise.all([next(), next()]);
  assert.deepEqual(wrong, [], `SPARSEWIRE_FUZZ_SEED=${seed}`);
});
