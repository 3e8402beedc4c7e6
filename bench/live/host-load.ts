/**
 * What watching costs a host: an HTTP server and bulk TCP streams, over an interface that a sensor of mode host watches
 * and over one that nobody watches, in turns. While it is the other's turn the sensor is stopped (SIGSTOP), so that it
 * costs nothing then; the order alternates, and each turn is compared with its neighbour, so that what else the machine
 * does meets both alike.
 */

import type { ChildProcess } from "node:child_process";
import {
  HOST_ADDRESS,
  HOST_ADDRESS_UNWATCHED,
  HostRig,
  PEER_ADDRESS,
  PEER_ADDRESS_UNWATCHED,
} from "../../test/live/host-rig.js";
import { sleep } from "../../test/live/rig.js";
import type { Namespace } from "../../test/live/tools/netns.js";
import { runTool, startTool } from "../../test/live/tools/tool.js";
import { median } from "../median.js";

export const LOADS = ["http", "bulk out", "bulk in"] as const;
export type Load = (typeof LOADS)[number];

export interface LoadResult {
  load: Load;
  /** Requests or bytes a second, median over the rounds. */
  without: number;
  watched: number;
  /** Median of watched / without, neighbour by neighbour. */
  ratio: number;
  /** CPU of the capture thread per packet while watching, ns, and packets that found no room. */
  cpuNs: number;
  lost: number;
}

const PORT = "7003";
const CONNECTIONS = "32";
const HTTP_SERVER = `require("node:http").createServer((q, s) => s.end("hello, world\\n")).listen(${PORT}, () => console.error("ready"))`;

/** Measures one load; `rounds` turns of `seconds` each with and without. */
export async function measureLoad(load: Load, rounds: number, seconds: number): Promise<LoadResult> {
  const rig = new HostRig();
  try {
    rig.addUnwatched();
    const isOut = load === "bulk out";
    const [server, client] = isOut ? [rig.peer, rig.host] : [rig.host, rig.peer];
    await startServer(server, load);
    await rig.start();
    const address = (watched: boolean): string => {
      if (isOut) return watched ? PEER_ADDRESS : PEER_ADDRESS_UNWATCHED;
      return watched ? HOST_ADDRESS : HOST_ADDRESS_UNWATCHED;
    };
    const turn = async (watched: boolean, length = seconds): Promise<number> => {
      rig.child!.kill(watched ? "SIGCONT" : "SIGSTOP");
      const args = [address(watched), PORT, String(length)];
      if (load !== "http") {
        const report = await runTool<{ bytes: number; seconds: number }>(client, "tcp", ["bulk", ...args]);
        return report.bytes / report.seconds;
      }
      const report = await runTool<{ requests: number; seconds: number }>(client, "tcp", [
        "load",
        ...args,
        CONNECTIONS,
      ]);
      return report.requests / report.seconds;
    };
    await turn(true, 0.3);
    await turn(false, 0.3);
    const rates: { watched: number[]; without: number[]; ratios: number[] } = {
      watched: [],
      without: [],
      ratios: [],
    };
    for (let round = 0; round < rounds; round++) {
      const first = await turn(round % 2 === 0);
      const second = await turn(round % 2 !== 0);
      const [watched, without] = round % 2 === 0 ? [first, second] : [second, first];
      rates.watched.push(watched);
      rates.without.push(without);
      rates.ratios.push(watched / without);
    }
    rig.child!.kill("SIGCONT");
    const status = await rig.settled();
    return {
      load,
      without: median(rates.without),
      watched: median(rates.watched),
      ratio: median(rates.ratios),
      cpuNs: status.workers[0]!.cpu_ns / Math.max(1, status.counters.frames),
      lost: status.host!.lost.packets,
    };
  } finally {
    rig.child?.kill("SIGCONT");
    rig.close();
  }
}

async function startServer(namespace: Namespace, load: Load): Promise<void> {
  if (load !== "http") {
    await (await startTool(namespace, "tcp", ["sink", PORT])).ready;
    return;
  }
  const child: ChildProcess = namespace.spawn(process.execPath, ["-e", HTTP_SERVER], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  await new Promise((resolve) => child.stderr!.once("data", resolve));
  await sleep(100);
}
