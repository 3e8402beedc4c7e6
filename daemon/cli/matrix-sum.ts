/** `sparsewire matrix sum`: many archives (or captures) to one. */
import type { Command } from "commander";
import { EXIT, SparsewireError } from "../../lib/errors.js";
import { encodeTraffic } from "../../lib/traffic.js";
import { examples, type Result, usage, withOutput } from "./command.js";
import { type SourceOptions, withSources, withSum } from "./matrix-common.js";
import { emit, say } from "./output.js";
import { grouped } from "./table.js";

interface Options extends SourceOptions {
  output?: string;
  json?: boolean;
}

export function registerSum(parent: Command, result: Result): void {
  const command = parent
    .command("sum")
    .description("add the sources up and write one archive; its manifest names every interval that is in it")
    .action(async (paths: string[], options: Options) => {
      const path = options.output;
      if (path === undefined && process.stdout.isTTY) {
        throw usage("an archive is not for a terminal", "name a file with -o, or pipe it");
      }
      await withSum(paths, options, result, async ({ grb, traffic, manifest }) => {
        if (manifest === undefined) {
          throw new SparsewireError("EMPTY", "the sources hold no interval", {
            exit: EXIT.badInput,
            mend: "name others",
          });
        }
        const { archive } = encodeTraffic(grb, traffic, manifest);
        await emit(path, [archive]);
        const { intervals, packets, bytes, start, end } = manifest;
        const summary = options.json
          ? JSON.stringify({
              output: path ?? "-",
              intervals,
              packets,
              bytes,
              start: iso(start),
              end: iso(end),
            })
          : `${grouped(intervals)} intervals, ${grouped(packets)} packets, ${grouped(bytes)} bytes -> ${path}`;
        if (path !== undefined && path !== "-") say(`${summary}\n`);
      });
    });
  withOutput(withSources(command));
  examples(command, [
    ["sparsewire matrix sum spool -o hour.tar", "a folder of intervals"],
    ["sparsewire matrix sum a.pcap b.pcap -o both.tar", "captures, too"],
  ]);
}

function iso(ns: bigint): string {
  return new Date(Number(ns / 1_000_000n)).toISOString();
}
