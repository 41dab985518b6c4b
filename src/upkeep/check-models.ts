import { inRepository } from "../card/facts.ts";
import { cutCard, isBroken } from "../card/notes.ts";
import { renderCard } from "../card/render.ts";
import { asKnown, type OqeError } from "../ground/errors.ts";
import type { Receipt } from "../receipt/receipt.ts";
import { lookAtSeries, type SeriesLook } from "../series/look.ts";
import { bareEnd, resultOf, writeResult } from "../series/result-file.ts";
import type { SeriesModel } from "../series-file/series-types.ts";
import { namingSecret } from "./base-readers.ts";
import { readCheckedOut } from "./checked-out.ts";
import { cardsFolder } from "./tier-cards.ts";
import { tokensOf, type UpkeepRequest } from "./upkeep-types.ts";

/** A model as the check found it. */
export interface Checked {
  readonly model: SeriesModel;
  /** null: `failure` says why. */
  readonly look: SeriesLook | null;
  readonly failure: OqeError | null;
  /** Whether a card in the GitHub repository is missing, or not as its receipt gives it today. */
  readonly hasOldCards: boolean;
}

/** Threads that hours are given for: macos-latest has three cores. */
export const assumedThreads = 3;

/**
 * Looks at the models one after another. One that fails does not stop the others. A result file in
 * the work folder tells the command `report` of each.
 */
export async function checkModels(
  models: readonly SeriesModel[],
  request: UpkeepRequest,
): Promise<readonly Checked[]> {
  if (models.length === 0) return [];
  const { connect, inputsOf, report } = request;
  const kernel = await request.openKernel();
  const explain = (failure: unknown) => namingSecret(failure, "check", connect().access);
  const looking = { connect, kernel, report, workers: assumedThreads, explain };
  const checked: Checked[] = [];
  try {
    for (const model of models) {
      const look = () => lookAtSeries(inputsOf(model), looking);
      const found = await report
        .stage(`Look at ${model.name}`, look)
        .catch((error: unknown) => asKnown(error));
      const failure = "code" in found ? found : null;
      // The issue of a tier that is held back stays open.
      const isHeld = !("code" in found) && found.tiers.some((tier) => tier.isHeldBack);
      if (!isHeld) await keepResult(model, failure, request);
      if ("code" in found) checked.push(fail(model, found, request));
      else
        checked.push({
          model,
          look: found,
          failure: null,
          ...(await cardsOf(model, found, request)),
        });
    }
  } finally {
    await kernel.close();
  }
  return checked;
}

function fail(model: SeriesModel, failure: OqeError, { report }: UpkeepRequest): Checked {
  report.warn(`${model.place} (${model.name}): ${failure.message}`);
  return { model, look: null, failure, hasOldCards: false };
}

async function keepResult(
  { name }: SeriesModel,
  failure: OqeError | null,
  { asked }: UpkeepRequest,
): Promise<void> {
  const result = resultOf({ series: name, command: "check", isHub: true }, bareEnd(failure));
  await writeResult(asked.workDir, result, tokensOf(asked));
}

async function cardsOf({ name }: SeriesModel, { tiers }: SeriesLook, request: UpkeepRequest) {
  const root = request.environment.GITHUB_WORKSPACE || ".";
  for (const { tier, published } of tiers) {
    if (published === null) continue;
    const text = await readCheckedOut(root, `${cardsFolder(name)}/${tier}.md`).catch(() => null);
    if (await isOldCopy(text ?? "", published)) return { hasOldCards: true };
  }
  return { hasOldCards: false };
}

/**
 * A copy that cannot be read or has broken markers counts as old: the command `cards` tells what is
 * wrong.
 */
async function isOldCopy(text: string, receipt: Receipt): Promise<boolean> {
  const cut = cutCard(text);
  if (cut === null || isBroken(cut)) return true;
  const place = inRepository(receipt);
  return text !== (await renderCard(receipt, { place, notes: cut.notes }));
}
