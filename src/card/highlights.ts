import type { LayerKind } from "../models/layer-kind.ts";
import type { Receipt } from "../receipt/receipt.ts";
import { table } from "../template/template-shapes.ts";
import { grouped, parameterCount, percentage, plural } from "./figures.ts";
import { code } from "./markdown.ts";

const kinds: Readonly<Record<LayerKind, string>> = {
  mamba: "Mamba-2",
  moe: "mixture of experts",
  attention: "attention",
  mlp: "MLP",
  transformer: "transformer",
};

/** What the base's config says about the model. */
export function highlightRows({ model }: Receipt) {
  const { experts } = model;
  const known = Object.keys(kinds) as LayerKind[];
  const layers = known.flatMap((kind) =>
    model.layers[kind] === undefined ? [] : [[kind, model.layers[kind]] as const],
  );
  const total = layers.reduce((sum, [, count]) => sum + count, 0);
  const byKind = layers.map(([kind, count]) => `${grouped(count)} ${kinds[kind]}`).join(", ");
  const rows = [
    ["Architecture", code(model.modelType)],
    ["Parameters", `${parameterCount(model.parameters)} (${grouped(model.parameters)})`],
    ["Active per token", activeParameters(model)],
    ["Layers", layers.length > 1 ? `${grouped(total)}: ${byKind}` : byKind],
    ...(experts === null ? [] : [["Experts", expertWords(experts)]]),
    ["Hidden size", grouped(model.hiddenSize)],
    [
      "Vocabulary",
      `${plural(model.vocabularySize, "token")}, ${model.tiedHead ? "output head tied to the embeddings" : "output head of its own"}`,
    ],
    ...(model.contextLength === null
      ? []
      : [["Context in the config", plural(model.contextLength, "token")]]),
  ];
  return table(
    ["label", "value"],
    rows.map(([label = "", value = ""]) => ({ label, value })),
  );
}

function activeParameters(model: Receipt["model"]): string {
  if (model.experts === null) return "all of them: the model is dense";
  return `${parameterCount(model.activeParameters)} (${percentage(model.activeParameters, model.parameters)})`;
}

function expertWords({
  routed,
  perToken,
  shared,
}: NonNullable<Receipt["model"]["experts"]>): string {
  const always = shared === 0 ? "no shared expert" : `${grouped(shared)} shared, always active`;
  return `${grouped(routed)} routed per MoE layer, ${grouped(perToken)} chosen per token; ${always}`;
}
