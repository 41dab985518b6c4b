import { total } from "../../src/ground/sum.ts";
import { fixedSecondsOf, type JobKind, secondsOf } from "./job-kind.ts";
import type { StageResult } from "./stage.ts";

/** Some jobs of a bench, and what they take in the whole series. */
export interface Line {
  readonly block: string;
  readonly work: string;
  readonly seconds: number;
  /** Of `seconds`, what an expert's jobs take whatever their rows: once a block in the series. */
  readonly fixed: { readonly seconds: number; readonly factor: number };
  /** Of the rest. */
  readonly factor: number;
  readonly arithmetic: string;
}

export const secondsIn = ({ seconds, fixed, factor }: Line) =>
  (seconds - fixed.seconds) * factor + fixed.seconds * fixed.factor;

/** Cores of the runner. */
export const cores = 3;

export function table(name: string, lines: readonly Line[], result: StageResult): string {
  const hours = lines.reduce((sum, line) => sum + secondsIn(line), 0) / 3600;
  const busy = busyOf(result).cores;
  return [
    `\n${name}\n\n| block | work | CPU s | factor | CPU h of the series |`,
    "|---|---|---:|---:|---:|",
    ...lines.map((line) => {
      const { block, work, seconds, fixed, factor, arithmetic } = line;
      const once =
        fixed.seconds === 0 ? "" : `; ${fixed.seconds.toFixed(1)} s of it ${fixed.factor}`;
      const factors = `${arithmetic} = ${factor.toFixed(1)}${once}`;
      const own = (secondsIn(line) / 3600).toFixed(3);
      return `| ${block} | ${work} | ${seconds.toFixed(1)} | ${factors} | ${own} |`;
    }),
    `| sum | | | | ${hours.toFixed(2)} |`,
    `\n${hours.toFixed(2)} CPU h / (${cores} cores × ${(100 * busy).toFixed(0)} % busy) = ` +
      `${(hours / cores / busy).toFixed(2)} h`,
  ].join("\n");
}

/**
 * Shares of the wall, with the jobs that were not computed: how long two workers had a job, and how
 * long two cores worked, the main thread's work included. The hours of a series follow from the
 * latter, because its CPU hours include the main thread too.
 */
export function busyOf({ kinds, seconds, cpu }: StageResult): { kernel: number; cores: number } {
  const wall = total(kinds.map((kind) => kind.wall / 1e3));
  const skipped = total(kinds.map((kind) => secondsOf(kind) - kind.cpu / 1e3));
  const all = 2 * seconds + skipped;
  return { kernel: (wall + skipped) / all, cores: (cpu + skipped) / all };
}

/** Makes lines from the jobs of a stage. */
export function lineMaker({ kinds, cpu }: StageResult) {
  const computed = total(kinds.map((kind) => kind.cpu / 1e3));
  const counted = total(kinds.map(secondsOf));
  // The main thread, collecting garbage and the network, in proportion to the kernel's work.
  const others = 1 + (cpu - computed) / counted;
  return (
    [block, work]: readonly [block: string, work: string],
    picks: (kind: JobKind) => boolean,
    [factor, arithmetic]: Factor,
    once: { readonly kinds: (kind: JobKind) => boolean; readonly factor: number } | null = null,
  ): Line => {
    const some = kinds.filter((kind) => kind.place.block === block && picks(kind));
    const sumOf = (all: readonly JobKind[], seconds: (kind: JobKind) => number) =>
      total(all.map(seconds)) * others;
    const fixed = once === null ? 0 : sumOf(some.filter(once.kinds), fixedSecondsOf);
    return {
      ...{ block, work, factor, arithmetic },
      seconds: sumOf(some, secondsOf),
      fixed: { seconds: fixed, factor: once?.factor ?? 0 },
    };
  };
}

/** A factor, and where it comes from. */
export type Factor = readonly [factor: number, arithmetic: string];

export function ratio(all: number, own: number, what: string): Factor {
  return [all / own, `${shown(all)} / ${shown(own)} ${what}`];
}

function shown(value: number): string {
  return Number.isInteger(value) ? `${value}` : value.toFixed(1);
}
