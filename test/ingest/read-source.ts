/** Copies a source to standard output: `node read-source.js FILE|-`, the other end of the pipe tests. */
import { writeSync } from "node:fs";
import { openSource } from "../../daemon/ingest/file-source.js";

const source = await openSource(process.argv[2]!);
const view = new Uint8Array(1 << 16);
for (let bytes = -1; bytes !== 0; ) {
  bytes = await source.fill(view);
  writeSync(1, view.subarray(0, bytes));
}
source.close();
