import { gigabytes } from "../card/figures.ts";
import { nats, share } from "../card/measured-figures.ts";
import { verdictOf } from "../card/verdict.ts";
import type { Paint } from "../ground/color.ts";
import type { TierPlan } from "../plan/plan-types.ts";
import type { Receipt } from "../receipt/receipt.ts";
import type { PublishedTier } from "../series/publish.ts";
import { textTable } from "./text-table.ts";

/** A tier at the end of a run. */
export interface EndedTier {
  readonly plan: Pick<TierPlan, "tier" | "bytes" | "bpw">;
  /** null: it is not finished. */
  readonly receipt: Receipt | null;
  /** `published`, `written`; of a tier that failed a gate `failed`. */
  readonly outcome: PublishedTier["outcome"] | "written";
}

const heads = ["tier", "GB", "bpw", "mean KL", "same top", "verdict", "result"];

const words: Readonly<Partial<Record<EndedTier["outcome"], string>>> = {
  "dry-run": "not published (dry run)",
  kept: "not published: the published one is better",
  staged: "finished, on its staging branch",
  unfinished: "not finished",
};

/** Size, quality and verdict of every tier, and what came of it, in `columns` columns. */
export function formatRun(tiers: readonly EndedTier[], columns: number, paint: Paint): string {
  const rows = tiers.map(({ plan, receipt, outcome }) => {
    const evaluation = receipt?.evaluation ?? null;
    return [
      ...[plan.tier, gigabytes(plan.bytes), plan.bpw.toFixed(2)],
      evaluation === null ? "–" : nats(evaluation.meanKl),
      evaluation === null ? "–" : share(evaluation.sameTop),
      evaluation === null ? "–" : missedOf(receipt) === "" ? verdictOf(evaluation) : "held back",
      resultOf({ plan, receipt, outcome }),
    ];
  });
  const table = textTable([heads, ...rows], new Set(["tier", "verdict", "result"]), columns);
  return table
    .split("\n")
    .map((line) => (/ {2}(FAILED|failed)\b/.test(line) ? paint("red", line) : line))
    .join("\n");
}

/** The gates that a tier failed, with their limits. */
function missedOf(receipt: Receipt | null): string {
  const gates = receipt?.evaluation?.gates ?? [];
  const missed = gates.filter(({ passed }) => !passed);
  return missed.map(({ gate, limit }) => `${gate} ${limit}`).join(", ");
}

function resultOf({ receipt, outcome }: EndedTier): string {
  const missed = missedOf(receipt);
  if (missed !== "") return `FAILED ${missed}`;
  const text = words[outcome] ?? outcome;
  if (receipt === null || outcome === "failed") return text;
  return receipt.evaluation === null ? `${text}, not evaluated` : text;
}
