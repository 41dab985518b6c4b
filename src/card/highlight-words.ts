import { isMxfp4, type Width } from "../kernel/width.ts";
import { roleOfModule } from "../models/module-role.ts";
import type { Receipt } from "../receipt/receipt.ts";
import { domainName, isLanguage } from "./domains.ts";
import { grouped, percentage, plural } from "./figures.ts";
import { inline } from "./markdown.ts";
import { ratio } from "./measured-figures.ts";
import { keepsRouter } from "./wording.ts";

/** Languages of the evaluation with the ratio of perplexity, best and worst; or what was read. */
export function languageWords({ evaluation, base }: Receipt): string {
  const stated = base.inherited.language ?? [];
  const of =
    stated.length === 0
      ? "the base's card names none"
      : `the base's card names ${stated.slice(0, 24).map(inline).join(", ")}`;
  const found = (evaluation?.byDomain ?? []).filter(({ domain }) => isLanguage(domain));
  if (found.length === 0) return `${of}. The held-out text is not told apart by language.`;
  const sorted = [...found].sort((a, b) => a.perplexityRatio - b.perplexityRatio);
  const told = (one: (typeof found)[number]) =>
    `${ratio(one.perplexityRatio, null)} (${inline(domainName(one.domain))})`;
  const range =
    sorted.length === 1 ? told(sorted[0]!) : `from ${told(sorted[0]!)} to ${told(sorted.at(-1)!)}`;
  return (
    `${of}. Measured in ${sorted.length === 1 ? "one" : sorted.length}: perplexity is ${range} ` +
    "times the base's."
  );
}

/** How a mixture of experts spends its bits. Empty for a dense model. */
export function strategyWords(receipt: Receipt): string {
  const { model, plan, tuning, sensitivity } = receipt;
  if (model.experts === null) return "";
  const modules = Object.entries(plan.modules).map(([path, width]) => ({
    width,
    part: roleOfModule(model.modelType, path)?.part ?? null,
  }));
  const routed = modules.filter(({ part }) => part === "experts").map(({ width }) => width);
  const others = modules.filter(({ part }) => part !== "experts").map(({ width }) => width);
  const repaired = (tuning?.repair.routers ?? []).filter(({ repaired }) => repaired).length;
  return [
    ...(keepsRouter(receipt)
      ? [
          "routers keep the base's precision" +
            (repaired > 0 ? ` and ${grouped(repaired)} were refitted to this tier` : ""),
        ]
      : []),
    ...(routed.length > 0 ? [`the stacks of routed experts have ${widths(routed)}`] : []),
    ...(others.length > 0 ? [`what every token passes is the anchor, with ${widths(others)}`] : []),
    ...(sensitivity !== null && sensitivity.critical.length > 0
      ? ["experts that are critical to a domain make their layer's stack dearer to compress"]
      : []),
    ...(tuning?.experts ? ["each routed expert was tuned on its own tokens"] : []),
  ]
    .join("; ")
    .concat(".");
}

/** `8 bits in 3 modules, 4 bits in 20 modules`, widest first, codes of the base last. */
function widths(all: readonly Width[]): string {
  const counts = new Map<number, number>();
  const affine = all.filter((width) => !isMxfp4(width));
  for (const { bits } of affine) counts.set(bits, (counts.get(bits) ?? 0) + 1);
  const words = [...counts]
    .sort(([a], [b]) => b - a)
    .map(([width, count]) => `${width} bits in ${plural(count, "module")}`);
  const kept = all.length - affine.length;
  if (kept > 0) words.push(`the base's own MXFP4 codes in ${plural(kept, "module")}`);
  return words.join(", ");
}

/** A further sentence on the base, with a space before it; or nothing. */
export function modelWords({ model }: Receipt): string {
  const { experts, contextLength, activeParameters, parameters } = model;
  const routed =
    experts === null
      ? []
      : [
          `each MoE layer has ${grouped(experts.routed)} experts and chooses ` +
            `${grouped(experts.perToken)} (${percentage(activeParameters, parameters)} of the ` +
            "parameters work on a token)",
        ];
  const context = contextLength === null ? [] : [`context up to ${plural(contextLength, "token")}`];
  const words = [...routed, ...context].join("; ");
  return words === "" ? "" : ` ${words[0]!.toUpperCase()}${words.slice(1)}.`;
}
