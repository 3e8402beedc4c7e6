import { type CapturedFrame, isEthernet, readCapture, writeEthernetPcap } from "./frames.js";
import type { Namespace } from "./netns.js";
import { runTool } from "./tool.js";

const ETHERNET_BYTES = 14;
const VLAN_TAG_BYTES = 4;

export interface ReplayOptions {
  /** Frames a second (default 20,000: nothing is lost anywhere); 0: as fast as it goes. */
  rate?: number;
  /** MTU of the interface (default 1500): larger frames are not sendable. */
  mtu?: number;
  /** Pads frames that the capture cut short with zeros to their length on the wire (default false). */
  pad?: boolean;
}

export interface ReplayReport {
  /** Frames and bytes handed to the interface. */
  frames: number;
  bytes: number;
  /** How often the interface asked to wait; nothing was lost by it. */
  retries: number;
  /** The very frames that were sent, for a test to compute its truth from. */
  sent: Uint8Array[];
  /** Records that cannot travel on Ethernet, by reason. */
  skipped: { notEthernet: number; short: number; long: number };
  /** Frames that were sent shorter than they were on the wire, because the capture has no more of them. */
  cut: number;
}

/**
 * Replays a capture file out of an interface, byte by byte, through AF_PACKET.
 *
 * Not sendable, and reported in `skipped`: records of other link types, frames below 14 bytes and frames above
 * mtu + 14 (+ 4 with a VLAN tag), which the kernel refuses.
 */
export async function replayFile(
  namespace: Namespace,
  interfaceName: string,
  path: string,
  options: ReplayOptions = {},
): Promise<ReplayReport> {
  return replayFrames(namespace, interfaceName, readCapture(path), options);
}

/** As {@link replayFile}, for frames a test has made or read itself. */
export async function replayFrames(
  namespace: Namespace,
  interfaceName: string,
  frames: readonly CapturedFrame[],
  options: ReplayOptions = {},
): Promise<ReplayReport> {
  const skipped = { notEthernet: 0, short: 0, long: 0 };
  const sent: Uint8Array[] = [];
  let cut = 0;
  for (const frame of frames) {
    const bytes = options.pad === true ? padded(frame) : frame.bytes;
    const reason = obstacle(frame, bytes, options.mtu ?? 1500);
    if (reason !== undefined) skipped[reason]++;
    else sent.push(bytes);
    if (reason === undefined && bytes.byteLength < frame.length) cut++;
  }
  const args = [interfaceName, String(options.rate ?? 20_000)];
  const report = await runTool<{ frames: number; bytes: number; retries: number }>(
    namespace,
    "replay",
    args,
    { input: writeEthernetPcap(sent) },
  );
  return { ...report, sent, skipped, cut };
}

function padded(frame: CapturedFrame): Uint8Array {
  if (frame.bytes.byteLength >= frame.length) return frame.bytes;
  const bytes = new Uint8Array(frame.length);
  bytes.set(frame.bytes);
  return bytes;
}

function obstacle(
  frame: CapturedFrame,
  bytes: Uint8Array,
  mtu: number,
): "notEthernet" | "short" | "long" | undefined {
  if (!isEthernet(frame)) return "notEthernet";
  if (bytes.byteLength < ETHERNET_BYTES) return "short";
  const tagged = bytes[12] === 0x81 && bytes[13] === 0x00;
  if (bytes.byteLength > mtu + ETHERNET_BYTES + (tagged ? VLAN_TAG_BYTES : 0)) return "long";
  return undefined;
}
