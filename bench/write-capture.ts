/**
 * Writes a capture made of arithmetic: `node dist/bench/write-capture.js FILE PACKETS [uniform|zipf|distinct]`. FILE may be
 * /dev/stdout: 2^26 packets for `sparsewire ingest -` need no disk. PACKETS may be 2^26.
 */
import { FILE_DISTRIBUTIONS, type FileDistribution, writeCaptureFile } from "./capture-file.js";

const [path, count = "", distribution = "zipf"] = process.argv.slice(2);
const packets = count.startsWith("2^") ? 2 ** Number(count.slice(2)) : Number(count);
if (
  path === undefined ||
  !(packets >= 0 && packets <= 2 ** 32) ||
  !FILE_DISTRIBUTIONS.includes(distribution as FileDistribution)
) {
  process.stderr.write(`usage: write-capture FILE PACKETS [${FILE_DISTRIBUTIONS.join("|")}]\n`);
  process.exit(2);
}
writeCaptureFile(path, packets, distribution as FileDistribution);
