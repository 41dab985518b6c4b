import type { Contradiction } from "../ground/schema.ts";
import type { Receipt } from "./receipt.ts";

/**
 * Fields of a receipt that contradict each other: its card would make claims that the receipt does
 * not support.
 */
export function* contradictions(receipt: Receipt): Generator<Contradiction> {
  yield* ofNames(receipt);
  if (receipt.verifiedBase !== null && receipt.base.id === null)
    yield { at: ["verifiedBase"], expected: "null, for the base was a folder" };
  yield* ofModules(receipt);
  yield* ofCarried(receipt);
  yield* ofMethod(receipt);
  yield* ofEvaluation(receipt);
  yield* ofSensitivity(receipt);
}

/** A card must name its own repository. */
function* ofNames({ repository, name, plan, series, otherTiers }: Receipt) {
  if (repository.split("/").at(-1) !== name)
    yield { at: ["name"], expected: `the last part of repository, "${repository}"` };
  if (!name.endsWith(`-${plan.tier}`))
    yield { at: ["name"], expected: `a name that ends with -${plan.tier}, the plan's tier` };
  const tiers = series.map(({ tier }) => tier);
  if (!tiers.includes(plan.tier))
    yield { at: ["series"], expected: `rows with one of the plan's tier, ${plan.tier}` };
  for (const [at, { tier }] of otherTiers.entries()) {
    if (tier === plan.tier || !tiers.includes(tier))
      yield { at: ["otherTiers", at, "tier"], expected: "another tier of the series" };
  }
  if (new Set(otherTiers.map(({ tier }) => tier)).size < otherTiers.length)
    yield { at: ["otherTiers"], expected: "each tier once" };
}

/** Only modules that the plan quantizes can have been tuned and measured. */
function* ofModules({ plan, tuning, sensitivity }: Receipt) {
  const isPlanned = (module: string) => Object.hasOwn(plan.modules, module);
  const expected = "a module of the plan";
  for (const module of Object.keys(tuning?.modules ?? {})) {
    if (!isPlanned(module))
      yield { at: ["tuning", "modules", module], expected: `${expected} as the key` };
  }
  for (const module of Object.keys(sensitivity?.costs ?? {})) {
    if (!isPlanned(module))
      yield { at: ["sensitivity", "costs", module], expected: `${expected} as the key` };
  }
  for (const [at, { module }] of sensitivity?.check.entries() ?? []) {
    if (!isPlanned(module)) yield { at: ["sensitivity", "check", at, "module"], expected };
  }
}

/** The plan counts the parts that the tier carries, and no others. */
function* ofCarried({ options: { carry = [], leftOut = [] }, plan }: Receipt) {
  const counted = Object.keys(plan.carried ?? {});
  if (counted.length !== carry.length || carry.some((part) => !counted.includes(part)))
    yield { at: ["plan", "carried"], expected: "bytes of each part of options.carry" };
  if (carry.some((part) => leftOut.includes(part)))
    yield { at: ["options", "leftOut"], expected: "parts that options.carry does not name" };
}

/** A tuned tier has every record of tuning, and a rounded tier has none. */
function* ofMethod({ options, calibration, tuning }: Receipt) {
  const { method, propagation, repair, rounding } = options;
  const isTuned = method === "tuned";
  const expected = `${isTuned ? "a value" : "null"}, for the method is ${method}`;
  if ((propagation !== null) !== isTuned) yield { at: ["options", "propagation"], expected };
  if ((repair !== null) !== isTuned) yield { at: ["options", "repair"], expected };
  if ((calibration !== null) !== isTuned) yield { at: ["calibration"], expected };
  if ((tuning !== null) !== isTuned) yield { at: ["tuning"], expected };
  if (isTuned && rounding === "mlx")
    yield { at: ["options", "rounding"], expected: '"stored", for the method is tuned' };
}

/**
 * An evaluation is of the rows that the recipe names, and has figures of routers where the model
 * has routers.
 */
function* ofEvaluation({ evaluation, evaluationRows, wikitextRows, model }: Receipt) {
  if (evaluation === null) return;
  for (const key of ["source", "sha256", "samples", "length"] as const) {
    if (evaluationRows?.[key] !== evaluation.rows[key])
      yield { at: ["evaluation", "rows", key], expected: "that of evaluationRows" };
  }
  const { wikitext } = evaluation;
  if (wikitextRows?.sha256 !== wikitext?.rows.sha256)
    yield { at: ["evaluation", "wikitext"], expected: "that of wikitextRows" };
  if (evaluation.positions !== evaluation.rows.samples * evaluation.rows.length)
    yield { at: ["evaluation", "positions"], expected: "samples × length" };
  const hasRouters = model.experts !== null;
  const { routerAgreement, byLayer, forcedPositions, positions, rows } = evaluation;
  if ((routerAgreement !== null) !== hasRouters || byLayer.length > 0 !== hasRouters) {
    const expected = hasRouters
      ? "a share, with figures byLayer, for the model has routers"
      : "null, without figures byLayer, for the model has no routers";
    yield { at: ["evaluation", "routerAgreement"], expected };
  }
  const isSparse = forcedPositions < positions && forcedPositions % rows.length === 0;
  if (forcedPositions !== positions && !(hasRouters && isSparse)) {
    const expected = hasRouters ? "those of some rows" : "all, for the model has no routers";
    yield { at: ["evaluation", "forcedPositions"], expected };
  }
}

function* ofSensitivity({ sensitivity, model }: Receipt) {
  if (sensitivity === null || sensitivity.experts.length > 0 === (model.experts !== null)) return;
  const expected = model.experts === null ? "an empty list, for the model is dense" : "layers";
  yield { at: ["sensitivity", "experts"], expected };
}
