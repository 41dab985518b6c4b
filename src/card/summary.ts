import type { Receipt, SeriesRow } from "../receipt/receipt.ts";
import { table } from "../template/template-shapes.ts";
import { code, inline, link, prose } from "./markdown.ts";
import { pngImage } from "./picture-files.ts";
import { namePictures } from "./pictures.ts";
import { type RunCosts, runWords } from "./run-words.ts";
import { knownFigures, tierRows } from "./series-rows.ts";
import { kindRatios } from "./tuning-facts.ts";

/** The outcome of one repository. If it is `failed`, commit and error say why. */
export type Outcome = keyof typeof outcomes;

/** Results of a run for the Action's job summary. */
export interface SummaryFacts {
  readonly base: { readonly id: string | null; readonly name: string; readonly revision: string };
  readonly series: readonly SeriesRow[];
  readonly repositories: readonly {
    /** `<namespace>/<Model>-<tier>` */
    readonly repository: string;
    readonly outcome: Outcome;
    readonly url: string | null;
    readonly commit: string | null;
  }[];
  /** Receipts of the tiers that the run made. */
  readonly made: readonly Receipt[];
  /** New tiers that were not published, because the published ones are better. Default: none. */
  readonly kept?: readonly { readonly words: string; readonly table: string }[];
  /** What a finished series got besides its files. Default: nothing. */
  readonly announced?: {
    /** Tag on every repository. */
    readonly tag: string | null;
    readonly collection: { readonly outcome: string; readonly url: string } | null;
  };
  readonly dryRun: boolean;
  /** True if the repositories are private: then GitHub cannot show their pictures. */
  readonly private: boolean;
  /** What the run took. It differs from run to run, so it is on no card. */
  readonly run: RunCosts & {
    /** The Action as the workflow names it, `owner/name@ref`; null outside an Action. */
    readonly action: string | null;
    /** What the run was expected to need: reading, memory, disk, time. */
    readonly expected: readonly string[];
  };
  /** Warnings of the run. Warnings of a tier are on its receipt. */
  readonly warnings: readonly string[];
}

const outcomes = {
  published: "published",
  unchanged: "unchanged: the repository held exactly this already",
  proposed: "proposed: a pull request on the Hub has it; main is unchanged",
  "dry-run": "dry run: not published",
  staged: "finished on its staging branch; main is unchanged",
  unfinished: "not finished: the next run goes on with it",
  failed: "failed: see the error; the commit is the head of main after it",
  kept: "the published tier stays: the new one is worse beyond its error",
} as const;

/** The facts of `templates/summary.md.jinja`. */
export type SummaryView = ReturnType<typeof summaryView>;

export function summaryView(facts: SummaryFacts) {
  const { id, name, revision } = facts.base;
  const { action } = facts.run;
  const figures = knownFigures(facts.made);
  return {
    base:
      id === null ? `the folder ${code(name)}` : link(inline(id), `https://huggingface.co/${id}`),
    revision: code(revision),
    dryRun: facts.dryRun,
    tierRows: tierRows(facts.series, figures, (row) => inline(row.tier)),
    evaluated: figures.length > 0,
    announced: announcedWords(facts.announced),
    ...pictureFacts(facts),
    run: runWords(facts.run, action === null ? "" : ` (${code(action)})`),
    expected: facts.run.expected.map(prose),
    repositories: table(
      ["repository", "outcome", "commit"],
      facts.repositories.map(({ repository, outcome, url, commit }) => ({
        repository: url === null ? inline(repository) : link(inline(repository), url),
        outcome: outcomes[outcome],
        commit: commit === null ? "–" : code(commit),
      })),
    ),
    losses: lossRows(facts.made),
    kept: table(
      ["words", "table"],
      (facts.kept ?? []).map(({ words, table: markdown }) => {
        return { words: prose(words), table: markdown };
      }),
    ),
    warnings: [
      ...facts.warnings.map(prose),
      ...facts.made.flatMap(({ plan, warnings }) =>
        warnings.map((warning) => `${inline(plan.tier)}: ${prose(warning)}`),
      ),
    ],
  };
}

/**
 * The pictures of the new tiers, as images that GitHub can load. It shows neither inline SVG nor
 * `data:` addresses, only what it can load without a token: public files on the public Hub
 * (docs/card.md).
 */
function pictureFacts({ made, repositories, private: hidden }: SummaryFacts) {
  const shown = made.flatMap((receipt) => {
    const place = repositories.find(({ repository }) => repository === receipt.repository);
    if (place === undefined || hidden || !["published", "unchanged"].includes(place.outcome))
      return [];
    if (
      !place.url?.startsWith("https://huggingface.co/") ||
      !/^[0-9a-f]{40}$/.test(place.commit ?? "")
    )
      return [];
    const images = namePictures(receipt).map(({ path, alt }) => {
      const folder = `${place.url}/resolve/${place.commit}/`;
      return { path, image: pngImage({ path, alt }, { light: folder, dark: folder }) };
    });
    return [{ tier: receipt.plan.tier, images }];
  });
  const series = shown
    .flatMap(({ images }) => images.filter(({ path }) => path === "oqe-kl.svg"))
    .at(-1);
  return {
    seriesPicture: series?.image ?? "",
    pictures: table(
      ["tier", "images"],
      shown.map(({ tier, images }) => ({
        tier: inline(tier),
        images: images
          .flatMap(({ path, image }) => (path === "oqe-kl.svg" ? [] : [image]))
          .join("\n\n"),
      })),
    ),
    picturesElsewhere: shown.length === 0 && made.length > 0,
  };
}

/** The gain of tuning, one line per tuned tier. */
function lossRows(made: readonly Receipt[]) {
  return table(
    ["tier", "losses"],
    made.flatMap(({ plan, tuning }) =>
      tuning === null ? [] : [{ tier: inline(plan.tier), losses: inline(kindRatios(tuning)) }],
    ),
  );
}

/** Tag and collection in one or two sentences; empty: neither. */
function announcedWords(announced: SummaryFacts["announced"]): string {
  const { tag, collection } = announced ?? { tag: null, collection: null };
  const tagged = tag === null ? [] : [`Every repository has the tag ${code(tag)}.`];
  const listed =
    collection === null
      ? []
      : [`The ${link("collection", collection.url)} of the series: ${collection.outcome}.`];
  return [...tagged, ...listed].join(" ");
}
