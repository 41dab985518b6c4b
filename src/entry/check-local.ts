import { basename, dirname, isAbsolute, normalize, resolve } from "node:path";
import { byteSize } from "../ground/digits.ts";
import { asKnown, OqeError } from "../ground/errors.ts";
import { wrap } from "../ground/wrap.ts";
import type { Inputs } from "../inputs/inputs.ts";
import type { Dependencies } from "../pipeline.ts";
import { lookAtSeries, type SeriesLook } from "../series/look.ts";
import { findModel, readSeriesFile } from "../series-file/series-file.ts";
import type { SeriesModel } from "../series-file/series-types.ts";
import { checkCallers, tellCallers } from "../upkeep/check-callers.ts";
import { assumedThreads } from "../upkeep/check-models.ts";
import { needsWords, stateOf } from "../upkeep/check-tables.ts";
import { requireReleasable } from "../upkeep/release-limits.ts";
import { textTable } from "./text-table.ts";

/** What was found. */
export interface LocalChecks {
  readonly models: readonly LocalCheck[];
  /** Faults of the workflows beside the series file that call ours; null: none. */
  readonly callers: OqeError | null;
}

/** A model of a series file as a run would find it. */
export interface LocalCheck {
  readonly model: SeriesModel;
  /** null: `failure` says why. */
  readonly look: SeriesLook | null;
  readonly failure: OqeError | null;
}

/** What to check, and how. */
export interface LocalRequest extends Pick<Dependencies, "connect" | "openKernel" | "report"> {
  /** Path of the series file. */
  readonly file: string;
  /** One model of it; null: all. */
  readonly series: string | null;
  /** Throws BAD_INPUT, with the model's place in the file. */
  readonly inputsOf: (model: SeriesModel) => Inputs;
}

/**
 * Looks at the models of a series file, on any machine: from headers and receipts on the Hub, which
 * needs no token where they are public. Writes nothing. A model that fails does not stop the
 * others.
 */
export async function checkLocally(request: LocalRequest): Promise<LocalChecks> {
  const { series, inputsOf, connect, report } = request;
  const path = resolve(request.file);
  const name = isAbsolute(request.file) ? basename(path) : normalize(request.file);
  const file = await readSeriesFile({ path, name });
  const models = series === null ? file.models : [findModel(file, series)];
  if (series === null) requireReleasable({ file, inputsOf });
  const repository = { GITHUB_WORKSPACE: dirname(path) };
  const workflows = await checkCallers({ environment: repository, report });
  const callers = tellCallers(workflows, true, { report });
  const kernel = await request.openKernel();
  const explain = (failure: unknown) => failure;
  const looking = { connect, kernel, report, workers: assumedThreads, explain };
  const checked: LocalCheck[] = [];
  try {
    for (const model of models) {
      const look = () => lookAtSeries(inputsOf(model), looking);
      const found = await report.stage(`Look at ${model.name}`, look).catch(asKnown);
      checked.push(
        found instanceof OqeError
          ? { model, look: null, failure: found }
          : { model, look: found, failure: null },
      );
    }
  } finally {
    await kernel.close();
  }
  return { models: checked, callers };
}

const heads = ["tier", "size", "bpw", "would be", "why"];

/** A table for each model, for a terminal. */
export function formatChecks(checks: readonly LocalCheck[], columns: number): string {
  return checks.map((check) => formatCheck(check, columns)).join("\n\n");
}

function formatCheck({ model, look, failure }: LocalCheck, columns: number): string {
  const title = `${model.name} (${model.place})`;
  if (look === null)
    return `${title}\n${wrap(`failed: ${failure!.message}. ${failure!.hint}`, columns).join("\n")}`;
  const rows = look.tiers.map((tier) => {
    const { state, why } = stateOf(tier);
    return [tier.tier, byteSize(tier.plan.bytes), tier.plan.bpw.toFixed(2), state, why.join("; ")];
  });
  const { id, revision } = look.base;
  return [
    ...wrap(`${title}: ${id} at ${revision.slice(0, 12)}`, columns),
    textTable([heads, ...rows], new Set(["tier", "would be", "why"]), columns),
    ...(look.needs === null ? [] : wrap(`${needsWords(look.needs)}.`, columns)),
  ].join("\n");
}

/** The checks as JSON. */
export function checksAsJson(checks: readonly LocalCheck[]) {
  return checks.map(({ model: { name, place }, look, failure }) => ({
    ...{ name, place },
    base: look?.base ?? null,
    failure: failure?.message ?? null,
    tiers: (look?.tiers ?? []).map((tier) => {
      const { state, why } = stateOf(tier);
      const { bytes, bpw } = tier.plan;
      return { tier: tier.tier, repository: tier.repository, bytes, bpw, state, why };
    }),
  }));
}

/** The failure of a check: of the only model that failed, of all, or of the workflows. */
export function failureOf({ models, callers }: LocalChecks): OqeError | null {
  const failed = models.flatMap(({ model, failure }) => (failure ? [{ model, failure }] : []));
  const [first] = failed;
  if (first === undefined) return callers;
  const names = failed.map(({ model }) => model.name).join(", ");
  const { code, hint, message } = first.failure;
  if (failed.length === 1) return new OqeError(code, `${names}: ${message}`, hint);
  return new OqeError(code, `${failed.length} models cannot be looked at: ${names}`, hint);
}
