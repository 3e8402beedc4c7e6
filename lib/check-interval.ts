/**
 * What the manifest of one sealed interval may say. The schema is that of sums as well, of any number of sensors; an
 * interval says less, and has bounds that no honest one comes near.
 */
import { EXIT, SparsewireError } from "./errors.js";
import type { Manifest } from "./manifest.js";

/** Bytes of manifest.json. The largest honest one has 20 kB: shedding, extensions and a hundred crashed runs. */
export const INTERVAL_MANIFEST_BYTES_MAX = 1 << 18;
/** Sequence numbers that one interval may pass over: a year of intervals of 10 ms. */
export const SEQUENCE_JUMP_MAX = 2 ** 32;
/** Smallest share that is sampled. Ours go to 1 in 4096. */
const SAMPLING_MIN = 2 ** -16;

const LENGTHS_MAX = { members: 64, previous: 128, lost: 64, extensions: 32, forward: 2 } as const;

/** Modes of what is made of intervals. */
const SUM_MODES = new Set<Manifest["mode"]>(["rollup", "sum"]);

/** Throws NOT_AN_INTERVAL when the manifest is that of a sum, BAD_MANIFEST when it is beyond a bound. */
export function checkInterval(manifest: Manifest): void {
  const { mode, extensions = {}, shed, sampling } = manifest;
  if (SUM_MODES.has(mode)) throw notOne(`a ${mode} is not a sealed interval`);
  if (manifest.intervals !== 1) throw notOne("it does not hold exactly one interval");
  for (const key of ["parts", "saturated", "extensions_omitted"] as const)
    if (manifest[key] !== undefined) throw notOne(`it has ${key}, which only sums have`);
  if (
    Object.entries(extensions).some(([name, { intervals }]) => name.includes("@") || intervals !== undefined)
  )
    throw notOne("an extension of it is that of a sum");
  for (const [key, most] of Object.entries(LENGTHS_MAX)) {
    const length = Object.keys(manifest[key as keyof typeof LENGTHS_MAX] ?? {}).length;
    if (length > most) throw bad(`${key} has ${length} entries, an interval has ${most} at most`);
  }
  const rates = [sampling, ...(shed === undefined ? [] : [shed.rate_min, shed.rate_max])];
  if (rates.some((rate) => rate < SAMPLING_MIN)) throw bad(`a sampling rate is below ${SAMPLING_MIN}`);
}

const notOne = (what: string): SparsewireError =>
  new SparsewireError("NOT_AN_INTERVAL", what, {
    exit: EXIT.badInput,
    mend: "send sealed intervals as a sensor writes them; sums are made here",
  });

const bad = (what: string): SparsewireError =>
  new SparsewireError("BAD_MANIFEST", `not a sound manifest: ${what}`, {
    exit: EXIT.badInput,
    mend: "send the interval as the sensor wrote it",
  });
