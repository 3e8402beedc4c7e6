import { spawnSync } from "node:child_process";
import { createReadStream, existsSync, writeFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import type { Namespace } from "../../test/live/tools/netns.js";
import { TemporaryFolder } from "../temporary.js";
import { processCpuNs } from "./cpu.js";
import { type Figures, RECEIVER_INTERFACE, type Receiver, runTrial, type Session } from "./receiver.js";

/** As much as the sensor's default frame memory. */
const BUFFER_BYTES = 64 << 20;
const SETTLE_MS = 1500;
const START_MS = 1000;
const CACHE_ENTRIES = 524_309;

/** AF_PACKET receivers need NAPI on the veth, which an XDP program would have brought along: GRO does it too. */
const VETH = { gro: true };

function missing(command: string, probe: string, packageName: string): string | undefined {
  const isThere = spawnSync(command, [probe], { stdio: "ignore" }).error === undefined;
  return isThere ? undefined : `not installed: apt-get install ${packageName}`;
}

/** A peer tells its count only at its end; its CPU time is read before that, so that no final report is in it. */
async function startPeer(
  namespace: Namespace,
  command: string,
  args: string[],
  countOf: (stderr: string) => Promise<Omit<Figures, "cpuNs">>,
): Promise<Session> {
  const child = namespace.spawn(command, args, { stdio: ["ignore", "ignore", "pipe"] });
  let stderr = "";
  child.stderr?.on("data", (data: Buffer) => {
    stderr += String(data);
  });
  const ended = new Promise<void>((resolve) => child.once("close", () => resolve()));
  await sleep(START_MS);
  if (child.exitCode !== null) throw new Error(`${command} ended early: ${stderr.trim()}`);
  return {
    async figures(sent) {
      if (sent === undefined) return { counted: 0, dropped: 0, cpuNs: { process: processCpuNs(child.pid!) } };
      await sleep(SETTLE_MS);
      const cpuNs = { process: processCpuNs(child.pid!) };
      child.kill("SIGINT");
      await ended;
      return { ...(await countOf(stderr)), cpuNs };
    },
    async stop() {
      child.kill("SIGINT");
      await ended;
    },
  };
}

/** tcpdump writing to /dev/null, with a kernel buffer as large as the sensor's frame memory. */
export const tcpdump: Receiver = {
  name: "tcpdump -w /dev/null",
  missing: missing("tcpdump", "--version", "tcpdump"),
  trial: (traffic) =>
    runTrial(traffic, VETH, (namespace) =>
      startPeer(
        namespace,
        "tcpdump",
        ["-i", RECEIVER_INTERFACE, "-s", "128", "-B", String(BUFFER_BYTES >> 10), "-w", "/dev/null"],
        async (stderr) => ({
          counted: numberIn(stderr, /(\d+) packets? captured/),
          dropped: numberIn(stderr, /(\d+) packets? dropped by kernel/),
        }),
      ),
    ),
};

/** pmacctd counting packets and bytes by source and destination: the same question as the sensor's. */
export const pmacctd: Receiver = {
  name: "pmacctd src_host,dst_host",
  missing: missing("pmacctd", "-V", "pmacct"),
  trial: async (traffic) => {
    using folder = new TemporaryFolder();
    const [config, output] = [folder.file("pmacctd.conf"), folder.file("links.csv")];
    writeFileSync(config, pmacctdConfig(output));
    const count = async () => ({ counted: await sumPackets(output), dropped: 0 });
    return await runTrial(traffic, VETH, (namespace) =>
      startPeer(namespace, "pmacctd", ["-f", config], count),
    );
  },
};

function pmacctdConfig(output: string): string {
  return `${[
    "daemonize: false",
    `pcap_interface: ${RECEIVER_INTERFACE}`,
    "aggregate: src_host,dst_host",
    `pmacctd_pipe_size: ${BUFFER_BYTES}`,
    `plugin_pipe_size: ${BUFFER_BYTES}`,
    "plugin_buffer_size: 65536",
    "plugins: print[links]",
    "print_output[links]: csv",
    `print_output_file[links]: ${output}`,
    `print_cache_entries[links]: ${CACHE_ENTRIES}`,
    "print_refresh_time[links]: 3600",
  ].join("\n")}\n`;
}

/** Sum of the PACKETS column of pmacctd's CSV; 0 when it has written none. */
async function sumPackets(path: string): Promise<number> {
  if (!existsSync(path)) return 0;
  let column = -1;
  let sum = 0;
  for await (const line of createInterface({ input: createReadStream(path) })) {
    const cells = line.split(",");
    if (column < 0) column = cells.indexOf("PACKETS");
    else sum += Number(cells[column]);
  }
  return sum;
}

function numberIn(text: string, pattern: RegExp): number {
  return Number(pattern.exec(text)?.[1] ?? 0);
}
