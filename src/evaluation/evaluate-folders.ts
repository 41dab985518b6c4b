import type { Base } from "../base/base.ts";
import { openFolder } from "../checkpoint/folder.ts";
import type { Report } from "../ground/report.ts";
import type { Kernel } from "../kernel/kernel-types.ts";
import { openFinished } from "../mlx/mlx-weights.ts";
import { type EvaluationRows, evaluate, observeBase, passesOf } from "./evaluate.ts";
import type { Evaluation } from "./evaluation-types.ts";
import { type GateInputs, limitsOf } from "./gates.ts";

export interface EvaluateFoldersRequest {
  readonly base: Base;
  /** Finished folders. Name and bits per weight decide the limits of the tier's gates. */
  readonly tiers: readonly {
    readonly folder: string;
    readonly tier: string;
    readonly bpw: number;
    readonly predicted: Evaluation["predicted"];
  }[];
  readonly evaluation: EvaluationRows;
  readonly gates: GateInputs;
  readonly kernel: Kernel;
  readonly report: Report;
}

/** Evaluates every folder from its files. The base runs once for all of them. */
export async function evaluateFolders(
  request: EvaluateFoldersRequest,
): Promise<readonly Evaluation[]> {
  const { base, tiers, evaluation, gates, kernel, report } = request;
  const total = (1 + tiers.length * passesOf(base)) * base.architecture.layers(base.config).length;
  let done = 0;
  const progress = () => report.tick(++done, total, "blocks evaluated");
  report.info(`evaluating on ${evaluation.rows.samples} rows of ${evaluation.rows.length} tokens`);
  const observed = await observeBase(base, evaluation, kernel, progress);
  const evaluations: Evaluation[] = [];
  for (const { folder, predicted, ...tier } of tiers) {
    const finished = await openFinished(await openFolder(folder), kernel);
    try {
      evaluations.push(
        await evaluate(observed, finished, { predicted, limits: limitsOf(gates, tier), progress }),
      );
    } finally {
      await finished.close();
    }
  }
  return evaluations;
}
