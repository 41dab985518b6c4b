import { drawPictures } from "../../src/card/pictures.ts";
import { openGitHub } from "../../src/github/client.ts";
import { proposeFiles } from "../../src/github/pull-request.ts";
import { silentReport } from "../../src/ground/report.ts";
import type { Receipt } from "../../src/receipt/receipt.ts";
import { draftProposal } from "../../src/upkeep/card-proposal.ts";
import type { TierCards } from "../../src/upkeep/tier-cards.ts";
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

export interface CardBodies {
  /** All cards are new. */
  readonly fresh: string;
  /** One has new figures of a base that moved, the others are unchanged. */
  readonly moved: string;
  /** What GitHub serves at the addresses of their pictures, by address. */
  readonly pictures: ReadonlyMap<string, string>;
}

/** Bodies of card pull requests of a series, once they are merged and their branch is deleted. */
export async function cardBodies(): Promise<CardBodies> {
  const server = await GitHubServer.start();
  try {
    const github = await openGitHub({
      ...{ token: tokens.job, apiUrl: server.url, repository: server.repository },
      ...{ report: silentReport, second: 0 },
    });
    const merged = async (receipts: readonly Receipt[]) => {
      const pages = { hub: "https://huggingface.co", github: undefined };
      const tiers = receipts.map(tierOf);
      const { number } = await proposeFiles(
        github,
        await draftProposal(github, { series: "nano", tiers, pages }),
      );
      const pull = `/pulls/${number}`;
      await server.person("PUT", `${pull}/merge`, { merge_method: "squash" });
      await server.person("DELETE", "/git/refs/heads/oqe/cards/nano");
      return (await server.person<{ body: string }>("GET", pull)).body;
    };
    const fresh = await merged(measuredSeries);
    const last = measuredSeries.at(-1)!;
    const newer = {
      ...last,
      base: { ...last.base, revision: "f".repeat(40) },
      evaluation: { ...last.evaluation!, meanKl: 1.1 * last.evaluation!.meanKl },
    };
    const moved = await merged([...measuredSeries.slice(0, -1), newer]);
    return { fresh, moved, pictures: await picturesOf([fresh, moved], server) };
  } finally {
    await server.close();
  }
}

async function picturesOf(bodies: readonly string[], server: GitHubServer) {
  const found = new Map<string, string>();
  const image = /!\[[^\]]*\]\((https:\/\/github\.com\/acme\/series\/raw\/([^/]+)\/([^)]+))\)/g;
  for (const [, address, ref, path] of bodies.flatMap((body) => [...body.matchAll(image)])) {
    const svg = await server.file(ref!, path!);
    if (svg !== null) found.set(address!, svg);
  }
  return found;
}
