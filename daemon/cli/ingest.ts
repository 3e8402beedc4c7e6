/** `sparsewire ingest`: capture files to interval archives. */
import { accessSync, constants, mkdirSync, statSync } from "node:fs";
import { type Command, Option } from "commander";
import { WINDOW_PACKETS } from "../../lib/challenge.js";
import { EXIT } from "../../lib/errors.js";
import { sensorName } from "../../lib/manifest.js";
import { printable } from "../../lib/printable.js";
import { FRAME_REASONS } from "../../lib/reasons.js";
import type { FileReport } from "../capture/ingest.js";
import { truncationOption } from "./anonymize.js";
import { duration, examples, integer, type Result, usage, warn } from "./command.js";
import { cannotWrite, challengeArchives, intervalArchives } from "./ingest-archives.js";
import { say } from "./output.js";
import { Progress } from "./progress.js";
import { attempt } from "./sources.js";
import { grouped } from "./table.js";

interface Options {
  output: string;
  windowPackets?: number;
  interval?: bigint;
  sensor: string;
  archive: "sparsewire" | "challenge";
  anonymize?: string;
  truncate4: number;
  truncate6: number;
  extension: string[];
  json?: boolean;
}

export function registerIngest(parent: Command, result: Result): void {
  const command = parent
    .command("ingest")
    .description("read captures (pcap, pcapng, gzip, zstd; - is stdin) and write one archive an interval")
    .argument("<file...>", "capture files, read in this order as one stream of packets")
    .option("-o, --output <dir>", "folder for the archives; made if it is missing", ".")
    .option(
      "--window-packets <n>",
      "end an interval after N packets (131072 is the Graph Challenge's)",
      integer(1, 2 ** 30),
    )
    .option(
      "--interval <duration>",
      "length of an interval by the packets' own clock (default: 1s)",
      duration,
    )
    .addOption(
      new Option(
        "--archive <format>",
        "challenge: tars of 64 matrices, as the Graph Challenge exchanges them",
      )
        .choices(["sparsewire", "challenge"])
        .default("sparsewire"),
    )
    .option("--sensor <name>", "name in the manifests", "ingest")
    .option("--anonymize <keyfile>", "anonymise every address with CryptoPAN, as it is sealed")
    .addOption(truncationOption(4))
    .addOption(truncationOption(6))
    .option(
      "--extension <file>",
      "a .wasm that sees every frame and makes a matrix of its own; may be repeated",
      (file: string, before: string[]) => [...before, file],
      [],
    )
    .option("--json", "print JSON for machines, also for errors")
    .action(async (files: string[], options: Options) => {
      if (options.windowPackets !== undefined && options.interval !== undefined) {
        throw usage("--window-packets and --interval exclude one another", "give one of them");
      }
      if (options.archive === "challenge" && options.interval !== undefined) {
        throw usage("--archive challenge has windows of packets", "leave --interval out");
      }
      if (options.archive === "challenge" && options.extension.length > 0) {
        throw usage("--archive challenge has no room for extensions", "leave --extension out");
      }
      if (options.interval === 0n) throw usage("--interval must not be 0", 'write it as "1s"');
      const name = sensorName.safeParse(options.sensor);
      if (!name.success)
        throw usage(
          `${JSON.stringify(options.sensor)} is not a sensor's name`,
          "use 1 to 63 of A-Z a-z 0-9 . _ -",
        );
      await ingest(files, options, result);
    });
  examples(command, [
    ["sparsewire ingest trace.pcap -o intervals", "one archive a second"],
    ["sparsewire ingest day.pcapng.zst -o day --interval 1m", "one a minute, from a compressed capture"],
    ["tcpdump -i eth0 -w - | sparsewire ingest - -o live", "from a pipe"],
    ["sparsewire ingest t.pcap --window-packets 131072", "windows of equal packet counts"],
    ["sparsewire ingest t.pcap -o tars --archive challenge", "2^17 IPv4 packets a matrix, little-endian"],
    ["sparsewire ingest t.pcap -o day --extension dns-count.wasm", "with a matrix of an extension's own"],
    ["sparsewire ingest t.pcap -o open --anonymize anonymize.key", "to give away; see sparsewire anonymize"],
  ]);
}

async function ingest(files: string[], options: Options, result: Result): Promise<void> {
  for (const file of files) if (file !== "-") attempt(file, () => accessSync(file, constants.R_OK));
  const [{ ingestFiles }, { loadAnonymization }, { extensionsOf }] = await Promise.all([
    import("../capture/ingest.js"),
    import("../capture/anonymizer-key.js"),
    import("../extension/settings.js"),
  ]);
  const { interval, anonymize, truncate4, truncate6 } = options;
  const isChallenge = options.archive === "challenge";
  const windowPackets = options.windowPackets ?? (isChallenge ? WINDOW_PACKETS : undefined);
  const anonymization = loadAnonymization({ key_file: anonymize, truncate4, truncate6 });
  makeFolder(options.output);
  const progress = new Progress();
  const began = performance.now();
  const bytesTotal = sizeOf(files);
  const archives = isChallenge ? challengeArchives(options.output) : intervalArchives(options.output);
  const report = await ingestFiles({
    files,
    sensor: options.sensor,
    anonymization,
    extensions: extensionsOf(options.extension),
    ...(windowPackets === undefined ? { intervalNs: interval ?? 1_000_000_000n } : { windowPackets }),
    onProgress: (state) => progress.show(bytesTotal === undefined ? state : { ...state, bytesTotal }),
    ...(isChallenge ? { encoding: "challenge" as const } : {}),
    sink: (archive, head) => archives.add(archive, head),
  })
    .then((done) => {
      archives.finish();
      return done;
    })
    .finally(() => {
      archives.abandon();
      progress.clear();
    });
  for (const { file, damaged } of report.files) {
    if (damaged === undefined) continue;
    warn(`${file} is damaged at byte ${damaged.offset} (${damaged.what}); what precedes it was written`);
    result.code = EXIT.badInput;
  }
  for (const { name, status, reason } of report.extensions) {
    if (status !== "suspended") continue;
    warn(`extension ${name} was suspended (${reason}); its matrix is not complete`);
    result.code = EXIT.failure;
  }
  const sum = (key: "frames" | "packets" | "bytes") =>
    report.files.reduce((total, file) => total + file[key], 0);
  const seconds = (performance.now() - began) / 1000;
  const summary = {
    archives: archives.files,
    frames: sum("frames"),
    packets: sum("packets"),
    bytes: sum("bytes"),
  };
  if (options.json) {
    const body = {
      ...summary,
      output: options.output,
      archive_bytes: archives.bytes,
      seconds,
      files: report.files,
      extensions: report.extensions,
    };
    say(`${JSON.stringify(body, exact, 1)}\n`);
    return;
  }
  const rate = grouped(Math.round(summary.frames / Math.max(seconds, 1e-3)));
  say(
    `${grouped(summary.archives)} archive${summary.archives === 1 ? "" : "s"} in ${printable(options.output)}: ${grouped(summary.packets)} packets of ` +
      `${grouped(summary.frames)} frames, ${grouped(summary.bytes)} bytes, ${seconds.toFixed(1)} s (${rate} frames/s)\n`,
  );
  if (isChallenge && summary.frames > summary.packets) {
    say(`not in the matrices, which are of IPv4: ${leftOut(report.files)}\n`);
  }
}

/** "12 ipv6, 3 arp": frames by the reason why they are in no matrix of IPv4 packets. */
function leftOut(files: readonly FileReport[]): string {
  const counts = FRAME_REASONS.filter((reason) => reason !== "ipv4").map(
    (reason) => [reason, files.reduce((total, { reasons }) => total + reasons[reason], 0)] as const,
  );
  return counts
    .filter(([, count]) => count > 0)
    .map(([reason, count]) => `${grouped(count)} ${reason}`)
    .join(", ");
}

/** JSON has no bigint; counters that are bigints become numbers. */
function exact(_key: string, value: unknown): unknown {
  return typeof value === "bigint" ? Number(value) : value;
}

/** Bytes of all files; undefined when one is a pipe. */
function sizeOf(files: string[]): number | undefined {
  let total = 0;
  for (const file of files) {
    const stat = file === "-" ? undefined : statSync(file, { throwIfNoEntry: false });
    if (stat?.isFile() !== true) return undefined;
    total += stat.size;
  }
  return total;
}

function makeFolder(path: string): void {
  try {
    mkdirSync(path, { recursive: true });
  } catch (error) {
    throw cannotWrite(path, error);
  }
}
