import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type CapturedFrame, readCapture } from "./frames.js";
import type { Namespace } from "./netns.js";

/** Why tcpdump cannot be used here, or undefined. */
export function tcpdumpSkipReason(): string | undefined {
  return spawnSync("tcpdump", ["--version"]).error === undefined ? undefined : "tcpdump is not installed";
}

/** tcpdump at work on an interface, for tests that want a second opinion on what arrived. */
export interface Recording {
  /** Ends it and returns every frame it saw. */
  stop(): Promise<CapturedFrame[]>;
}

/** Starts recording; resolves when tcpdump listens, so that no frame sent afterwards is missed. */
export async function record(namespace: Namespace, interfaceName: string): Promise<Recording> {
  const folder = mkdtempSync(join(tmpdir(), "sparsewire-record-"));
  const file = join(folder, "seen.pcap");
  // As root throughout (-Z): the folder is closed to the user tcpdump would become.
  const args = ["-i", interfaceName, "-U", "--immediate-mode", "-B", "65536", "-Z", "root", "-w", file];
  const child = namespace.spawn("tcpdump", args, { stdio: ["ignore", "ignore", "pipe"] });
  const closed = new Promise<void>((resolve) => child.once("close", () => resolve()));
  await new Promise<void>((resolve, reject) => {
    child.stderr?.on("data", (data: Buffer) => /listening on/.test(String(data)) && resolve());
    child.once("close", (code) => reject(new Error(`tcpdump ended early with ${code}`)));
    child.once("error", reject);
  });
  return {
    async stop() {
      // What is already in the ring of tcpdump is written first.
      await new Promise((resolve) => setTimeout(resolve, 300));
      child.kill("SIGINT");
      await closed;
      const frames = readCapture(file);
      rmSync(folder, { recursive: true, force: true });
      return frames;
    },
  };
}
