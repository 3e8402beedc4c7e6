/** Which source a mode means. */
import { EXIT, SparsewireError } from "../../lib/errors.js";
import { loadHashKey } from "../capture/hash-key.js";
import type { SensorConfig } from "./config.js";
import { FileSource } from "./file-source.js";
import { LiveSource } from "./live-source.js";
import type { FrameSource } from "./source.js";

export function openSource(config: SensorConfig): FrameSource {
  switch (config.mode) {
    case "mirror":
      return new LiveSource(config, loadHashKey(config.ipv6.hash_key_file).words);
    case "host":
    case "inline":
      throw new SparsewireError("MODE_UNSUPPORTED", `mode ${config.mode} is not supported here`, {
        exit: EXIT.unsupported,
        mend: "use mode mirror or pcap",
      });
    case "pcap":
      return new FileSource(config);
  }
}
