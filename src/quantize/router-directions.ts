import { pieces } from "../ground/pieces.ts";
import { factorize } from "../kernel/factorize.ts";
import { gram as addGram } from "../kernel/grams.ts";
import type { Kernel } from "../kernel/kernel-types.ts";
import { type Matrix, newMatrix } from "../kernel/matrix.ts";
import { newTriangle, rowOf } from "../kernel/triangle.ts";
import { modulePath } from "../mlx/format.ts";
import type { PlannedTensor } from "../models/architecture.ts";
import type { WeightSource } from "../models/run.ts";

/** Rows `[start, end)` of a matrix that are tuned together. */
export interface RowBlock {
  readonly start: number;
  readonly end: number;
  /**
   * How errors of the rows from `end` on change this block's target: `[rows from end on, end -
   * start]`. Null for the last rows of the matrix.
   */
  readonly compensation: Matrix | null;
}

/**
 * Share of the loss that the routers' directions have, for errors that are spread evenly over the
 * residual stream. A larger share gives fewer flips but larger errors elsewhere.
 */
const share = 0.3;
/**
 * Blocks per matrix. The rows of one block do not compensate for each other. Each block repeats
 * what tuning does once for a Hessian, which takes longest where matrices are wide: there are fewer
 * blocks (docs/decisions/0017).
 */
const [usualBlocks, blocksOfWide] = [6, 3];
/** Hidden size above which matrices are wide. */
const wide = 1024;

/** The blocks of the `hidden` rows of a matrix, last rows first. */
export function blocksOfRows(hidden: number): readonly (readonly [start: number, end: number])[] {
  const count = hidden > wide ? blocksOfWide : usualBlocks;
  return pieces(hidden, Math.ceil(hidden / count)).reverse();
}

/** The directions of the residual stream that a router reads. */
interface Reader {
  /** Place, in the list of all tensors, of the norm between the residual stream and the router. */
  readonly norm: number;
  /** A `[routed, hidden]`, and its sum of squares |A|². */
  readonly directions: Matrix;
  readonly squares: number;
}

/**
 * Reduces rounding errors in the directions that later routers read. A matrix that writes into the
 * residual stream gets the loss tr(M E H Eᵀ) with M = I + μ Σ_r A_rᵀA_r / |A_r|², over the later
 * routers r. A = γ ∘ G are the directions that a router reads: its gate without the mean row (which
 * changes no choice), times the factors of the norm before it. So errors that a router reads count
 * more, and rows of E compensate for each other there. After BOA (arXiv 2406.13474), where M comes
 * from attention.
 */
export class RouterDirections {
  readonly #kernel: Kernel;
  /** Name of a tensor -> its place in the list of all tensors. */
  readonly #places: ReadonlyMap<string, number>;
  readonly #readers: readonly Reader[];
  readonly #hidden: number;
  /** Modules that were tuned with such a loss. */
  readonly modules = new Set<string>();
  #last: { readonly readers: number; readonly blocks: Promise<readonly RowBlock[]> } | null = null;

  private constructor(
    kernel: Kernel,
    tensors: readonly PlannedTensor[],
    readers: readonly Reader[],
  ) {
    this.#kernel = kernel;
    this.#places = new Map(tensors.map(({ name }, place) => [name, place]));
    this.#readers = readers;
    this.#hidden = readers[0]?.directions.columns ?? 0;
  }

  /** `tensors`: all of the model. */
  static async open(
    kernel: Kernel,
    tensors: readonly PlannedTensor[],
    weights: WeightSource,
  ): Promise<RouterDirections> {
    const readers: Reader[] = [];
    for (const { layer, role } of tensors.filter(({ role }) => role.kind === "router")) {
      const norm = tensors.findIndex(
        (tensor) => tensor.layer === layer && tensor.role.feeds?.includes(role.fedBy!),
      );
      const gate = await weights.unquantized(layer, role.role);
      const factors = await weights.unquantized(layer, tensors[norm]!.role.role);
      const columns = factors!.length;
      const directions = newMatrix(gate!.length / columns, columns);
      directions.data.set(gate!);
      const { squares } = await kernel.run("center", { x: directions, factors: factors! });
      if (squares > 0) readers.push({ norm, directions, squares });
    }
    return new RouterDirections(kernel, tensors, readers);
  }

  /** Blocks of rows to tune a matrix in, last rows first; null if no later router reads it. */
  async blocksOf(tensor: PlannedTensor): Promise<readonly RowBlock[] | null> {
    const { role, layer, shape, name } = tensor;
    if (layer === null || role.residual !== true || shape.at(-2) !== this.#hidden) return null;
    // A router reads all outputs written before its norm, also those of its own block.
    const place = this.#places.get(name)!;
    const readers = this.#readers.filter(({ norm }) => norm > place);
    if (readers.length === 0) return null;
    this.modules.add(modulePath(tensor));
    if (this.#last?.readers !== readers.length) {
      this.#last = { readers: readers.length, blocks: this.#couple(readers) };
    }
    return this.#last.blocks;
  }

  async #couple(readers: readonly Reader[]): Promise<readonly RowBlock[]> {
    const d = this.#hidden;
    const factor = newTriangle(d);
    for (let i = 0; i < d; i++) factor[rowOf(d, i) + i] = 1;
    const strength = ((share / (1 - share)) * d) / readers.length;
    for (const { directions, squares } of readers) {
      await addGram(this.#kernel, { x: directions, sums: factor, alpha: strength / squares });
    }
    await factorize(this.#kernel, factor, d); // M has at least 1 on its diagonal: no pivot fails
    return Promise.all(
      blocksOfRows(d).map(async ([start, end]) => {
        if (end === d) return { start, end, compensation: null };
        const compensation = newMatrix(d - end, end - start);
        await this.#kernel.run("compensation", {
          factor,
          d,
          top: start,
          bottom: end,
          out: compensation,
        });
        return { start, end, compensation };
      }),
    );
  }
}
