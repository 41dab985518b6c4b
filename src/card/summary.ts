import { code, inline, link, prose } from "./markdown.ts";
import type { SeriesRow } from "./receipt.ts";
import { matrixRows } from "./series-rows.ts";
import { table } from "./template-shapes.ts";

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
  readonly dryRun: boolean;
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
    matrix: matrixRows(facts.series, (row) => inline(row.tier)),
    repositories: table(
      ["repository", "outcome", "commit"],
      facts.repositories.map(({ repository, outcome, url, commit }) => ({
        repository: url === null ? inline(repository) : link(inline(repository), url),
        outcome: outcomes[outcome],
        commit: commit === null ? "–" : code(commit),
      })),
    ),
    warnings: facts.warnings.map(prose),
  };
}
