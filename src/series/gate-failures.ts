import { describeFailures } from "../evaluation/gates.ts";
import { OqeError } from "../ground/errors.ts";
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
      "To set another limit: --max-kl oQ4e=0.3. To publish without gates: --verify false.",
  );
}
