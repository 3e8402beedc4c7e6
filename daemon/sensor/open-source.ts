/** Which source a mode means. */
import { endEarly } from "../capture/capture-thread.js";
import { loadHashKey } from "../capture/hash-key.js";
import { extensionsOfSensor } from "../extension/source-extensions.js";
import type { Logger } from "../log.js";
import type { SensorConfig } from "./config.js";
import { FileSource } from "./file-source.js";
import { HostSource } from "./host-source.js";
import { InlineSource } from "./inline-source.js";
import { LiveSource } from "./live-source.js";
import type { FrameSource } from "./source.js";

export function openSource(config: SensorConfig, logger?: Logger): FrameSource {
  const extensions = extensionsOfSensor(config, logger);
  switch (config.mode) {
    case "mirror":
      return new LiveSource(config, loadHashKey(config.ipv6.hash_key_file).words, extensions);
    case "host":
      return new HostSource(config, loadHashKey(config.ipv6.hash_key_file).words, logger, extensions);
    case "inline":
      return new InlineSource(config, loadHashKey(config.ipv6.hash_key_file).words, logger, extensions);
    case "pcap":
      endEarly();
      return new FileSource(config, extensions);
  }
}
