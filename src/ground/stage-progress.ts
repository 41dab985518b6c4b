import { byteSize, duration } from "./digits.ts";

/** What the ticks of one unit said so far. */
interface Series {
  readonly unit: string;
  /** The first tick: a run that goes on with another's work does not begin at 0. */
  readonly first: { readonly done: number; readonly at: number };
  readonly done: number;
  readonly total: number;
  /** Time of the last tick. */
  readonly at: number;
}

/** How far a stage is, in words. */
export interface StageView {
  readonly name: string;
  readonly elapsed: string;
  /** null: the stage has not said how far it is. */
  readonly work: {
    /** 0 to 1. */
    readonly share: number;
    /** `12 of 53 blocks`, `1.2 GB of 63.2 GB uploaded`. */
    readonly amount: string;
    /** `2.1/min`, `12.3 MB/s`; null after a single tick. */
    readonly rate: string | null;
    readonly left: string | null;
  } | null;
}

/** One stage of a run while it goes on. Times are in milliseconds. */
export class StageProgress {
  readonly #name: string;
  readonly #began: number;
  readonly #series = new Map<string, Series>();

  constructor(name: string, now: number) {
    this.#name = name;
    this.#began = now;
  }

  tick(work: { done: number; total: number; unit: string }, now: number): void {
    const { done, unit } = work;
    const before = this.#series.get(unit);
    const isNew = before === undefined || done < before.done;
    if (isNew) this.#series.delete(unit); // so that it comes last
    const first = isNew ? { done, at: now } : before.first;
    this.#series.set(unit, { ...work, first, at: now });
  }

  view(now: number): StageView {
    const elapsed = duration((now - this.#began) / 1000);
    const series = this.#main();
    if (series === null) return { name: this.#name, elapsed, work: null };
    const { done, total, first, at } = series;
    const share = total > 0 ? Math.min(1, done / total) : 1;
    const perSecond = at > first.at ? (1000 * (done - first.done)) / (at - first.at) : 0;
    // A head with a large vocabulary takes as long as many blocks. When what is left should have
    // been done already, nobody knows how long it takes.
    const left = (total - done) / perSecond - (now - at) / 1000;
    const work = {
      share,
      amount: amountText(series),
      rate: perSecond > 0 ? rateText(perSecond, series.unit) : null,
      left: perSecond > 0 && left > 0 ? duration(left) : null,
    };
    return { name: this.#name, elapsed, work };
  }

  /** Uploads go on beside the walk: the oldest work that is not at its end says how far all is. */
  #main(): Series | null {
    const all = [...this.#series.values()];
    return all.find(({ done, total }) => done < total) ?? all.at(-1) ?? null;
  }
}

export function percentText({ share }: { readonly share: number }): string {
  return `${Math.floor(100 * share)} %`;
}

function amountText({ done, total, unit }: Series): string {
  const [, more] = /^bytes(.*)$/.exec(unit) ?? [];
  if (more === undefined) return `${done} of ${total} ${unit}`;
  return `${byteSize(done)} of ${byteSize(total)}${more}`;
}

function rateText(perSecond: number, unit: string): string {
  if (unit.startsWith("bytes")) return `${byteSize(Math.round(perSecond))}/s`;
  const [rate, time] =
    perSecond >= 1
      ? [perSecond, "s"]
      : perSecond >= 1 / 60
        ? [60 * perSecond, "min"]
        : [3600 * perSecond, "h"];
  return `${rate.toFixed(1)}/${time}`;
}
