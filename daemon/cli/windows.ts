/** Windows of packets one after the other, out of whatever a command names: what temporal quantities are made of. */
import { basename } from "node:path";
import type { GraphBLAS, Matrix } from "graphblas-wasm";
import { decodeArchive } from "../../lib/archive.js";
import { naturalOrder } from "../../lib/challenge.js";
import { EXIT, SparsewireError } from "../../lib/errors.js";
import { trafficOf } from "../../lib/traffic.js";
import { hasManifest, TarFile, tarTree } from "../challenge/tar-tree.js";
import { warn } from "./command.js";
import { foreignMatrices } from "./foreign.js";
import { attempt, readArchiveFile, type Source, sourcesOf } from "./sources.js";
import { inFile } from "./sum.js";

/**
 * Hands over the IPv4 packets of each window, the receiver's to free: captures are cut into windows of `packets`, an archive
 * and a matrix of a Graph Challenge tar are a window each. Archives come by the times in their names if all have one,
 * else as they are named. True when a capture ended early.
 *
 * @throws SparsewireError WINDOW for an archive of more than `packets` packets, and what reading throws
 */
export async function eachWindow(
  grb: GraphBLAS,
  paths: string[],
  packets: number,
  use: (window: Matrix) => void,
): Promise<boolean> {
  const checked = (name: string, window: Matrix): void => {
    const held = Number(window.reduce("plus"));
    if (held > 0 && held <= packets) use(window);
    else window.dispose();
    if (held <= packets) return;
    throw new SparsewireError("WINDOW", `${name} has a window of ${held} packets, more than ${packets}`, {
      exit: EXIT.badInput,
      mend: `write it with sparsewire ingest --window-packets ${packets}`,
    });
  };
  let damaged = false;
  let captures: string[] = [];
  for (const source of [...inTimeOrder([...sourcesOf(paths)]), undefined]) {
    if (source?.kind === "capture") captures.push(source.path);
    else {
      if (captures.length > 0) damaged = (await captureWindows(grb, captures, packets, use)) || damaged;
      captures = [];
      if (source !== undefined) archiveWindows(grb, source.path, checked);
    }
  }
  return damaged;
}

function inTimeOrder(sources: Source[]): Source[] {
  const name = ({ path }: Source): string => basename(path);
  if (!sources.every((source) => source.kind === "archive" && /^\d{8}/.test(name(source)))) return sources;
  return sources.sort((a, b) => naturalOrder(name(a), name(b)));
}

function archiveWindows(grb: GraphBLAS, path: string, use: (name: string, window: Matrix) => void): void {
  const ours = (bytes: Uint8Array): void => {
    const traffic = trafficOf(grb, decodeArchive(bytes));
    const packets = traffic.v4?.packets.dup();
    traffic.dispose();
    if (packets !== undefined) use(path, packets);
  };
  using tar = attempt(path, () => new TarFile(path));
  try {
    if (hasManifest(tar)) ours(readArchiveFile(path));
    else {
      for (const node of tarTree(tar, path)) {
        if (node.kind === "archive") ours(node.read());
        else for (const matrix of foreignMatrices(grb, node)) use(path, matrix);
      }
    }
  } catch (error) {
    throw inFile(path, error);
  }
}

async function captureWindows(
  grb: GraphBLAS,
  files: string[],
  windowPackets: number,
  use: (window: Matrix) => void,
): Promise<boolean> {
  const { ingestFiles } = await import("../capture/ingest.js");
  const report = await ingestFiles({
    files,
    windowPackets,
    encoding: "challenge",
    sink: (blob, { packets }) => {
      if (packets > 0) use(grb.deserialize(blob));
    },
  });
  return report.files.some(({ file, damaged }) => {
    if (damaged === undefined) return false;
    warn(`${file} is damaged at byte ${damaged.offset} (${damaged.what}); what precedes it is counted`);
    return true;
  });
}
