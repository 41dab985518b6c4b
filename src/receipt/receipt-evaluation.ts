import {
  type Evaluation,
  type Figures,
  type Gate,
  gateNames,
  type MeanRouterFigures,
  type RouterFigures,
} from "../evaluation/evaluation-types.ts";
import type { Field } from "../ground/json-field.ts";
import type { CalibrationRecord, Receipt } from "./receipt.ts";
import { readRowSource } from "./receipt-tuning.ts";

const mostDomains = 256;
const mostLayers = 4096;

/** What a receipt says was measured. Receipts of earlier versions do not have it. */
export function readEvaluation(field: Field): Evaluation | null {
  if (field.value === null || field.value === undefined) return null;
  const predicted = field.at("predicted");
  const rounded = field.at("rounded");
  return {
    rows: {
      source: readRowSource(field.at("rows").at("source")),
      sha256: field
        .at("rows")
        .at("sha256")
        .matching(/^[0-9a-f]{64}$/, "64 hexadecimal digits"),
      samples: field.at("rows").at("samples").count(),
      length: field.at("rows").at("length").count(),
    },
    ...readFigures(field),
    medianKl: field.at("medianKl").number(),
    p99Kl: field.at("p99Kl").number(),
    p999Kl: field.at("p999Kl").number(),
    maxKl: field.at("maxKl").number(),
    forcedMeanKl: field.at("forcedMeanKl").number(),
    forcedMeanKlError: readError(field.at("forcedMeanKlError")),
    ...readMeanRouters(field),
    byDomain: readDomains(field.at("byDomain")),
    byLayer: readLayers(field.at("byLayer")),
    predicted:
      predicted.value === null
        ? null
        : { forcedKl: predicted.at("forcedKl").number(), kl: predicted.at("kl").number() },
    rounded:
      rounded.value === null ? null : { ...readFigures(rounded), ...readMeanRouters(rounded) },
    gates: field.at("gates").list(readGate),
  };
}

function readFigures(field: Field): Figures {
  return {
    positions: field.at("positions").count(),
    meanKl: field.at("meanKl").number(),
    meanKlError: readError(field.at("meanKlError")),
    sameTop: field.at("sameTop").share(),
    perplexity: field.at("perplexity").number(),
    basePerplexity: field.at("basePerplexity").number(),
    perplexityRatio: field.at("perplexityRatio").number(),
    perplexityRatioError: readError(field.at("perplexityRatioError")),
  };
}

/** null: of a single row. */
function readError(field: Field): number | null {
  return field.value === null ? null : field.number();
}

function readMeanRouters(field: Field): MeanRouterFigures {
  const [agreement, exact] = [field.at("routerAgreement"), field.at("exactRoutes")];
  if (agreement.value === null && exact.value === null)
    return { routerAgreement: null, exactRoutes: null };
  return readRouters(field);
}

function readRouters(field: Field): RouterFigures {
  return {
    routerAgreement: field.at("routerAgreement").share(),
    exactRoutes: field.at("exactRoutes").share(),
  };
}

function readDomains(field: Field): Evaluation["byDomain"] {
  const domains = field.list((item) => ({
    domain: item.at("domain").matching(/^[\w. -]{1,64}$/, "a domain's name"),
    ...readFigures(item),
  }));
  const names = new Set(domains.map(({ domain }) => domain));
  if (domains.length > mostDomains || names.size < domains.length) {
    field.fail(`at most ${mostDomains} domains, each once`);
  }
  return domains;
}

function readLayers(field: Field): Evaluation["byLayer"] {
  const layers = field.list((item) => ({ layer: item.at("layer").count(), ...readRouters(item) }));
  const ascending = layers.every(({ layer }, at) => at === 0 || layer > layers[at - 1]!.layer);
  if (layers.length > mostLayers || !ascending)
    field.fail(`at most ${mostLayers} layers, ascending`);
  return layers;
}

function readGate(field: Field): Gate {
  const gate = {
    gate: field.at("gate").oneOf(gateNames),
    limit: field.at("limit").number(),
    value: field.at("value").number(),
    passed: field.at("passed").flag(),
  };
  const kept = gate.gate === "max-kl" ? gate.value <= gate.limit : gate.value >= gate.limit;
  if (gate.passed !== kept) field.at("passed").fail(`${kept}, by value and limit`);
  return gate;
}

/** A proof is of the rows that the recipe names, and speaks of routers where the model has some. */
export function checkEvaluation(root: Field, { evaluation, evaluationRows, model }: Receipt): void {
  if (evaluation === null) return;
  const field = root.at("evaluation");
  for (const key of [
    "source",
    "sha256",
    "samples",
    "length",
  ] as const satisfies (keyof CalibrationRecord)[]) {
    if (evaluationRows?.[key] !== evaluation.rows[key])
      field.at("rows").at(key).fail("that of evaluation");
  }
  if (evaluation.positions !== evaluation.rows.samples * evaluation.rows.length)
    field.at("positions").fail("samples × length");
  const hasRouters = model.experts !== null;
  if (
    (evaluation.routerAgreement !== null) !== hasRouters ||
    evaluation.byLayer.length > 0 !== hasRouters
  ) {
    field
      .at("routerAgreement")
      .fail(hasRouters ? "figures of the routers" : "null, for the model has no routers");
  }
}
