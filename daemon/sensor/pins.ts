/** Where mode inline pins what bridges without a sensor: in a BPF file system, a folder for each interface. */
import { join } from "node:path";

/** The BPF file system that sparsewire-bpf.service mounts. */
export const UNIT_PINS = "/run/sparsewire-bpf";
const FOLDER = "inline";

/** The folder of all interfaces, in the BPF file system `pins`. */
export const pinsOf = (pins: string): string => join(pins, FOLDER);

/** Where an interface's links are pinned. A BPF file system reserves the dot, and no interface's name has a colon. */
export const pinFolder = (pins: string, name: string): string =>
  join(pinsOf(pins), name.replaceAll(".", ":"));

/** The interface of a folder in pinsOf(). */
export const pinnedInterface = (folder: string): string => folder.replaceAll(":", ".");
