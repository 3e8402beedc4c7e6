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
import { waitedChildrenCpuSeconds } from "../live/cpu.js";
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

/** The best of several runs of one command. */
class Timing {
  seconds = Number.POSITIVE_INFINITY;
  cpuSeconds = Number.POSITIVE_INFINITY;

  run(command: string, args: string[]): void {
    const [start, cpuStart] = [performance.now(), waitedChildrenCpuSeconds()];
    const result = spawnSync(command, args, { encoding: "utf8" });
    if (result.status !== 0) throw new Error(`${command} failed: ${result.stderr ?? result.error?.message}`);
    this.seconds = Math.min(this.seconds, (performance.now() - start) / 1000);
    this.cpuSeconds = Math.min(this.cpuSeconds, waitedChildrenCpuSeconds() - cpuStart);
  }

  cpuNote(packets: number): string {
    return `${Math.round((this.cpuSeconds * 1e9) / packets)} ns of CPU a packet`;
  }
}

function measure(
  folder: TemporaryFolder,
  bits: number,
  distribution: FileDistribution,
  rounds: number,
): Row[] {
  const [file, archives] = [folder.file("capture.pcap"), folder.file("archives")];
  const packets = 2 ** bits;
  writeCaptureFile(file, packets, distribution);
  const hasTcpdump = tcpdumpSkipReason() === undefined;
  const [ours, tcpdump] = [new Timing(), new Timing()];
  const main = join(repositoryRoot(), "dist/daemon/cli/main.js");
  // Interleaved, so that both meet the same page cache and the same neighbours.
  for (let round = 0; round < rounds; round++) {
    ours.run(process.execPath, [main, "ingest", file, "-o", archives]);
    rmSync(archives, { recursive: true });
    if (hasTcpdump) tcpdump.run("tcpdump", ["-r", file, "-w", "/dev/null"]);
  }
  rmSync(file);
  const row = { group: "ingest", what: `2^${bits} packets of 64 bytes, ${distribution}`, unit: "Mpps" };
  const rate = (timing: Timing) => packets / timing.seconds / 1e6;
  const note = ours.cpuNote(packets);
  const us = { ...row, subject: "sparsewire ingest, archives written", value: rate(ours), note };
  if (!hasTcpdump) return [us, { ...row, subject: TCPDUMP, value: null, note: TCPDUMP_MISSING }];
  const ratio = `${(tcpdump.seconds / ours.seconds).toFixed(2)} times tcpdump`;
  return [
    { ...us, note: `${ratio}; ${note}` },
    { ...row, subject: TCPDUMP, value: rate(tcpdump), note: tcpdump.cpuNote(packets) },
  ];
}

function checkSpace(folder: string, bytes: number): void {
  const { bavail, bsize } = statfsSync(folder);
  if (bavail * bsize < bytes)
    throw new Error(`${folder} has not the ${Math.ceil(bytes / 2 ** 20)} MiB this needs; set TMPDIR`);
}
