import type { GeneratorOptions } from "../generator/generator.js";
import type { Receiver, Trial } from "./receiver.js";

/** Halvings of the interval between a rate that lost and one that did not. */
const STEPS = 6;
/** A rate counts as loss-free when one of so many trials is: a shared machine takes its time away now and then. */
const TRIES = 2;

/** True when every frame that was handed over is among those the receiver has. */
export function isLossFree(trial: Trial): boolean {
  return trial.sent.exact && trial.counted >= trial.sent.frames;
}

/**
 * The highest rate a receiver takes without losing a frame, in frames a second: as really sent, found by halving
 * below the fastest the sender goes. 0 when there is none.
 */
export async function highestRate(
  receiver: Receiver,
  traffic: GeneratorOptions,
  steps = STEPS,
): Promise<{ rate: number; fastest: boolean }> {
  const flatOut = await receiver.trial({ ...traffic, rate: 0 });
  if (isLossFree(flatOut)) return { rate: flatOut.sent.rate, fastest: true };
  let [low, high] = [0, flatOut.sent.rate];
  for (let step = 0; step < steps; step++) {
    const middle = (low + high) / 2;
    const reached = await lossFreeRate(receiver, { ...traffic, rate: Math.round(middle) });
    if (reached === undefined) high = middle;
    else low = Math.max(low, Math.min(reached, middle));
  }
  return { rate: low, fastest: false };
}

async function lossFreeRate(receiver: Receiver, traffic: GeneratorOptions): Promise<number | undefined> {
  for (let attempt = 0; attempt < TRIES; attempt++) {
    const trial = await receiver.trial(traffic);
    if (isLossFree(trial)) return trial.sent.rate;
  }
  return undefined;
}
