/** --try: which bind modes a driver offers, by binding to queue 0 for a moment. The only thing that touches anything. */
import { type Finding, findingsOf } from "./finding.js";

const { ok, warn, bad } = findingsOf("modes");

const SIZES = { rxSize: 64, fillSize: 64, completionSize: 64 };
const CHUNK_BYTES = 4096;
const CHUNKS = 64;

/** Opens a small socket on queue 0 and closes it again; no XDP program is attached, so no frame is taken. */
export async function bindFinding(name: string, bind: "copy" | "zerocopy"): Promise<Finding> {
  const { XskSocket } = await import("xdp-node");
  const umem = { size: CHUNKS * CHUNK_BYTES, chunkSize: CHUNK_BYTES } as const;
  const total = umem.size + XskSocket.ringBytes(SIZES);
  const pages = Math.ceil(total / 65_536) + 1;
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
  const check = `bind_${bind}`;
  try {
    const socket = new XskSocket({
      memory,
      umem: { offset: 0, ...umem },
      interface: name,
      queue: 0,
      rings: { offset: umem.size },
      bind,
      ...SIZES,
    });
    socket.close();
    return ok(check, `queue 0 binds in ${bind} mode`, true);
  } catch (error) {
    const { message, mend } = error as { message: string; mend?: string };
    return (bind === "zerocopy" ? warn : bad)(check, message, mend ?? "", false);
  }
}
