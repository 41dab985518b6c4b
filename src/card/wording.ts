import type { PredictedLoss } from "../plan/plan-types.ts";
import type { Receipt } from "../receipt/receipt.ts";
import { code } from "./markdown.ts";
import { nats } from "./measured-figures.ts";

/** What a receipt's choices mean, in words. Keyed by the choice, so that a new choice cannot inherit an old claim. */

/** How codes are chosen, in a sentence or three. */
export function roundingWords({ options }: Receipt): string {
  if (options.rounding === "mlx")
    return "Codes are chosen as `mx.quantize` chooses them: the packed values are the ones MLX itself would write.";
  if (options.storage === "F32")
    return "Codes are chosen against each group's scale and bias *as stored*, in F32.";
  return (
    `Codes are chosen against each group's scale and bias *as stored*, in ${options.storage}. ` +
    "`mx.quantize` chooses them for the float32 scale and rounds the scale afterwards, so that its codes fit a scale that is not in the file. " +
    "Choosing them last costs nothing: format, size and speed stay the same."
  );
}

/** What the e of oQe stands for, and how much of it this run did. */
export function enhancementWords({ options }: Receipt): string {
  const meaning = "The *e* of oQe stands for *enhanced*, a more careful choice of codes";
  if (options.method === "tuned") return `${meaning}: here, GPTQ against scales as stored.`;
  return options.rounding === "mlx"
    ? `${meaning}. With rounding \`mlx\` there is none here: the codes are MLX's own.`
    : `${meaning}. Here that is rounding against the scales as stored, and no more; the engine can tune as well.`;
}

/** Where the tier's bits go, in a sentence. */
export function tierWords(receipt: Receipt): string {
  return isMeasured(receipt)
    ? "A tier is a budget in bits per weight, and the plan spends it where a sensitivity of this model says that it buys the most."
    : "A tier has a base width for its weights, and a cap in bits per weight; what the cap leaves room for goes to wider codes for the matrices that every token passes.";
}

/** Whether the plan was made from prices. */
export function isMeasured({ plan }: Receipt): boolean {
  return plan.predicted !== null;
}

/** The plan's rules and what they came to, one sentence each. */
export function policyWords(receipt: Receipt): readonly string[] {
  const { plan, options, model } = receipt;
  if (plan.predicted !== null) return priceWords(receipt, plan.predicted);
  const base = baseBits(receipt);
  if (plan.boosts === 0)
    return [`${plan.tier} is uniform: every quantized module gets ${base} bits.`];
  if (options.policy !== "oq") return ["The widths are those of the table below."];
  const shared = model.experts !== null && model.experts.shared > 0;
  const outside = model.experts === null ? "" : " outside the routed experts";
  return [
    `Every quantized module starts at ${base} bits, and no step is taken that would pass the tier's cap in bits per weight; the next one is tried instead.`,
    `First claim on the budget, at 8 bits where that fits under the cap: embeddings and output head${shared ? ", then the shared experts" : ""}. Every token passes them.`,
    raisesOthers(receipt)
      ? `Then, in layer order, the other matrices${outside} are widened by a step or two while the budget lasts.`
      : `No other matrix is widened${base === 6 ? ": the next step from 6 bits would be 7, a width that MLX does not have" : ""}.`,
    ...(model.experts === null ? [] : ["Routed experts stay at the base width."]),
  ];
}

function priceWords({ plan, model }: Receipt, predicted: PredictedLoss): readonly string[] {
  const routed = model.experts !== null;
  const names = Object.keys(plan.floors ?? {}).sort();
  const floors = names.map((name) => `${floorWords[name] ?? code(name)} ${plan.floors![name]}`);
  return [
    `Every quantizable matrix${routed ? ", a stack of experts being one," : ""} has a price at 3, 4, 5, 6 and 8 bits: the KL from the base that it would cost alone${routed ? ", through what the model computes and through the experts that later routers would choose instead" : ""}.`,
    "The plan has the least predicted KL of all plans within the tier's budget in bytes. It was found exactly, not step by step.",
    floors.length === 0
      ? "No width was forbidden."
      : `Least bits whatever the prices say: ${floors.join(", ")}.`,
    `It expects a mean KL of ${nats(predicted.kl)}${routed ? `, ${nats(predicted.forcedKl)} with the base's routes forced` : ""}.`,
  ];
}

/** What a floor is about, by its name in the plan. */
const floorWords: Readonly<Record<string, string>> = {
  attention: "attention",
  embeddings: "embeddings",
  head: "output head",
  "first-mamba": "all of the first Mamba block",
  mamba: "Mamba-2",
  experts: "routed experts",
  shared: "shared experts",
  mlp: "MLP",
  latent: "latent projections",
};

/** Whether anything but embeddings, head and shared experts is above the base width. */
function raisesOthers(receipt: Receipt): boolean {
  const base = baseBits(receipt);
  const first = /embed|lm_head|shared_expert/;
  return Object.entries(receipt.plan.modules).some(
    ([path, { bits }]) => bits > base && !first.test(path),
  );
}

/** The tier's own width: the largest whose uniform plan its target allows, scales and biases being half a bit. */
export function baseBits({ plan }: Pick<Receipt, "plan">): number {
  return [2, 3, 4, 5, 6, 8].findLast((bits) => bits + 0.5 <= plan.targetBpw + 1e-9) ?? 2;
}

/** `64`, or `32 and 64` where the plan mixes them. */
export function groupSizes(receipt: Receipt): string {
  const sizes = new Set(Object.values(receipt.plan.modules).map(({ groupSize }) => groupSize));
  return [...sizes].sort((a, b) => a - b).join(" and ");
}

/** Whether the model routes, and no part of a router or gate is among the quantized modules. */
export function keepsRouter({ model, plan }: Receipt): boolean {
  return (
    model.experts !== null &&
    !Object.keys(plan.modules).some((path) => /\.(gate|router)(\.|$)/.test(path))
  );
}
