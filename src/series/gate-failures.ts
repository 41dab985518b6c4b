import { percentage } from "../card/figures.ts";
import { describeFailures } from "../evaluation/gates.ts";
import { OqeError } from "../ground/errors.ts";
import { costlyFloors } from "../plan/floors.ts";
import type { Receipt } from "../receipt/receipt.ts";

/** One sentence for every gate that a tier failed. */
export function gateFailures(made: readonly Receipt[]): string[] {
  return made.flatMap(({ plan, evaluation }) =>
    describeFailures(evaluation?.gates ?? []).map((failure) => `${plan.tier}: ${failure}`),
  );
}

/** All failed gates as one error; null: all tiers passed. */
export function gateFailure(made: readonly Receipt[]): OqeError | null {
  const failed = gateFailures(made);
  if (failed.length === 0) return null;
  return new OqeError(
    "GATE",
    failed.join("; "),
    "The folder stays on disk with its card and receipt, and is not published. " +
      "To set another limit: --max-kl oQ4e=0.3. To publish without gates: --verify false." +
      floorsInTheWay(made),
  );
}

/** Floors that cost a failed tier much of its KL, and how to go without them. */
function floorsInTheWay(made: readonly Receipt[]): string {
  const failed = made.filter((receipt) => gateFailures([receipt]).length > 0);
  const costs = failed.flatMap(({ plan }) =>
    costlyFloors(plan).map(
      ([name, share]) =>
        ` In ${plan.tier}, the floor of ${name} costs ${percentage(share, 1)} of the predicted KL.`,
    ),
  );
  return costs.length === 0 ? "" : `${costs.join("")} To plan without floors: --floors none.`;
}
