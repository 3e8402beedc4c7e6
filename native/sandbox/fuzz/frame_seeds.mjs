/** Inputs that frame_fuzz.c starts from: frames of every link type behind the byte that chooses it. */
import { randomFrame } from "../../../dist/test/sandbox/frames.js";
import { Random } from "../../../dist/test/sandbox/random.js";

/** In the order of LINK_TYPES in frame_fuzz.c. */
const LINK_TYPES = [1, 101, 12, 14, 228, 229, 0, 108, 113, 276, 9999];

export function seeds(seed) {
  const random = new Random(seed);
  return Array.from({ length: 300 }, (_, i) => {
    const choice = i % LINK_TYPES.length;
    return Buffer.concat([Uint8Array.of(choice), randomFrame(random, LINK_TYPES[choice])]);
  });
}
