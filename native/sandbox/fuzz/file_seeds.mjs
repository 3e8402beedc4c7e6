/** Inputs that file_fuzz.c starts from: generated captures of every format behind its four choosing bytes. */
import { Random } from "../../../dist/test/pcap/fuzz.js";
import { generate } from "../../../dist/test/sandbox/file-generate.js";

export function seeds(seed) {
  const random = new Random(seed);
  return Array.from({ length: 200 }, () =>
    Buffer.concat([random.bytes(4), generate(random, random.int(20)).file]),
  );
}
