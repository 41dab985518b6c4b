import { code, inline, link, prose } from "./markdown.ts";
import type { Receipt, SeriesRow } from "./receipt.ts";
import { knownFigures, matrixRows } from "./series-rows.ts";
import { table } from "./template-shapes.ts";
import { kindRatios } from "./tuning-facts.ts";

/** What became of one tier's repository. `failed`: see the commit and the error. */
export type Outcome = "published" | "unchanged" | "dry-run" | "failed";

/** What a run has to say at its end; the Action's job summary. */
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
  readonly dryRun: boolean;
  /** Of the run; those of a tier are on its receipt. */
  readonly warnings: readonly string[];
}

const outcomes: Readonly<Record<Outcome, string>> = {
  published: "published",
  unchanged: "unchanged: the repository held exactly this already",
  "dry-run": "dry run: not published",
  failed: "failed: see the error; the commit is the head of main after it",
};

/** The facts of `templates/summary.md.jinja`. */
export type SummaryView = ReturnType<typeof summaryView>;

export function summaryView(facts: SummaryFacts) {
  const { id, name, revision } = facts.base;
  return {
    base: id === null ? `the folder ${code(name)}` : link(inline(id), `https://huggingface.co/${id}`),
    revision: code(revision),
    dryRun: facts.dryRun,
    matrix: matrixRows(facts.series, knownFigures(facts.made), (row) => inline(row.tier)),
    repositories: table(
      ["repository", "outcome", "commit"],
      facts.repositories.map(({ repository, outcome, url, commit }) => ({
        repository: url === null ? inline(repository) : link(inline(repository), url),
        outcome: outcomes[outcome],
        commit: commit === null ? "–" : code(commit),
      })),
    ),
    losses: lossRows(facts.made),
    warnings: [
      ...facts.warnings.map(prose),
      ...facts.made.flatMap(({ plan, warnings }) =>
        warnings.map((warning) => `${inline(plan.tier)}: ${prose(warning)}`),
      ),
    ],
  };
}

/** What tuning brought, a line for every tuned tier. */
function lossRows(made: readonly Receipt[]) {
  return table(
    ["tier", "losses"],
    made.flatMap(({ plan, tuning }) =>
      tuning === null ? [] : [{ tier: inline(plan.tier), losses: inline(kindRatios(tuning)) }],
    ),
  );
}
