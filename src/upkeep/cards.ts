import { link } from "../card/markdown.ts";
import { patience } from "../github/client.ts";
import { removeMerged } from "../github/merged-branch.ts";
import { type PullRequestResult, proposeFiles } from "../github/pull-request.ts";
import { OqeError } from "../ground/errors.ts";
import type { Inputs } from "../inputs/inputs.ts";
import { cardsBranch, draftProposal } from "./card-proposal.ts";
import { forEachModel } from "./each-model.ts";
import { openRepository } from "./report.ts";
import { readTier, type TierCards, tierPlaces } from "./tier-cards.ts";
import type { UpkeepRequest, UpkeepResult } from "./upkeep-types.ts";

/**
 * Makes the cards of every model again, from the receipts on the Hub, and proposes what differs
 * from the default branch in the one pull request of the model. Nothing is written if nothing
 * differs. A model that fails does not stop the others. Tests pass an `open` that keeps no pace.
 */
export async function refreshCards(
  request: UpkeepRequest,
  open = openRepository,
): Promise<UpkeepResult> {
  const { asked, environment, report } = request;
  const hub = request.connect();
  const github = await open(request);
  const refresh = async (series: string, inputs: Inputs): Promise<string> => {
    const tiers: TierCards[] = [];
    for (const place of tierPlaces(series, inputs)) {
      const tier = await readTier(hub, place, inputs.private);
      if (tier === null) report.info(`${place.repository} is not published yet`);
      else tiers.push(tier);
      for (const { failure } of tier?.pictures ?? [])
        if (failure !== null)
          report.warn(`${place.repository}: a picture was not drawn: ${failure}`);
    }
    if (tiers.length === 0) return "no tier is published yet";
    const pages = { hub: hub.endpoint, github: environment.GITHUB_SERVER_URL };
    if (!asked.dryRun) await removeMerged(github, cardsBranch(series));
    const { changed, ...proposal } = await draftProposal(github, { series, tiers, pages });
    if (asked.dryRun) return `dry run; ${changed.length} cards differ from ${proposal.base}`;
    return resultWords(await proposeFiles(github, proposal));
  };
  return forEachModel(request, "Cards in this repository", async ({ name }, inputs) => {
    for (let attempt = 1; ; attempt++) {
      try {
        return [await refresh(name, inputs)];
      } catch (error) {
        // Somebody committed to the branch meanwhile: notes and receipts are read again.
        const isMoved = error instanceof OqeError && error.code === "CONFLICT";
        if (!isMoved || attempt === patience.attempts) throw error;
        report.info(`${name}: ${error.message}; it is read again`);
      }
    }
  });
}

function resultWords({ outcome, number, url, kept }: PullRequestResult): string {
  const pull = number === null || url === null ? "" : link(`#${number}`, url);
  const words: Readonly<Record<PullRequestResult["outcome"], string>> = {
    created: `opened ${pull}`,
    updated: `updated ${pull}`,
    unchanged: `${pull} has these cards already`,
    declined: `a person closed ${pull} with these very cards, so it stays closed`,
    theirs: `the branch has a pull request of a person, ${pull}; its text is left as it is`,
    nothing: pull === "" ? "the cards are up to date" : `closed ${pull}: the cards are up to date`,
  };
  return words[outcome] + (kept === 0 ? "" : `; commits of people that are kept: ${kept}`);
}
