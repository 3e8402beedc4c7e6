/** What the main thread and the intake thread say to each other. */
import type { Manifest } from "../../lib/manifest.js";
import type { RefusalOptions } from "./refusal.js";
import type { UploadIdentity } from "./upload-request.js";

export interface IntakeSettings {
  memoryBytes: number;
}

/** One received file that is to be checked. */
export interface IntakeJob {
  id: number;
  path: string;
  /** Bytes of the file. */
  length: number;
  identity: UploadIdentity;
  linksMax: number;
}

export type IntakeAnswer =
  | { id: number; type: "sound"; manifest: Manifest }
  | { id: number; type: "refused"; message: string; options: RefusalOptions }
  /** The file could not be read. */
  | { id: number; type: "disk"; code: string; message: string };
