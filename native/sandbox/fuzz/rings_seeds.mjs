/** Inputs that rings_fuzz.c starts from: frames received, breaths and seals, in its own commands. */
import { randomFrame } from "../../../dist/test/sandbox/frames.js";
import { Random } from "../../../dist/test/sandbox/random.js";

export function seeds(seed) {
  const random = new Random(seed);
  return Array.from({ length: 100 }, () => {
    const commands = [[1]];
    for (let i = random.below(60); i > 0; i--) {
      const frame = randomFrame(random, 1).subarray(0, 255);
      commands.push([0, frame.length, Number(random.chance(0.1)), ...frame]);
      if (random.chance(0.2)) commands.push([5, 0, random.below(256)]);
      if (random.chance(0.05)) commands.push([6], [7, 0, 9]);
    }
    return Buffer.from(commands.flat());
  });
}
