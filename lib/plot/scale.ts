/** Scales: from values to px, with ticks where people expect them and labels that they can read. */

export interface Tick {
  at: number;
  label: string;
}

export interface Scale {
  /** px of a value; values outside the domain lie outside the range. */
  (value: number): number;
  ticks: Tick[];
}

type Span = readonly [from: number, to: number];

/** From 0 (or the domain's start) in steps of 1, 2 or 5 times a power of ten; the domain is widened to whole steps. */
export function linearScale(domain: Span, range: Span, count = 5): Scale {
  const [low, high] = domain;
  const step = niceStep((high - low) / count || 1);
  const top = Math.ceil(high / step - 1e-9) * step || step;
  const ticks: Tick[] = [];
  for (let k = Math.ceil(low / step); k * step <= top * (1 + 1e-9); k++) {
    ticks.push({ at: k * step, label: siText(k * step) });
  }
  return Object.assign((value: number) => project(value, [low, top], range), { ticks });
}

/** Powers of ten, or of `base`; with few decades also their multiples. `low` > 0. */
export function logScale(domain: Span, range: Span): Scale {
  const [low, high] = domain.map(Math.log10) as [number, number];
  const every = Math.max(1, Math.ceil((high - low) / 8));
  const ticks: Tick[] = [];
  for (let power = Math.ceil(low - 1e-9); power <= high + 1e-9; power++) {
    if (power % every === 0) ticks.push({ at: 10 ** power, label: powerText(power) });
    for (const factor of high - low < 1.2 ? [2, 5] : []) {
      const at = factor * 10 ** power;
      if (at <= domain[1]) ticks.push({ at, label: siText(at) });
    }
  }
  return Object.assign((value: number) => project(Math.log10(value), [low, high], range), { ticks });
}

/** Times in ms since 1970 UTC; labels name what changes from tick to tick. */
export function timeScale(domain: Span, range: Span, count = 8): Scale {
  const span = domain[1] - domain[0];
  const step =
    TIME_STEPS.find((candidate) => span / candidate <= count) ?? niceStep(span / count / DAY) * DAY;
  const ticks: Tick[] = [];
  for (let at = Math.ceil(domain[0] / step) * step; at <= domain[1]; at += step) {
    ticks.push({ at, label: timeText(at, step) });
  }
  return Object.assign((value: number) => project(value, domain, range), { ticks });
}

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const TIME_STEPS = [
  ...[1, 2, 5, 10, 20, 50, 100, 200, 500],
  ...[1, 2, 5, 10, 15, 30].map((n) => n * SECOND),
  ...[1, 2, 5, 10, 15, 30].map((n) => n * MINUTE),
  ...[1, 2, 3, 6, 12].map((n) => n * HOUR),
  ...[1, 2, 7, 14].map((n) => n * DAY),
];

function timeText(at: number, step: number): string {
  const iso = new Date(at).toISOString();
  if (step >= DAY) return iso.slice(0, 10);
  if (step >= MINUTE) return at % DAY === 0 ? iso.slice(5, 10) : iso.slice(11, 16);
  return step >= SECOND ? iso.slice(11, 19) : iso.slice(14, 23);
}

function project(value: number, [low, high]: Span, [from, to]: Span): number {
  return high === low ? (from + to) / 2 : from + ((value - low) / (high - low)) * (to - from);
}

function niceStep(least: number): number {
  const power = 10 ** Math.floor(Math.log10(least));
  const factor = [1, 2, 5, 10].find((candidate) => candidate * power >= least * (1 - 1e-9))!;
  return factor * power;
}

const PREFIXES = ["", "k", "M", "G", "T", "P", "E"];

/** 1500 is 1.5k; what is exact in four digits stays so. */
export function siText(value: number): string {
  if (value !== 0 && Math.abs(value) < 1) return String(Number(value.toPrecision(3)));
  const power = Math.min(
    PREFIXES.length - 1,
    Math.floor(Math.log10(Math.max(1, Math.abs(value))) / 3 + 1e-9),
  );
  return `${Number((value / 1000 ** power).toPrecision(4))}${PREFIXES[power]}`;
}

/** A power of ten: 0.01, 1, 1k, 1M. */
const powerText = (power: number): string =>
  power < -4 || power > 18 ? `1e${power}` : siText(Number(`1e${power}`));

/** A count with its thousands apart. */
export const countText = (value: number): string => value.toLocaleString("en-US");
