import { isMxfp4 } from "../kernel/width.ts";
import type { Part } from "../models/architecture.ts";
import { roleOfModule } from "../models/module-role.ts";
import { costlyFloors, type FloorName } from "../plan/floors.ts";
import type { PredictedLoss } from "../plan/plan-types.ts";
import type { Receipt, SeriesRow } from "../receipt/receipt.ts";
import { percentage } from "./figures.ts";
import { code } from "./markdown.ts";
import { nats } from "./measured-figures.ts";

/** Sentences for the options on a receipt. */

/** How codes are chosen. */
export function roundingWords({ options }: Receipt): string {
  if (options.rounding === "mlx")
    return (
      "Codes are chosen as in `mx.quantize`: the packed values are those that MLX itself " +
      "would write."
    );
  if (options.storage === "F32")
    return "Codes are chosen against each group's scale and bias *as stored*, in F32.";
  return (
    `Codes are chosen against each group's scale and bias *as stored*, in ${options.storage}. ` +
    "`mx.quantize` chooses codes for the float32 scale and then rounds the scale. " +
    "Format, size and speed are the same."
  );
}

/** The meaning of the e of oQe, for this run. */
export function enhancementWords({ options }: Receipt): string {
  const meaning = "The *e* of oQe stands for *enhanced*, a more careful choice of codes";
  if (options.method === "tuned") return `${meaning}: here, GPTQ against the stored scales.`;
  return options.rounding === "mlx"
    ? `${meaning}. With rounding \`mlx\` it does not apply here: the codes are MLX's own.`
    : `${meaning}. Here it means only rounding against the stored scales. The engine can also ` +
        "tune.";
}

/** How a tier spends its bits. */
export function tierWords(receipt: Receipt): string {
  return isMeasured(receipt)
    ? "Each tier has a budget in bits per weight. The plan gives more bits to the matrices " +
        "whose precision affects the output most."
    : "Each tier has a base width and a cap in bits per weight. Bits left under the cap go to " +
        "the matrices that every token passes.";
}

/** Whether the plan was made from measured costs. */
export function isMeasured({ plan }: Receipt): boolean {
  return plan.predicted !== null;
}

/** The plan's rules and their results, one sentence each. */
export function policyWords(receipt: Receipt): readonly string[] {
  const { plan, options, model } = receipt;
  if (plan.predicted !== null) return costWords(receipt, plan.predicted);
  const base = baseBits(receipt);
  if (plan.boosts === 0)
    return [`${plan.tier} is uniform: every quantized module gets ${base} bits.`];
  if (options.policy !== "oq") return ["The widths are those of the table below."];
  const shared = model.experts !== null && model.experts.shared > 0;
  const outside = model.experts === null ? "" : " outside the routed experts";
  return [
    `Every quantized module starts at ${base} bits. A step that would exceed the tier's cap in ` +
      "bits per weight is skipped.",
    `Embeddings and output head${shared ? ", then the shared experts," : ""} get 8 bits first, ` +
      "if that fits under the cap: every token passes them.",
    raisesOthers(receipt)
      ? `Then the other matrices${outside} get one or two steps more, in layer order, until ` +
        "the cap is reached."
      : "No other matrix gets more " +
        `bits${base === 6 ? ": the next step from 6 bits would be 7, which MLX does not have" : ""}.`,
    ...(model.experts === null ? [] : ["Routed experts stay at the base width."]),
  ];
}

function costWords({ plan, model }: Receipt, predicted: PredictedLoss): readonly string[] {
  const routed = model.experts !== null;
  const names = Object.keys(plan.floors ?? {}).sort();
  const floors = names.map((name) => `${floorWords(name)} ${plan.floors![name]}`);
  return [
    `Every quantizable matrix${routed ? " (a stack of experts is one)" : ""} has a cost at 3, ` +
      "4, 5, 6 and 8 bits: the KL that its error is predicted to " +
      `add${routed ? ", with forced routes and by flips in later routers" : ""}.`,
    "The plan has the least predicted KL of all plans within the tier's budget in bytes. The " +
      "search is exact.",
    floors.length === 0
      ? "There are no minimum widths."
      : `Minimum bits, regardless of the costs: ${floors.join(", ")}.`,
    ...costlyFloors(plan).map(
      ([name, share]) =>
        `The minimum of ${floorWords(name)} costs ${percentage(share, 1)} of the ` +
        "predicted KL, compared with a plan of the same budget without it.",
    ),
    "The predicted mean KL is " +
      `${nats(predicted.kl)}${routed ? `, ${nats(predicted.forcedKl)} with forced routes` : ""}.`,
  ];
}

/** A floor in words. A receipt of another version may have other names. */
function floorWords(name: string): string {
  return Object.hasOwn(floorNames, name) ? floorNames[name as FloorName] : code(name);
}

const floorNames: Readonly<Record<FloorName, string>> = {
  attention: "attention",
  embeddings: "embeddings",
  head: "output head",
  "first-mamba": "the whole first Mamba block",
  mamba: "Mamba-2",
  delta: "gated DeltaNet",
  experts: "routed experts",
  shared: "shared experts",
  mlp: "MLP",
  latent: "latent projections",
};

/** True if a module other than embeddings, head and shared experts is above the base width. */
function raisesOthers(receipt: Receipt): boolean {
  const base = baseBits(receipt);
  const first: readonly unknown[] = ["embeddings", "head", "shared"] satisfies Part[];
  return Object.entries(receipt.plan.modules).some(
    ([path, { bits }]) =>
      bits > base && !first.includes(roleOfModule(receipt.model.modelType, path)?.part),
  );
}

/**
 * Base width of the tier: the widest whose uniform plan fits the target. Scale and bias take half a
 * bit.
 */
export function baseBits({ plan }: { readonly plan: Pick<SeriesRow, "targetBpw"> }): number {
  return [2, 3, 4, 5, 6, 8].findLast((bits) => bits + 0.5 <= plan.targetBpw + 1e-9) ?? 2;
}

/** Of affine codes: `64`, or `32 and 64` if the plan mixes them. */
export function groupSizes(receipt: Receipt): string {
  const affine = Object.values(receipt.plan.modules).filter((width) => !isMxfp4(width));
  const sizes = new Set(affine.map(({ groupSize }) => groupSize));
  return [...sizes].sort((a, b) => a - b).join(" and ");
}

/** True if the model has routers and none of them is quantized. */
export function keepsRouter({ model, plan }: Receipt): boolean {
  return (
    model.experts !== null &&
    !Object.keys(plan.modules).some(
      (path) => roleOfModule(model.modelType, path)?.kind === "router",
    )
  );
}

/** Which rows have so many of all positions: "every second row". */
export function someRows(positions: number, all: number): string {
  const every = positions > 0 ? Math.round(all / positions) : 1;
  return `every ${["", "", "second", "third", "fourth"][every] ?? `${every}th`} row`;
}
