import { isDeepStrictEqual } from "node:util";
import { describeFailures, judge, limitsOf } from "../evaluation/gates.ts";
import { OqeError } from "../ground/errors.ts";
import { quote } from "../ground/schema.ts";
import type { RemoteState } from "../hub/hub-types.ts";
import type { Inputs } from "../inputs/inputs.ts";
import type { CalibrationRecord, Receipt } from "../receipt/receipt.ts";
import { parseReceipt } from "../receipt/receipt-file.ts";
import { type ComparedDraft, draftOf, recipeOf } from "../receipt/recipe.ts";
import { findOddFile } from "./current.ts";
import type { TierDraft } from "./recipes.ts";

/**
 * Why main does not have what the draft would make, one phrase for each reason: `base moved
 * 0123456789ab → ba9876543210`. For a tier that `findPublished` does not find.
 */
export function whyPending(
  { recipe }: TierDraft,
  state: RemoteState,
  gates: Inputs["gates"],
): readonly string[] {
  if (state.receipt === null) return ["not published yet"];
  let published: Receipt;
  try {
    published = parseReceipt(state.receipt, recipe.repository);
  } catch (error) {
    if (!(error instanceof OqeError)) throw error;
    return ["its receipt cannot be read"];
  }
  const changes = changesOf(draftOf(recipeOf(published)), asRead(draftOf(recipe)));
  if (changes.length > 0) return changes;
  const { evaluation, plan } = published;
  const judged = evaluation === null ? [] : judge(evaluation, limitsOf(gates, plan));
  const failures = describeFailures(judged);
  if (failures.length > 0) return failures;
  return [`${findOddFile(published, state) ?? "a file"} on main is not as it was published`];
}

/** As it reads back: what is undefined is absent. */
const asRead = (draft: ComparedDraft) => JSON.parse(JSON.stringify(draft)) as ComparedDraft;

function changesOf(before: ComparedDraft, now: ComparedDraft): readonly string[] {
  const causes = [
    ...(before.base.revision === now.base.revision
      ? []
      : [`base moved ${short(before.base.revision)} → ${short(now.base.revision)}`]),
    ...(before.engine === now.engine ? [] : [`recipe version ${before.engine} → ${now.engine}`]),
    ...fieldsOf(before.options, now.options, (name) => name),
    ...rowsOf("calibration", before.calibration, now.calibration),
    ...rowsOf("evaluation", before.evaluationRows, now.evaluationRows),
    ...rowsOf("WikiText-2", before.wikitextRows ?? null, now.wikitextRows ?? null),
  ];
  if (causes.length > 0) return causes;
  // What follows from the base and from the engine.
  const { options: _o, calibration: _c, evaluationRows: _e, engine: _n, ...others } = now;
  const names = Object.keys(others) as (keyof typeof others)[];
  return names
    .filter((name) => !isDeepStrictEqual(before[name], now[name]))
    .map((name) => (name === "base" ? "metadata of the base's card" : name))
    .map((name) => `${name} changed`);
}

const short = (revision: string) => revision.slice(0, 12);

/** Each field that differs, with both values. */
function fieldsOf(
  before: Readonly<Record<string, unknown>>,
  now: Readonly<Record<string, unknown>>,
  named: (field: string) => string,
): readonly string[] {
  const names = [...new Set([...Object.keys(before), ...Object.keys(now)])];
  return names
    .filter((name) => !isDeepStrictEqual(before[name], now[name]))
    .map((name) => `${named(name)} ${shown(before[name])} → ${shown(now[name])}`);
}

/** As the series file would have it. */
function shown(value: unknown): string {
  if (value === null || value === undefined) return "none";
  if (typeof value === "string") return /^[0-9a-f]{64}$/.test(value) ? short(value) : value;
  if (Array.isArray(value)) return value.length === 0 ? "none" : value.join(",");
  return quote(value);
}

type Rows = CalibrationRecord | null;

function rowsOf(what: string, before: Rows, now: Rows): readonly string[] {
  if (isDeepStrictEqual(before, now)) return [];
  if (before === null || now === null)
    return [
      `${what} rows ${before === null ? "none" : "some"} → ${now === null ? "none" : "some"}`,
    ];
  const named = ({ source, samples, length }: CalibrationRecord) => ({ source, samples, length });
  const fields = fieldsOf(named(before), named(now), (name) => `${what} ${name}`);
  return fields.length > 0 ? fields : [`${what} rows changed`];
}
