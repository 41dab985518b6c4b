import { factorize } from "../kernel/factorize.ts";
import { gram as addGram } from "../kernel/grams.ts";
import type { Kernel } from "../kernel/kernel-types.ts";
import { type Matrix, newMatrix, sharedFloats } from "../kernel/matrix.ts";
import { modulePath } from "../mlx/format.ts";
import type { PlannedTensor } from "../models/architecture.ts";
import type { WeightSource } from "../models/run.ts";

/** Rows `[start, end)` of a matrix, and how errors of the rows behind them move their targets: `[rows behind, end - start]`. */
export interface RowBlock {
  readonly start: number;
  readonly end: number;
  /** Null: no rows are behind. */
  readonly carry: Matrix | null;
}

/**
 * Share of the loss that lies in what routers read, were errors spread evenly over the residual stream. With more of it fewer tokens change their
 * experts, but the arithmetic suffers (docs/benchmarks.md).
 */
const share = 0.3;
/** Row blocks of a matrix. Within one, rows do not make up for each other. */
const blocks = 6;

/** A router's direction in the residual stream: `[routed, hidden]`, weighed to a sum of squares of 1. */
interface Reader {
  /** Place, in the list of all tensors, of the norm between the residual stream and the router. */
  readonly norm: number;
  readonly directions: Matrix;
  readonly squares: number;
}

/**
 * Rounding that spares the routers. A matrix that writes into the residual stream has the loss tr(M E H Eᵀ), M = I + μ Σ_r A_rᵀA_r / |A_r|², over
 * the routers r behind it: A = γ ∘ G, the gate without its mean row (which moves no choice) through the norm before it. So errors
 * along what routers read count more, and rows of E make up for each other there (after BOA, arXiv 2406.13474, whose M is that of attention).
 */
export class RouterAim {
  readonly #kernel: Kernel;
  /** Name of a tensor -> its place in the list of all tensors. */
  readonly #places: ReadonlyMap<string, number>;
  readonly #readers: readonly Reader[];
  readonly #hidden: number;
  /** Modules that were aimed. */
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

  static async open(
    kernel: Kernel,
    tensors: readonly PlannedTensor[],
    weights: WeightSource,
  ): Promise<RouterAim> {
    const readers: Reader[] = [];
    for (const { layer, role } of tensors.filter(({ role }) => role.kind === "router")) {
      const norm = tensors.findIndex(
        (tensor) => tensor.layer === layer && tensor.role.feeds?.includes(role.fedBy!),
      );
      const gate = await weights.kept(layer, role.role);
      const factors = await weights.kept(layer, tensors[norm]!.role.role);
      const columns = factors!.length;
      const directions = { data: gate!, rows: gate!.length / columns, columns };
      const { squares } = await kernel.run("center", { x: directions, factors: factors! });
      if (squares > 0) readers.push({ norm, directions, squares });
    }
    return new RouterAim(kernel, tensors, readers);
  }

  /** How the rows of a matrix are to be tuned, blocks from the last to the first; null where no router reads what it writes. */
  async blocksOf(tensor: PlannedTensor): Promise<readonly RowBlock[] | null> {
    const { role, layer, shape, name } = tensor;
    if (layer === null || role.residual !== true || shape.at(-2) !== this.#hidden) return null;
    // A router reads what was written before its norm, in its own block too.
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
    const factor = sharedFloats(d * d);
    for (let i = 0; i < d; i++) factor[i * d + i] = 1;
    const strength = ((share / (1 - share)) * d) / readers.length;
    for (const { directions, squares } of readers) {
      await addGram(this.#kernel, directions, factor, strength / squares);
    }
    await factorize(this.#kernel, factor, d); // at least 1 on the diagonal: no pivot fails
    const size = Math.ceil(d / blocks);
    const starts = Array.from({ length: Math.ceil(d / size) }, (_, i) => i * size).reverse();
    return Promise.all(
      starts.map(async (start) => {
        const end = Math.min(d, start + size);
        if (end === d) return { start, end, carry: null };
        const carry = newMatrix(d - end, end - start);
        await this.#kernel.run("carry", { factor, d, top: start, bottom: end, carry });
        return { start, end, carry };
      }),
    );
  }
}
