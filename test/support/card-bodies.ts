import { drawPictures } from "../../src/card/pictures.ts";
import { openGitHub } from "../../src/github/client.ts";
import { silentReport } from "../../src/ground/report.ts";
import type { Receipt } from "../../src/receipt/receipt.ts";
import { draftProposal } from "../../src/upkeep/card-proposal.ts";
import { cardInRepository, type TierCards } from "../../src/upkeep/tier-cards.ts";
import { GitHubServer, tokens } from "./github-server.ts";
import { measuredSeries } from "./measured-receipts.ts";

const tierOf = (receipt: Receipt): TierCards => ({
  tier: receipt.plan.tier,
  repository: receipt.repository,
  path: `cards/nano/${receipt.plan.tier}.md`,
  state: {} as TierCards["state"], // not read for a proposal
  receipt,
  pictures: drawPictures(receipt),
  hubNotes: null,
});

/**
 * Bodies of card pull requests of a series on GitHub: all cards are new; one has new figures of a
 * base that moved, one is unchanged.
 */
export async function cardBodies(): Promise<{ readonly fresh: string; readonly moved: string }> {
  const server = await GitHubServer.start();
  try {
    const github = await openGitHub({
      ...{ token: tokens.job, apiUrl: server.url, repository: server.repository },
      ...{ report: silentReport, second: 0 },
    });
    const draft = async (receipts: readonly Receipt[]) =>
      (
        await draftProposal(github, {
          series: "nano",
          tiers: receipts.map(tierOf),
          pages: { hub: "https://huggingface.co", github: undefined },
        })
      ).body;
    const pair = [measuredSeries[0]!, measuredSeries.at(-1)!];
    const fresh = await draft(measuredSeries);
    for (const receipt of pair) {
      const tier = tierOf(receipt);
      await server.personCommits("main", tier.path, await cardInRepository(tier));
      for (const { path, svg } of tier.pictures)
        await server.personCommits("main", `${tier.path.replace(/\.md$/, "")}/${path}`, svg);
    }
    const { evaluation, base } = pair[1]!;
    const newer = {
      ...pair[1]!,
      base: { ...base, revision: "f".repeat(40) },
      evaluation: { ...evaluation!, meanKl: 1.1 * evaluation!.meanKl },
    };
    return { fresh, moved: await draft([pair[0]!, newer]) };
  } finally {
    await server.close();
  }
}
