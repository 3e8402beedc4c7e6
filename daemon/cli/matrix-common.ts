/** What the matrix commands share: their sources, and the sum of them. */
import type { Command } from "commander";
import type { ByteOrder } from "../../lib/address.js";
import { EXIT } from "../../lib/errors.js";
import { byteOrderOption, type Result } from "./command.js";
import { SOCKET_HELP } from "./sockets.js";
import { type Summed, sumSources } from "./sum.js";

export interface SourceOptions {
  live?: boolean;
  socket?: string;
  byteOrder: ByteOrder;
  force?: boolean;
}

/** SRC... and the options that say how to read them. */
export function withSources(command: Command): Command {
  return command
    .argument("[src...]", "archives (.tar), folders of them, or captures (pcap, pcapng, also gzip or zstd)")
    .option("--live", "the running sensor's latest sealed interval, too")
    .option("--socket <path>", `for --live: ${SOCKET_HELP}`)
    .addOption(byteOrderOption())
    .option("--force", "mix archives whose addresses are anonymised differently");
}

/** Sums the sources, hands the sum over, frees it; damage in a capture becomes exit code 3. */
export async function withSum(
  paths: string[],
  options: SourceOptions,
  result: Result,
  use: (summed: Summed) => Promise<void>,
): Promise<void> {
  const summed = await sumSources(paths, options);
  try {
    await use(summed);
  } finally {
    summed.traffic.dispose();
    summed.grb.dispose();
  }
  if (summed.damaged) result.code = EXIT.badInput;
}
