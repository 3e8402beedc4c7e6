/**
 * Capture files to interval archives: the file worker fills a sandbox, matrix workers encode what it seals, and the sink
 * takes the archives in order. Memory is bounded whatever the files' length.
 */
import { randomBytes } from "node:crypto";
import { availableParallelism } from "node:os";
import { basename } from "node:path";
import { type AnonymizationOptions, isAnonymizing } from "../../lib/anonymize.js";
import { EXIT, SparsewireError } from "../../lib/errors.js";
import type { ManifestHead } from "../../lib/manifest.js";
import { DROP_CAUSES, type DropCause } from "../../lib/reasons.js";
import { type ExtensionConfig, ExtensionHost, type ExtensionStatus } from "../extension/extension-host.js";
import { extensionLogger } from "../extension/say.js";
import { SOFTWARE } from "../software.js";
import { workerAnonymization } from "./anonymizer-key.js";
import { FileCapture } from "./file-capture.js";
import type { FileReport } from "./file-worker.js";
import { loadHashKey } from "./hash-key.js";
import { MatrixPool } from "./matrix-pool.js";
import type { ArchiveEncoding } from "./matrix-worker.js";

export type { FileReport } from "./file-worker.js";

export interface IngestOptions {
  /** Paths; "-" is stdin. Read one after the other as one stream. */
  files: string[];
  /** Takes each archive, in order; a rejection ends the ingest. */
  sink: (archive: Uint8Array<ArrayBuffer>, head: ManifestHead) => Promise<void> | void;
  windowPackets?: number;
  intervalNs?: bigint;
  /** One window over everything (still several archives where a budget is spent: add them up). */
  whole?: boolean;
  sensor?: string;
  hashKeyFile?: string;
  /** Anonymises every address before it is in an archive. */
  anonymization?: AnonymizationOptions;
  /** "challenge": the sink gets bare blobs as the Graph Challenge has them, and windows are of IPv4 packets alone. */
  encoding?: ArchiveEncoding;
  linkBudget?: number;
  memoryBytesMax?: number;
  /** Programs that see every frame, and make matrices of their own. */
  extensions?: readonly ExtensionConfig[];
  onProgress?: (progress: { bytesRead: number; packets: number }) => void;
}

export interface IngestReport {
  files: FileReport[];
  archives: number;
  run: string;
  extensions: ExtensionStatus[];
}

const LINK_BUDGET = 1 << 21;
const ADDRESS_BUDGET = 1 << 19;
const NO_DROPS = Object.fromEntries(DROP_CAUSES.map((cause) => [cause, 0])) as Record<DropCause, number>;

/** Throws SparsewireError CANNOT_READ for files that cannot be opened; damage inside a file is in its report. */
export async function ingestFiles(options: IngestOptions): Promise<IngestReport> {
  const key = loadHashKey(options.hashKeyFile);
  const run = randomBytes(8).toString("hex");
  const reports: FileReport[] = [];
  const extensions = extensionHost(options);
  const capture = new FileCapture({
    files: options.files,
    hashKey: key.words,
    linkBudget: options.linkBudget ?? LINK_BUDGET,
    addressBudget: ADDRESS_BUDGET,
    ipv4Only: options.encoding === "challenge",
    extensions,
    ...windowOf(options),
  });
  let fail!: (error: Error) => void;
  const failed = new Promise<never>((_resolve, reject) => {
    fail = reject;
  });
  failed.catch(() => undefined);
  let archives = 0;
  let sinking: Promise<void> = Promise.resolve();
  const pool = new MatrixPool(
    {
      memories: [capture.memory],
      memoryBytesMax: options.memoryBytesMax ?? 1 << 30,
      hashKeyId: key.id,
      ...workerAnonymization(options.anonymization, key.words),
      ...(options.encoding === undefined ? {} : { encoding: options.encoding }),
    },
    Math.max(1, availableParallelism()),
    (outcome) => {
      if (outcome.type === "failed") return fail(asError(outcome.error));
      archives++;
      extensions?.encoded(outcome.head.extensions);
      sinking = sinking.then(() => options.sink(outcome.archive, outcome.head));
      sinking.catch(fail);
    },
    fail,
  );
  try {
    let sequence = 0;
    await extensions?.start(capture.shared);
    let submitting: Promise<void> = Promise.resolve();
    const submit = (job: Parameters<MatrixPool["submit"]>[0]): void => {
      if (extensions === undefined) {
        pool.submit(job);
        return;
      }
      submitting = submitting.then(async () => {
        const collected = await extensions.collect(job.head.sequence + 1);
        pool.submit({ ...job, extensions: collected });
      });
      submitting.catch(fail);
    };
    const ended = new Promise<void>((resolve) => {
      capture.start({
        sealed: ({ slot, file }) =>
          submit({
            slots: [{ memory: 0, slot }],
            head: {
              software: SOFTWARE,
              sensor: options.sensor ?? "ingest",
              run,
              sequence: sequence++,
              interface: file === "-" ? "-" : basename(file),
              mode: "pcap",
              effective: null,
              drops: NO_DROPS,
              sampling: 1,
            },
          }),
        progress: ({ bytesRead, packets }) => options.onProgress?.({ bytesRead, packets }),
        file: (report) => reports.push(report),
        ended: resolve,
        failed: fail,
      });
    });
    await Promise.race([ended, failed]);
    await Promise.race([submitting, failed]);
    await Promise.race([pool.drained(), failed]);
    await Promise.race([sinking, failed]);
    return { files: reports, archives, run, extensions: extensions?.status() ?? [] };
  } finally {
    await capture.stop();
    await extensions?.stop();
    await pool.close();
  }
}

function extensionHost({ extensions = [], anonymization }: IngestOptions): ExtensionHost | undefined {
  if (extensions.length === 0) return undefined;
  return new ExtensionHost(extensions, {
    mode: "pcap",
    isLossless: true,
    isAnonymizing: isAnonymizing(anonymization ?? {}),
    goesOnWithout: false,
    log: extensionLogger,
  });
}

function windowOf(options: IngestOptions): { windowPackets?: number; windowNs?: bigint } {
  if (options.whole === true) return {};
  if (options.windowPackets !== undefined && options.windowPackets > 0) {
    return { windowPackets: options.windowPackets };
  }
  return { windowNs: options.intervalNs ?? 1_000_000_000n };
}

const asError = (error: unknown): Error =>
  error instanceof Error
    ? error
    : new SparsewireError("INGEST_FAILED", String(error), { exit: EXIT.failure, mend: "report this" });
