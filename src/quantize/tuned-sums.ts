/** Result of tuning a matrix at one width: sums over its rows. */
export interface TunedSums {
  /** tr(E H Eᵀ) of the stored values. H is the Hessian as used: shrunk and damped. */
  readonly loss: number;
  /** The same for plain rounding. Of a sampled job, an estimate from the rows of the sample. */
  readonly roundedLoss: number;
  /** Rows that stayed rounded because tuning did not improve them. */
  readonly roundedRows: number;
  readonly rows: number;
  /** Σ (w − ŵ)² and Σ w². */
  readonly squaredError: number;
  readonly weightEnergy: number;
  readonly nonFinite: number;
}

export type MutableSums = { -readonly [K in keyof TunedSums]: number };

/** Sums over no rows. */
export function noSums(): MutableSums {
  return {
    loss: 0,
    roundedLoss: 0,
    roundedRows: 0,
    rows: 0,
    squaredError: 0,
    weightEnergy: 0,
    nonFinite: 0,
  };
}

/** `sum += part` */
export function addSums(sum: MutableSums, part: TunedSums): void {
  for (const key of Object.keys(sum) as (keyof TunedSums)[]) sum[key] += part[key];
}

/** Rows that are added up before their sum is added to the total. Part of the sums' bits. */
const rowsOfGroup = 1024;

/**
 * Adds up the rows of a matrix in order. So the sums do not depend on how the rows are divided into
 * jobs.
 */
export class RowAdder {
  readonly #total = noSums();
  #group = noSums();
  /** Losses of tuning where that of plain rounding is not known: the rows outside a sample. */
  #unknown = 0;
  /** Both losses where tuning is better and both are known. */
  readonly #sample = { loss: 0, roundedLoss: 0 };

  /** Adds the next rows: `numbers` are the kernel's `TunedOut.sums`. */
  add(numbers: Float64Array): void {
    for (let at = 0; at < numbers.length; at += 4) {
      const [loss, roundedLoss, squaredError, weightEnergy] = [0, 1, 2, 3].map(
        (i) => numbers[at + i]!,
      ) as [number, number, number, number];
      const isKnown = roundedLoss !== Number.POSITIVE_INFINITY;
      if (!isKnown) this.#unknown += loss;
      else if (loss < roundedLoss) {
        this.#sample.loss += loss;
        this.#sample.roundedLoss += roundedLoss;
      }
      addSums(this.#group, {
        loss,
        roundedLoss: isKnown ? roundedLoss : 0,
        roundedRows: Number(!(loss < roundedLoss)),
        rows: 1,
        squaredError,
        weightEnergy,
        nonFinite: 0,
      });
      if (this.#group.rows === rowsOfGroup) this.#close();
    }
  }

  /** Records weights that are not finite. */
  refuse(nonFinite: number): void {
    this.#total.nonFinite += nonFinite;
  }

  /** The sums of all rows that were added. */
  total(): TunedSums {
    this.#close();
    const { loss, roundedLoss } = this.#sample;
    const estimate = loss > 0 ? (this.#unknown * roundedLoss) / loss : this.#unknown;
    return { ...this.#total, roundedLoss: this.#total.roundedLoss + estimate };
  }

  #close(): void {
    // Losses are updated by float32 differences. For weights that the format represents exactly,
    // the sum may end just below 0.
    addSums(this.#total, { ...this.#group, loss: Math.max(0, this.#group.loss) });
    this.#group = noSums();
  }
}
