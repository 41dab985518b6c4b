import type { Base } from "../base/base.ts";
import type { Repository } from "../checkpoint/repository.ts";
import type { Report } from "../ground/report.ts";
import type { Kernel } from "../kernel/kernel-types.ts";
import { type FinishedModel, openFinished } from "../mlx/mlx-weights.ts";
import type { KeepStates } from "../models/rider.ts";
import { type EvaluatedTier, type EvaluationRows, evaluateTiers } from "./evaluate.ts";
import type { Evaluation } from "./evaluation-types.ts";
import { type GateInputs, limitsOf } from "./gates.ts";

/** A finished folder. Name and bits per weight decide the limits of the tier's gates. */
export interface TierFolder {
  readonly repository: Repository;
  readonly tier: string;
  readonly bpw: number;
  readonly predicted: Evaluation["predicted"];
  /** Whether plain rounding at its plan is evaluated beside it. */
  readonly rounded: boolean;
}

export interface EvaluateFoldersRequest {
  readonly base: Base;
  readonly tiers: readonly TierFolder[];
  readonly rows: EvaluationRows;
  readonly gates: GateInputs;
  readonly kernel: Kernel;
  readonly report: Report;
  readonly keep?: KeepStates | undefined;
}

/** Evaluates every folder from its files. The base runs once for all of them. */
export async function evaluateFolders(
  request: EvaluateFoldersRequest,
): Promise<readonly Evaluation[]> {
  const { base, tiers, rows, gates, kernel, report, keep } = request;
  report.info(`evaluating on ${rows.rows.samples} rows of ${rows.rows.length} tokens`);
  return withFolders(tiers, { gates, kernel }, (evaluated) => {
    const some = evaluated.map((tier, i) => ({ ...tier, rounded: tiers[i]!.rounded }));
    return evaluateTiers({ base, rows, tiers: some, kernel, report, keep });
  });
}

/** Opens finished folders for the time of `use`. Throws NETWORK for wrong bytes of the Hub. */
export async function withFolders<T>(
  tiers: readonly TierFolder[],
  { gates, kernel }: Pick<EvaluateFoldersRequest, "gates" | "kernel">,
  use: (tiers: readonly EvaluatedTier[]) => Promise<T>,
): Promise<T> {
  const models: FinishedModel[] = [];
  try {
    for (const { repository } of tiers) models.push(await openFinished(repository, kernel));
    const value = await use(
      models.map((model, i) => {
        const { predicted, ...tier } = tiers[i]!;
        return { model, predicted, limits: limitsOf(gates, tier) };
      }),
    );
    for (const model of models) await model.prove(); // what was read of shards on the Hub
    return value;
  } finally {
    await Promise.all(models.map((model) => model.close()));
  }
}
