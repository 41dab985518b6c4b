import type { Evaluation } from "../evaluation/evaluation-types.ts";
import { nats } from "./measured-figures.ts";

/** What a tier must reach for each verdict: mean KL, share of same top tokens. */
const verdicts = [
  { word: "near-lossless", mostKl: 0.002, leastSameTop: 0.98 },
  { word: "very close", mostKl: 0.01, leastSameTop: 0.95 },
  { word: "close", mostKl: 0.05, leastSameTop: 0.9 },
  { word: "some loss", mostKl: 0.15, leastSameTop: 0.8 },
] as const;
const worst = "heavy loss";

/** How near a quant is to its base, in words. */
export function verdictOf({ meanKl, sameTop }: Pick<Evaluation, "meanKl" | "sameTop">): string {
  const reached = verdicts.find(
    ({ mostKl, leastSameTop }) => meanKl <= mostKl && sameTop >= leastSameTop,
  );
  return reached?.word ?? worst;
}

/** The thresholds in one line. */
export function verdictWords(): string {
  const each = verdicts.map(
    ({ word, mostKl, leastSameTop }) =>
      `*${word}* up to ${String(Number(nats(mostKl)))} and from ${100 * leastSameTop} %`,
  );
  return `${each.join(", ")}, else *${worst}*`;
}
