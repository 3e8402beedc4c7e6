/** Inputs that host_fuzz.c starts from: records, interfaces, breaths and seals, in its own commands. */
import { randomFrame } from "../../../dist/test/sandbox/frames.js";
import { Random } from "../../../dist/test/sandbox/random.js";

export function seeds(seed) {
  const random = new Random(seed);
  return Array.from({ length: 100 }, () => {
    const commands = [[random.chance(0.5) ? 0 : random.below(256)], [3, 4, 3, 1], [4, 4, 4, 101]];
    for (let i = random.below(60); i > 0; i--) {
      const head = randomFrame(random, 1).subarray(0, 128);
      const packets = random.chance(0.7) ? 1 : random.below(256);
      commands.push([
        0,
        0,
        packets,
        3 + random.below(3),
        0,
        5,
        220,
        head.length,
        random.below(2),
        head.length,
        ...head,
      ]);
      if (random.chance(0.2)) commands.push([0, 5, 0, random.below(256)]);
      if (random.chance(0.05)) commands.push([0, 6], [0, 8, 0, 9]);
    }
    return Buffer.from(commands.flat());
  });
}
