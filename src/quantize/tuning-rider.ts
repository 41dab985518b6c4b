import type { Weight } from "../kernel/matrix.ts";
import type { PlannedTensor } from "../models/architecture.ts";
import { type BlockPlace, HeldStates, type Rider } from "../models/rider.ts";
import type { Model } from "../models/run.ts";
import { passBlock, tuneBlock } from "./block-tuner.ts";
import { embedTokens, tableToTune, tuneLast, tuneTable } from "./outer-tuner.ts";
import { ResidualRepair } from "./residual-repair.ts";
import { storedMatrix } from "./stored-tier.ts";
import { tunePart } from "./tune-part.ts";
import type { TuneWalk } from "./tune-types.ts";

/** Takes the calibration rows through the base and tunes every matrix when it is asked for. */
export class TuningRider implements Rider {
  readonly #walk: TuneWalk;
  readonly #table: TableTuner | null;
  readonly #states: HeldStates;
  /** The base's own states, beside those of the tier; null: the residual is not repaired. */
  readonly #own: HeldStates | null;
  /** Blocks that this rider has not passed: all tiers have them from another run. */
  #ahead: BlockPlace[] = [];

  /** `repairsResidual`: only in a sequential walk. */
  constructor(walk: TuneWalk, repairsResidual: boolean) {
    const tensor = tableToTune(walk);
    this.#walk = walk;
    this.#table = tensor && new TableTuner(walk, tensor);
    this.#states = new HeldStates(walk.keep);
    this.#own = repairsResidual ? new HeldStates(walk.keep) : null;
    walk.ledger.moved = repairsResidual ? new Map() : null;
  }

  /** The riders of this tuning. */
  get riders(): readonly Rider[] {
    // In a sequential walk this rider looks its tokens up in the tuned table, so it does the
    // tuning.
    return this.#table === null || this.#walk.sequential ? [this] : [this, this.#table];
  }

  async embed(model: Model): Promise<void> {
    const walk = { ...this.#walk, model };
    if (walk.sequential) await this.#table?.embed(model);
    await this.#states.keep(await embedTokens(walk, this.#table?.stored ?? null));
    await this.#own?.keep(await embedTokens(walk, null));
  }

  async pass(model: Model, { layer, kind }: BlockPlace): Promise<void> {
    const walk = { ...this.#walk, model };
    const { base, calibration, writer } = walk;
    const quantized = base.tensors.filter(
      (tensor) => tensor.layer === layer && writer.isQuantized(tensor),
    );
    let residual: ResidualRepair | null = null;
    if (this.#own !== null) {
      const { length } = calibration;
      const place = { base: this.#walk.model, layer, kind, length, tensors: quantized };
      residual = new ResidualRepair(place);
      await this.#own.keep(await residual.run(await this.#own.take()));
    }
    const place = { layer, kind, quantized, residual };
    const part = { name: `block ${layer}`, layer, tensors: quantized };
    if (this.#isTakenOver(part.name)) {
      await tunePart(walk, part, async () => null);
      this.#ahead.push({ layer, kind });
      return;
    }
    await this.#catchUp();
    const x = await this.#states.take();
    const after = await tunePart(walk, part, async (own) => {
      const y = await tuneBlock(own, place, x);
      own.ledger.moved?.set(layer, residual?.moved ?? 0);
      return y;
    });
    await this.#states.keep(after ?? (await passBlock(walk, place, x)));
  }

  /** Tunes the head. To be called after the last block. */
  async finish(): Promise<void> {
    if (!this.#isTakenOver("head")) await this.#catchUp();
    await tuneLast(this.#walk, this.#states);
  }

  /** Whether nothing of a part is to be done here: the states are not even needed behind it. */
  #isTakenOver(part: string): boolean {
    const { sequential, routers, writer } = this.#walk;
    if (sequential || routers !== null) return false;
    return writer.tiers.every(({ log }) => log.isTakenOver?.(part) === true);
  }

  /** Passes the blocks that were taken over: the next part is to be made here after all. */
  async #catchUp(): Promise<void> {
    const { base, writer, model, kept } = this.#walk;
    const walk = { ...this.#walk, model: { ...model, weights: kept } };
    for (const { layer, kind } of this.#ahead.splice(0)) {
      const quantized = base.tensors.filter(
        (tensor) => tensor.layer === layer && writer.isQuantized(tensor),
      );
      const place = { layer, kind, quantized, residual: null };
      await this.#states.keep(await passBlock(walk, place, await this.#states.take()));
    }
  }
}

/** Tunes the embeddings while other riders look their tokens up. */
class TableTuner implements Rider {
  readonly #walk: TuneWalk;
  readonly #tensor: PlannedTensor;
  /** The table as stored, in a sequential walk. */
  stored: Weight | null = null;

  constructor(walk: TuneWalk, tensor: PlannedTensor) {
    this.#walk = walk;
    this.#tensor = tensor;
  }

  async embed({ weights }: Model): Promise<void> {
    const walk = this.#walk;
    const part = { name: "embeddings", layer: null, tensors: [this.#tensor] };
    const tuned = await tunePart(walk, part, async (own) => ({
      stored: await tuneTable(own, this.#tensor, weights),
    }));
    if (tuned !== null) this.stored = tuned.stored;
    else if (walk.sequential) this.stored = await storedMatrix(walk, this.#tensor);
  }

  async pass(): Promise<void> {}
}
