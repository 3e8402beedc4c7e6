import { type Manifest, TrafficMatrix, type TrafficMatrixFigures } from "../../daemon/service/index.js";
import type { BenchOptions, Row, RowGroup } from "../report.js";

/** Observations of a burst: fewer than the log holds while the worker does nothing. */
const BURST = 3 << 20;
/** What a service is to be able to do for as long as it likes. */
const SUSTAINED_RATE = 10e6;
const LINKS = 1 << 16;
/** Addresses of the burst as text. */
const TEXTS = 1 << 12;

/** TrafficMatrix in one thread: how fast `observe` appends, what a seal blocks, and whether the worker keeps up. */
export const observeGroup: RowGroup = {
  name: "observe",
  about: "sensing inside a service: observe() per second, the longest block at a seal",
  run: async (options, say) => {
    say("bursts");
    const rows = [
      await burst("observe4(numbers)", options, (matrix, i) => matrix.observe4(sourceOf(i), 0xc0000201, 900)),
      await burst("observe(numbers)", options, (matrix, i) => matrix.observe(sourceOf(i), 0xc0000201, 900)),
      await burst("observe(text)", options, (matrix, i) => matrix.observe(textOf(i), "192.0.2.1", 900)),
    ];
    say(`${SUSTAINED_RATE / 1e6} M/s`);
    return [...rows, ...(await sustained(options))];
  },
};

const sourceOf = (i: number): number => 0x0a000000 + (Math.imul(i, 0x9e3779b1) >>> 16);
const texts = Array.from({ length: TEXTS }, (_, i) => `10.0.${i >> 8}.${i & 255}`);
const textOf = (i: number): string => texts[i & (TEXTS - 1)]!;

/** The best of several bursts, each into a log that is empty. */
async function burst(
  subject: string,
  { smoke }: BenchOptions,
  observe: (matrix: TrafficMatrix, i: number) => void,
): Promise<Row> {
  const n = smoke ? 1 << 16 : BURST;
  const counted = new Counted();
  let shortest = Number.POSITIVE_INFINITY;
  for (let round = 0; round < (smoke ? 1 : 7); round++) {
    const start = performance.now();
    for (let i = 0; i < n; i++) observe(counted.matrix, i);
    shortest = Math.min(shortest, performance.now() - start);
    await counted.caughtUp();
  }
  const { shed } = await counted.close();
  const row = { group: "observe", what: `a burst of ${n.toLocaleString("en-US")} observations, one thread` };
  return { ...row, subject, value: n / shortest / 1000, unit: "M/s", note: `best of several; ${shed} shed` };
}

/** 10 M/s in slices of a millisecond, as a service's own work would be; and what each seal took of its thread. */
async function sustained({ seconds, smoke }: BenchOptions): Promise<Row[]> {
  const counted = new Counted();
  const rate = smoke ? SUSTAINED_RATE / 100 : SUSTAINED_RATE;
  const start = performance.now();
  let done = 0;
  for (let elapsed = 0; elapsed < seconds * 1000; elapsed = performance.now() - start) {
    const due = Math.min(Math.floor(elapsed * (rate / 1000)), done + rate / 100);
    for (; done < due; done++) counted.matrix.observe4(sourceOf(done), 0xc0000201, 900);
    await new Promise((resolve) => setImmediate(resolve));
  }
  const took = performance.now() - start;
  const { shed, accepted, blockedMsMax } = await counted.close();
  const what = `${rate / 1e6} M/s for ${seconds} s over ${LINKS.toLocaleString("en-US")} links`;
  const row = (subject: string, value: number, unit: string, note?: string): Row => {
    return { group: "observe", what, subject, value, unit, ...(note === undefined ? {} : { note }) };
  };
  return [
    row("observed", done / took / 1000, "M/s"),
    row(
      "not counted (worker too far behind)",
      shed,
      "pairs",
      `of ${(accepted + shed).toLocaleString("en-US")}`,
    ),
    row(
      "longest block of the service's thread",
      blockedMsMax,
      "ms",
      "handing over a chunk or sealing; wall clock, other processes' turns included",
    ),
  ];
}

/** A matrix whose intervals are only counted. */
class Counted {
  packets = 0;
  readonly matrix = new TrafficMatrix({
    onInterval: (_archive: Uint8Array, { packets }: Manifest) => void (this.packets += packets),
    onError: () => undefined,
  });

  /** Waits until everything so far is in a sealed interval. */
  async caughtUp(): Promise<void> {
    while (this.packets < this.matrix.figures().accepted)
      await new Promise((resolve) => setTimeout(resolve, 20));
  }

  /** Ends it; throws when a figure is wrong, because a benchmark of a wrong answer is worth nothing. */
  async close(): Promise<TrafficMatrixFigures> {
    await this.matrix.close({ timeoutMs: 60_000 });
    const figures = this.matrix.figures();
    if (this.packets !== figures.accepted)
      throw new Error(`${figures.accepted} observations, ${this.packets} in intervals`);
    return figures;
  }
}
