/**
 * A discrete power law p(x) = x^-alpha / zeta(alpha, xmin), x >= xmin, by maximum likelihood; xmin is the one whose fit is
 * nearest to the data in the sense of Kolmogorov and Smirnov (Clauset, Shalizi, Newman: Power-law distributions in empirical
 * data, SIAM Review 51, 2009). It is a fit, not a test: any data have one.
 */

/** Distinct values, ascending, with how often each came. */
export interface Histogram {
  values: Float64Array;
  counts: Float64Array;
}

export interface PowerLaw {
  alpha: number;
  /** Standard error of alpha, (alpha - 1) / sqrt(tail). */
  error: number;
  /** Least value that the law covers. */
  xmin: number;
  /** How many observations it covers. */
  tail: number;
  /** Largest distance between the two distribution functions, 0 to 1. */
  distance: number;
}

/** Fewer observations beyond xmin, or fewer distinct values, have no slope to speak of. */
const TAIL_MIN = 25;
const DISTINCT_MIN = 4;
const CANDIDATES_MAX = 48;
const PROBES_MAX = 160;
const ALPHA_RANGE = [1.01, 8] as const;

/** undefined where there is too little to fit. Time is bounded whatever the size of the histogram. */
export function fitPowerLaw({ values, counts }: Histogram): PowerLaw | undefined {
  const { length } = values;
  // Sums over the tail from each value on.
  const tails = new Float64Array(length + 1);
  const logs = new Float64Array(length + 1);
  for (let at = length - 1; at >= 0; at--) {
    tails[at] = tails[at + 1]! + counts[at]!;
    logs[at] = logs[at + 1]! + counts[at]! * Math.log(values[at]!);
  }
  let best: PowerLaw | undefined;
  for (const from of spread(0, length - DISTINCT_MIN, CANDIDATES_MAX)) {
    if (tails[from + 1]! < TAIL_MIN) break;
    const [xmin, tail] = [values[from]!, tails[from]!];
    const alpha = likeliest(xmin, tail, logs[from]!);
    // At the edge of the range there is no such law, only values that are all alike.
    if (alpha < ALPHA_RANGE[0] + 0.01 || alpha > ALPHA_RANGE[1] - 0.01) continue;
    const distance = farthest(values, tails, from, alpha);
    if (best === undefined || distance < best.distance) {
      best = { alpha, error: (alpha - 1) / Math.sqrt(tail), xmin, tail, distance };
    }
  }
  return best;
}

/** How many observations of exactly x the law expects. */
export const expectedCount = ({ alpha, xmin, tail }: PowerLaw, x: number): number =>
  (tail * x ** -alpha) / hurwitzZeta(alpha, xmin);

/** Minimum of the negative log-likelihood, which is convex, by golden section. */
function likeliest(xmin: number, tail: number, logSum: number): number {
  const cost = (alpha: number): number => tail * Math.log(hurwitzZeta(alpha, xmin)) + alpha * logSum;
  const golden = (Math.sqrt(5) - 1) / 2;
  let [low, high] = ALPHA_RANGE as readonly [number, number];
  let [a, b] = [high - golden * (high - low), low + golden * (high - low)];
  let [costA, costB] = [cost(a), cost(b)];
  while (high - low > 1e-6) {
    if (costA < costB) {
      [high, b, costB] = [b, a, costA];
      a = high - golden * (high - low);
      costA = cost(a);
    } else {
      [low, a, costA] = [a, b, costB];
      b = low + golden * (high - low);
      costB = cost(b);
    }
  }
  return (low + high) / 2;
}

function farthest(values: Float64Array, tails: Float64Array, from: number, alpha: number): number {
  const whole = hurwitzZeta(alpha, values[from]!);
  let distance = 0;
  for (const at of spread(from, values.length - 1, PROBES_MAX)) {
    const seen = tails[at + 1]! / tails[from]!;
    distance = Math.max(distance, Math.abs(seen - hurwitzZeta(alpha, values[at]! + 1) / whole));
  }
  return distance;
}

/** Whole numbers from low to high, all of them or about `most`, denser at the start. */
function* spread(low: number, high: number, most: number): Generator<number> {
  const count = high - low + 1;
  let last = -1;
  for (let k = 0; k < Math.min(count, most); k++) {
    const at = count <= most ? k : Math.round(count ** (k / (most - 1))) - 1;
    if (at > last) yield low + (last = at);
  }
}

/** Sum over k >= 0 of (q + k)^-s, for s > 1 and q >= 1: the first terms, then Euler and Maclaurin's formula. */
export function hurwitzZeta(s: number, q: number): number {
  const terms = 10;
  let sum = 0;
  for (let k = 0; k < terms; k++) sum += (q + k) ** -s;
  const x = q + terms;
  const power = x ** -s;
  const b2 = (s * power) / (12 * x);
  const b4 = (s * (s + 1) * (s + 2) * power) / (720 * x ** 3);
  const b6 = (s * (s + 1) * (s + 2) * (s + 3) * (s + 4) * power) / (30240 * x ** 5);
  return sum + (x * power) / (s - 1) + power / 2 + b2 - b4 + b6;
}
