import { pieces } from "../ground/pieces.ts";
import { collectAll, collectShared } from "../kernel/collect.ts";
import type { Kernel } from "../kernel/kernel-types.ts";
import { type Matrix, rowsOf, sharedDoubles } from "../kernel/matrix.ts";
import { type CompareJob, comparisonColumns } from "../kernel/routines/compare.ts";
import type { LazyRows } from "../models/lazy-rows.ts";
import { type Head, type HeadRows, partsOfHead } from "../models/run.ts";

/** Positions of a job. Each of its products packs a part of a head anew. */
const positionsAtOnce = 256;
/** Models of a job: enough that the base's logits in each job cost little. */
const modelsAtOnce = 12;
/** Values of hidden states of all compared runs in memory at once. */
const mostHidden = 96 * 2 ** 20;

/** Hidden states `[positions, hidden]` and the head that multiplies them. */
export interface Predictions {
  readonly hidden: Matrix | Pick<LazyRows, "rows" | "range">;
  readonly head: Head;
}

export interface Comparison {
  readonly base: Predictions;
  /** Compared over their own positions: all of the base's, or the first ones. */
  readonly models: readonly Predictions[];
  /** The token that follows each position. */
  readonly next: Uint32Array<SharedArrayBuffer>;
}

/**
 * Compares the next-token distributions of some models with the base's. Returns for each model
 * `[its positions, comparisonColumns]` as in CompareJob. Positions whose hidden states fit
 * `mostHidden` pass a part of the head before the next part is read. So heads are read once, or a
 * few times, and never wholly in memory.
 */
export async function compareHidden(
  kernel: Kernel,
  { base, models, next }: Comparison,
): Promise<readonly Float64Array<SharedArrayBuffer>[]> {
  collectAll(); // of what the walk left
  const results = models.map(({ hidden }) => sharedDoubles(comparisonColumns * hidden.rows));
  for (const [start, end] of partsOf(base, models)) {
    const [from, to] = [comparisonColumns * start, comparisonColumns * end];
    const part = async ({ hidden, head }: Predictions) => {
      const inMemory = "data" in hidden;
      return { head, x: inMemory ? rowsOf(hidden, start, end) : await hidden.range(start, end) };
    };
    const some: HiddenPart[] = [];
    const present = [...models.keys()].filter((i) => models[i]!.hidden.rows > start);
    for (const i of present) some.push(await part(models[i]!));
    await comparePart(kernel, {
      base: await part(base),
      models: some,
      next: next.subarray(start, end),
      out: present.map((i) => results[i]!.subarray(from, to)),
    });
  }
  return results;
}

/** Ranges of positions that are compared together. In each, a model has all or none of them. */
function partsOf(
  base: Predictions,
  models: readonly Predictions[],
): readonly (readonly [start: number, end: number])[] {
  const ends = [...new Set(models.map(({ hidden }) => hidden.rows))].sort((a, b) => a - b);
  return ends.flatMap((end, i) => {
    const start = i === 0 ? 0 : ends[i - 1]!;
    const present = models.filter(({ hidden }) => hidden.rows > start).length;
    const size = comparedAtOnce(base.head.hidden, present);
    return pieces(end - start, size).map(([from, to]) => [start + from, start + to] as const);
  });
}

/** Positions that are compared before the heads are read again. */
export function comparedAtOnce(hidden: number, models: number): number {
  return Math.ceil(mostHidden / hidden / (1 + models) / positionsAtOnce) * positionsAtOnce;
}

/** Some positions of Predictions. */
interface HiddenPart {
  readonly x: Matrix;
  readonly head: Head;
}

interface ComparisonPart extends Pick<CompareJob, "next" | "out"> {
  readonly base: HiddenPart;
  readonly models: readonly HiddenPart[];
}

async function comparePart(
  kernel: Kernel,
  { base, models, next, out }: ComparisonPart,
): Promise<void> {
  const groups = pieces(models.length, modelsAtOnce);
  const heads = new Set([base, ...models].map(({ head }) => head));
  for (const [first, end] of partsOfHead(base.head)) {
    collectShared(); // of the part before
    const read = new Map<Head, HeadRows>();
    for (const head of heads) read.set(head, await head.read(first, end));
    const jobs = pieces(base.x.rows, positionsAtOnce).flatMap(([top, bottom]) => {
      const input = ({ x, head }: HiddenPart) => {
        return { x: rowsOf(x, top, bottom), ...read.get(head)! };
      };
      const [from, to] = [comparisonColumns * top, comparisonColumns * bottom];
      return groups.map((group) => ({
        base: input(base),
        models: models.slice(...group).map(input),
        first,
        next: next.subarray(top, bottom),
        out: out.slice(...group).map((result) => result.subarray(from, to)),
      }));
    });
    await Promise.all(jobs.map((job) => kernel.run("compare", job)));
  }
}
