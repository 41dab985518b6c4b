import { findLabel } from "../models/registry.ts";
import type { Receipt } from "../receipt/receipt.ts";
import { table } from "../template/template-shapes.ts";
import { carriedSizes } from "./carried-facts.ts";
import { grouped, parameterCount, percentage, plural } from "./figures.ts";
import { code } from "./markdown.ts";

type Layers = Receipt["model"]["layers"];

const mixers = { mamba: "Mamba-2", delta: "gated DeltaNet", attention: "attention" } as const;
const mlps = { moe: "mixture of experts", dense: "MLP" } as const;

/** Facts about the model, from the config of the base. */
export function highlightRows(receipt: Receipt) {
  const { model } = receipt;
  const { experts } = model;
  const carried = carriedSizes(receipt);
  const rows = [
    ["Architecture", architecture(model.modelType)],
    ...(carried === "" ? [] : [["Carried unquantized", carried]]),
    ["Parameters", `${parameterCount(model.parameters)} (${grouped(model.parameters)})`],
    ["Active per token", activeParameters(model)],
    ["Layers", layerWords(model.layers)],
    ...(experts === null ? [] : [["Experts", expertWords(experts)]]),
    ["Hidden size", grouped(model.hiddenSize)],
    [
      "Vocabulary",
      `${plural(model.vocabularySize, "token")}, ` +
        `${model.tiedHead ? "output head tied to the embeddings" : "separate output head"}`,
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

/** For example "Nemotron-H (`nemotron_h`)". */
function architecture(modelType: string): string {
  const label = findLabel(modelType);
  return label === null ? code(modelType) : `${label} (${code(modelType)})`;
}

/**
 * For example "11: 5 Mamba-2, 1 attention, 5 mixture of experts". A block with mixer and MLP is
 * "attention + MLP".
 */
function layerWords(layers: Layers): string {
  const byKind = layers.map(({ mixer, mlp, count }) => {
    const parts = [
      ...(mixer === null ? [] : [mixers[mixer]]),
      ...(mlp === null ? [] : [mlps[mlp]]),
    ];
    return `${grouped(count)} ${parts.join(" + ")}`;
  });
  const total = layers.reduce((sum, { count }) => sum + count, 0);
  return byKind.length > 1 ? `${grouped(total)}: ${byKind.join(", ")}` : byKind.join("");
}

function activeParameters(model: Receipt["model"]): string {
  if (model.experts === null) return "all of them: the model is dense";
  return (
    `${parameterCount(model.activeParameters)} ` +
    `(${percentage(model.activeParameters, model.parameters)})`
  );
}

function expertWords({
  routed,
  perToken,
  shared,
}: NonNullable<Receipt["model"]["experts"]>): string {
  const always = shared === 0 ? "no shared expert" : `${grouped(shared)} shared, always active`;
  return (
    `${grouped(routed)} routed per MoE layer, ${grouped(perToken)} chosen per token; ` + `${always}`
  );
}
