import { spawnSync } from "node:child_process";
import { rmSync, statfsSync } from "node:fs";
import { join } from "node:path";
import { tcpdumpSkipReason } from "../../test/live/tools/tcpdump.js";
import { repositoryRoot } from "../../test/live/tools/tool.js";
import {
  captureFileBytes,
  FILE_DISTRIBUTIONS,
  type FileDistribution,
  writeCaptureFile,
} from "../capture-file.js";
import type { Row, RowGroup } from "../report.js";
import { TemporaryFolder } from "../temporary.js";

const TCPDUMP = "tcpdump -r FILE -w /dev/null";
const TCPDUMP_MISSING = "not installed: apt-get install tcpdump";

/** `sparsewire ingest`, archives written included, next to what tcpdump needs to read the same file. */
export const ingestGroup: RowGroup = {
  name: "ingest",
  about: "packets a second of `sparsewire ingest` next to tcpdump reading the same file",
  run: async ({ smoke }, say) => {
    const bits = smoke ? 14 : 24;
    using folder = new TemporaryFolder();
    checkSpace(folder.path, captureFileBytes(2 ** bits) * 1.5);
    return FILE_DISTRIBUTIONS.flatMap((distribution) => {
      say(`2^${bits} packets, ${distribution}`);
      return measure(folder, bits, distribution, smoke ? 1 : 3);
    });
  },
};

function measure(
  folder: TemporaryFolder,
  bits: number,
  distribution: FileDistribution,
  rounds: number,
): Row[] {
  const file = folder.file("capture.pcap");
  const packets = 2 ** bits;
  writeCaptureFile(file, packets, distribution);
  const hasTcpdump = tcpdumpSkipReason() === undefined;
  const seconds = { ours: Number.POSITIVE_INFINITY, tcpdump: Number.POSITIVE_INFINITY };
  // Interleaved, so that both meet the same page cache and the same neighbours.
  for (let round = 0; round < rounds; round++) {
    seconds.ours = Math.min(seconds.ours, timeIngest(file, folder.file("archives")));
    if (hasTcpdump)
      seconds.tcpdump = Math.min(seconds.tcpdump, timeCommand("tcpdump", ["-r", file, "-w", "/dev/null"]));
  }
  rmSync(file);
  const row = { group: "ingest", what: `2^${bits} packets of 64 bytes, ${distribution}`, unit: "Mpps" };
  const ratio = `${(seconds.tcpdump / seconds.ours).toFixed(2)} times tcpdump`;
  const ours = { ...row, subject: "sparsewire ingest", value: packets / seconds.ours / 1e6 };
  if (!hasTcpdump) return [ours, { ...row, subject: TCPDUMP, value: null, note: TCPDUMP_MISSING }];
  return [
    { ...ours, note: `${ratio}; start of the process included` },
    { ...row, subject: TCPDUMP, value: packets / seconds.tcpdump / 1e6 },
  ];
}

function timeIngest(file: string, output: string): number {
  const main = join(repositoryRoot(), "dist/daemon/cli/main.js");
  const seconds = timeCommand(process.execPath, [main, "ingest", file, "-o", output]);
  rmSync(output, { recursive: true });
  return seconds;
}

function timeCommand(command: string, args: string[]): number {
  const start = performance.now();
  const result = spawnSync(command, args, { encoding: "utf8" });
  if (result.status !== 0) throw new Error(`${command} failed: ${result.stderr ?? result.error?.message}`);
  return (performance.now() - start) / 1000;
}

function checkSpace(folder: string, bytes: number): void {
  const { bavail, bsize } = statfsSync(folder);
  if (bavail * bsize < bytes)
    throw new Error(`${folder} has not the ${Math.ceil(bytes / 2 ** 20)} MiB this needs; set TMPDIR`);
}
