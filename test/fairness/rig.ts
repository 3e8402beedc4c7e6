/** An aggregator, a crowd and honest peers, each in its own process, so that none measures another's work. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { archive, NOON, put, SECOND } from "../aggregator/client.js";
import { honestPeers, type Waits } from "./honest.js";
import type { Kind } from "./peers.js";

const SERVER = fileURLToPath(new URL("../aggregator/server-process.js", import.meta.url));
const PEERS = fileURLToPath(new URL("./peers-process.js", import.meta.url));

export interface Rig {
  url: string;
  /** Honest peers for so many seconds beside a crowd. */
  beside(kind: Kind, count: number, seconds: number): Promise<Waits & { attempts: number }>;
  metrics(): Promise<string>;
  close(): Promise<void>;
}

/** Starts an aggregator that knows `sensors` sensors already. */
export async function startRig({ sensors, limits = {} }: { sensors: number; limits?: object }): Promise<Rig> {
  const folder = mkdtempSync(join(tmpdir(), "sparsewire-fairness-"));
  const config = { listen: { port: 0 }, store: { path: join(folder, "store") }, limits };
  const server = spawn(process.execPath, [SERVER, JSON.stringify(config)], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  const url = String((await once(server.stdout!, "data"))[0]).trim();
  for (let nth = 0; nth < sensors; nth++) {
    const head = { sensor: `known-${nth}`, start: NOON + BigInt(nth) * SECOND };
    await put(url, archive(head), { sensor: head.sensor });
  }
  let sequence = 0;
  return {
    url,
    async beside(kind, count, seconds) {
      const peers = spawn(process.execPath, [PEERS, kind, String(count), url], {
        stdio: ["pipe", "pipe", "inherit"],
      });
      const said = once(peers.stdout!, "data");
      const waits = await honestPeers(url, seconds, sequence);
      sequence += seconds;
      peers.stdin!.end();
      const { attempts } = JSON.parse(String((await said)[0])) as { attempts: number };
      await ended(peers);
      return { ...waits, attempts };
    },
    metrics: async () => (await fetch(`${url}/metrics`)).text(),
    async close() {
      server.kill("SIGKILL");
      await ended(server);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
}
