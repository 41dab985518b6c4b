/**
 * A line of an axis with its label. `at` is its place: 0 at the start of the axis, 1 at its end.
 */
export interface Tick {
  readonly at: number;
  readonly label: string;
}

/**
 * A range of numbers on an axis. The charts draw places between 0 and 1 instead of the numbers. The
 * chart library would compute ticks of its own, and it fails on limits that are not round in
 * binary.
 */
export interface Scale {
  readonly low: number;
  readonly high: number;
  readonly ticks: readonly Tick[];
  /** Place of a number: 0 at `low`, 1 at `high`. Numbers outside of the range lie at its ends. */
  place(value: number): number;
}

/** The numbers that a picture can show. Beyond them, sums and quotients leave the double range. */
const least = 1e-100;
const greatest = 1e100;
/** More lines than this cannot be distinguished. */
const mostTicks = 12;

/** The smallest range of round numbers around `values`, in about so many steps. Never below 0. */
export function linearScale(values: readonly number[], leastSpan = 0, steps = 6): Scale {
  const shown = values.map((value) => Math.min(Math.max(value, 0), greatest));
  const [from, to] = [Math.min(...shown), Math.max(...shown)];
  // Steps that are tiny beside the values would have the same label.
  const span = Math.max(to - from || to, leastSpan, to * 1e-6) || 1;
  const step = roundUp(span / steps);
  const first = Math.max(0, Math.floor(from / step - 0.25));
  const last = Math.max(first + 1, Math.ceil(to / step + 0.25));
  const every = Math.ceil((last - first) / mostTicks);
  const ticks: Tick[] = [];
  for (let tick = first; tick <= last; tick += every)
    ticks.push({ at: (tick - first) / (last - first), label: plain(tick * step, 10) });
  const [low, high] = [first * step, last * step];
  return { low, high, ticks, place: (value) => unit((value - low) / (high - low)) };
}

/** A logarithmic range around `values` (all above 0), with space for a label above and below. */
export function logScale(values: readonly number[]): Scale {
  const logs = values.map((value) => Math.log10(Math.min(Math.max(value, least), greatest)));
  const [from, to] = [Math.min(...logs), Math.max(...logs)];
  // At least 0.4 decades in all, so that one of 1, 2 and 5 lies within.
  const margin = Math.max(0.2, (to - from) * 0.2);
  const [low, high] = [from - margin, to + margin];
  const place = (log: number) => unit((log - low) / (high - low));
  return {
    low: 10 ** low,
    high: 10 ** high,
    ticks: logTicks(low, high).map((log) => ({ at: place(log), label: plain(10 ** log, 3) })),
    place: (value) => place(Math.log10(Math.max(value, least))),
  };
}

/** Logarithms of 1, 2 and 5 times powers of ten; of powers alone where those are enough. */
function logTicks(low: number, high: number): number[] {
  const factors = high - low > 3 ? [1] : [1, 2, 5];
  const every = Math.ceil((high - low) / mostTicks);
  const ticks: number[] = [];
  for (let power = Math.floor(low); power <= high; power += every)
    ticks.push(...factors.map((factor) => power + Math.log10(factor)));
  return ticks.filter((tick) => tick >= low && tick <= high);
}

/** The next of 1, 2, 5 times a power of ten. */
function roundUp(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value));
  return power * ([1, 2, 5].find((factor) => factor * power >= value) ?? 10);
}

function unit(value: number): number {
  return Math.min(1, Math.max(0, value));
}

/** A number rounded to `digits` significant digits, without trailing zeros. */
export function plain(value: number, digits: number): string {
  return String(Number(value.toPrecision(digits)));
}
