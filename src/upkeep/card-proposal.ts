import { changeTable } from "../card/change-rows.ts";
import { findEdits, readNotes } from "../card/kept-notes.ts";
import { type CardFigures, figuresOf, readFigures } from "../card/machine-facts.ts";
import { code, inline, link, webAddress } from "../card/markdown.ts";
import { noNotes } from "../card/notes.ts";
import type { GitHub } from "../github/client.ts";
import { baseHead, filesDigest, headsOf } from "../github/commit.ts";
import type { Proposal } from "../github/pull-request.ts";
import { marker } from "../github/sealed-text.ts";
import { TreeReader } from "../github/tree-reader.ts";
import { renderNamed } from "../template/template.ts";
import { table } from "../template/template-shapes.ts";
import { decodeCard } from "./checked-out.ts";
import { cardInRepository, cardsFolder, filesInRepository, type TierCards } from "./tier-cards.ts";

/** A pull request with the cards of one series, for `proposeFiles`. */
export interface CardProposal extends Proposal {
  /** Tiers whose card or pictures differ from the base branch. */
  readonly changed: readonly string[];
}

export interface ProposalRequest {
  readonly series: string;
  readonly tiers: readonly TierCards[];
  /** Addresses of the Hub's and GitHub's pages. */
  readonly pages: { readonly hub: string; readonly github: string | undefined };
}

/** The branch of a series' pull request. */
export function cardsBranch(series: string): string {
  return `oqe/${cardsFolder(series)}`;
}

/**
 * Drafts the pull request of a series. Notes are those of the default branch, or of the pull
 * request's branch if people committed there, or, for a new file, of the card on the Hub. Throws
 * BAD_INPUT for a card with broken markers.
 */
export async function draftProposal(
  github: GitHub,
  request: ProposalRequest,
): Promise<CardProposal> {
  const { series, tiers, pages } = request;
  const branch = cardsBranch(series);
  const verb = { what: `read the cards of ${series}`, permission: "contents: read" } as const;
  return github.settle(verb, async () => {
    const { data } = await github.rest.repos.get(github.at);
    const { tree } = await baseHead(github, data.default_branch);
    const { head, people } = await headsOf(github, { branch, base: data.default_branch });
    const reader: CardReader = { trees: new TreeReader(github), base: tree, people };
    const files = new Map<string, string | null>();
    const plain = new Map<string, string | null>();
    const changes: TierChange[] = [];
    for (const tier of tiers) {
      const before = await readCard(reader, tree, tier.path);
      const made = await cardInRepository(tier);
      const card = await keepNotes(github, reader, { tier, branch, before, made });
      const own = filesInRepository(tier, card);
      const differing = await reader.trees.differences(tree, own);
      for (const [path, content] of own) files.set(path, content);
      for (const [path, content] of filesInRepository(tier, made)) plain.set(path, content);
      if (differing.size === 0) continue;
      const figures = before === null ? null : readFigures(before);
      changes.push({ tier, before: figures, isNew: before === null });
    }
    const site = `${pages.github ?? "https://github.com"}/${github.repository}`;
    const template = "pull-request.md.jinja";
    return {
      ...{ branch, base: data.default_branch, files, labels: ["oqe"] },
      seen: head?.commit ?? null,
      // Notes are people's own: other notes do not make another proposal.
      content: filesDigest(plain),
      message: `Cards of ${series}\n\nMade from the receipts on the Hub.`,
      marker: marker("cards", series),
      title: `Model cards of ${series}`,
      // By commit: pictures stay when the branch is deleted after the merge.
      body: (commit) => renderNamed(template, bodyFacts(request, changes, `${site}/raw/${commit}`)),
      byHand: `${site}/compare/${[data.default_branch, branch].map(inPath).join("...")}?expand=1`,
      changed: changes.map((change) => change.tier.tier),
    };
  });
}

/** The name of a branch as part of an address. */
const inPath = (branch: string) => branch.split("/").map(encodeURIComponent).join("/");

/** Where cards are read. `people`: the branch of the pull request, if people committed to it. */
interface CardReader {
  readonly trees: TreeReader;
  readonly base: string;
  readonly people: { readonly tree: string } | null;
}

async function readCard({ trees }: CardReader, tree: string, path: string): Promise<string | null> {
  const bytes = await trees.content(tree, path);
  return bytes === null ? null : decodeCard(bytes, path);
}

interface MadeCard {
  readonly tier: TierCards;
  readonly branch: string;
  /** The card on the base branch; null if there is none. */
  readonly before: string | null;
  /** The card from the receipt, without notes. */
  readonly made: string;
}

/** The card with the notes of people. Warns of their other changes on the branch. */
async function keepNotes(
  { report }: GitHub,
  reader: CardReader,
  { tier, branch, before, made }: MadeCard,
): Promise<string> {
  const { path, hubNotes } = tier;
  const theirs = reader.people && (await readCard(reader, reader.people.tree, path));
  const text = theirs ?? before;
  if (text === null) return cardInRepository(tier, hubNotes ?? noNotes);
  const found = { where: theirs === null ? path : `${path} on ${branch}`, text };
  const edits = theirs === null || theirs === before ? "" : findEdits(found, made);
  if (edits !== "")
    report.warn(`${found.where} is made from the receipt again, outside its notes:\n${edits}`);
  return cardInRepository(tier, readNotes(found, made));
}

interface TierChange {
  readonly tier: TierCards;
  /** What the card on the base branch states; null: nothing that can be read. */
  readonly before: CardFigures | null;
  readonly isNew: boolean;
}

/** The facts of `templates/pull-request.md.jinja`. `raw`: address of the files of a commit. */
function bodyFacts({ tiers, pages }: ProposalRequest, changes: readonly TierChange[], raw: string) {
  const imagesOf = ({ path, pictures }: TierCards) =>
    pictures.flatMap((picture) => {
      const address = webAddress(`${raw}/${path.replace(/\.md$/, "")}/${picture.path}`);
      return address === null ? [] : [`![${inline(picture.alt)}](${address})`];
    });
  const rows = changes.map(({ tier, before, isNew }) => {
    const after = figuresOf(tier.receipt);
    return {
      title: link(inline(tier.repository), `${pages.hub}/${tier.repository}`),
      tier: inline(tier.tier),
      why: reason(before, after, isNew),
      table: changeTable(["Before", "After"], [before, after]),
      pictures: imagesOf(tier).join("\n\n"),
    };
  });
  const same = tiers.filter((tier) => !changes.some((change) => change.tier === tier));
  return {
    tiers: table(["title", "tier", "why", "table", "pictures"], rows),
    unchanged: same.map(({ tier }) => inline(tier)).join(", "),
  };
}

/** Why a card changed, in one or more sentences. */
function reason(before: CardFigures | null, after: CardFigures, isNew: boolean): string {
  if (isNew) return "The card is new.";
  if (before === null)
    return "The card here does not state its figures, so they cannot be compared.";
  const moved: readonly (readonly [is: boolean, words: string])[] = [
    [before.revision !== after.revision, `The base moved to ${code(after.revision ?? "?")}.`],
    [before.recipe !== after.recipe, "The engine has a new recipe."],
    [before.version !== after.version, `oqe-publisher ${inline(after.version ?? "?")} made it.`],
    [before.bytes !== after.bytes, "The plan of bits changed."],
    [before.meanKl !== after.meanKl, "The figures changed."],
  ];
  const words = moved.flatMap(([is, sentence]) => (is ? [sentence] : []));
  return words.length > 0
    ? words.join(" ")
    : "The tier is the same. Words or pictures differ from those that its receipt gives now.";
}
