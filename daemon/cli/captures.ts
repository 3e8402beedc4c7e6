/** Capture files as a source of a command: through the sandbox, with a warning for each that ended early. */
import type { IngestOptions } from "../capture/ingest.js";
import { warn } from "./command.js";

/** Hands every archive that the files give to `sink`; true when one of the files is damaged. */
export async function readCaptures(
  files: string[],
  window: Pick<IngestOptions, "whole" | "intervalNs">,
  sink: (archive: Uint8Array) => void,
): Promise<boolean> {
  const { ingestFiles } = await import("../capture/ingest.js");
  const report = await ingestFiles({ files, ...window, sink: (archive) => sink(archive) });
  let isDamaged = false;
  for (const { file, damaged } of report.files) {
    if (damaged === undefined) continue;
    isDamaged = true;
    warn(`${file} is damaged at byte ${damaged.offset} (${damaged.what}); what precedes it is counted`);
  }
  return isDamaged;
}
