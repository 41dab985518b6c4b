import { pieces } from "../ground/pieces.ts";
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
  readonly models: readonly Predictions[];
  /** The token that follows each position. */
  readonly next: Uint32Array<SharedArrayBuffer>;
}

/**
 * Compares the next-token distributions of some models with the base's. Returns for each model
 * `[positions, comparisonColumns]` as in CompareJob. Positions whose hidden states fit
 * `mostHidden` pass a part of the head before the next part is read. So heads are read once, or a
 * few times, and never wholly in memory.
 */
export async function compareHidden(
  kernel: Kernel,
  { base, models, next }: Comparison,
): Promise<readonly Float64Array<SharedArrayBuffer>[]> {
  const { rows } = base.hidden;
  const results = models.map(() => sharedDoubles(comparisonColumns * rows));
  const size = comparedAtOnce(base.head.hidden, models.length);
  for (const [start, end] of pieces(rows, size)) {
    const [from, to] = [comparisonColumns * start, comparisonColumns * end];
    const part = async ({ hidden, head }: Predictions) => {
      const inMemory = "data" in hidden;
      return { head, x: inMemory ? rowsOf(hidden, start, end) : await hidden.range(start, end) };
    };
    const some: HiddenPart[] = [];
    for (const model of models) some.push(await part(model));
    await comparePart(kernel, {
      base: await part(base),
      models: some,
      next: next.subarray(start, end),
      out: results.map((result) => result.subarray(from, to)),
    });
  }
  return results;
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
