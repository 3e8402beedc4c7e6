/** One small capture, the same every time: 40 packets between a few hosts. */
import { eth, pcapFile } from "../pcap/writer.js";

export const PACKETS = 40;

export const exampleCapture = (): Uint8Array<ArrayBuffer> =>
  pcapFile(
    Array.from({ length: PACKETS }, (_, i) => ({
      data: eth()
        .ipv4(`10.0.0.${i % 5}`, `10.0.1.${i % 7}`)
        .udp(1000 + i, 53, (i * 31) % 200)
        .bytes(),
      timestamp: 1_700_000_000_000_000_000n + BigInt(i) * 1_000_000n,
    })),
  );
