import { failureWords } from "../card/failure-words.ts";
import { code, inline, link, prose } from "../card/markdown.ts";
import { seriesCommands } from "../inputs/command-inputs.ts";
import type { SeriesResult } from "../series/result-file.ts";

/** How a run went for one model. */
export interface Verdict {
  /** Name in the series file. */
  readonly name: string;
  /** `stopped`: at its time limit; the next run goes on. */
  readonly state: "green" | "red" | "stopped";
  /** What went wrong, in Markdown; empty if nothing did. */
  readonly report: string;
}

/** Whether this is the command of a job that makes one model. */
export function isMaker(command: string): boolean {
  return ["access", ...seriesCommands].includes(command);
}

export interface Run {
  /** Names of all models of the series file. */
  readonly models: readonly string[];
  /** Names of those that had to be made; null: the check failed before it knew. */
  readonly expected: readonly string[] | null;
  readonly results: readonly SeriesResult[];
}

/**
 * One verdict per model that the run looked at. One that had nothing to be made is green if the
 * check says so. After a check that failed as a whole, nothing is known of any model.
 */
export function verdictsOf({ models, expected, results }: Run): readonly Verdict[] {
  if (expected === null) return [];
  return models.flatMap((name): readonly Verdict[] => {
    const own = results.filter(({ series }) => series === name);
    const check = own.find(({ command }) => command === "check");
    const last = own.find(({ command }) => isMaker(command));
    const isExpected = expected.includes(name);
    if (check === undefined && !isExpected) return [];
    return [{ name, ...judge(isExpected ? last : check) }];
  });
}

/** `result`: of the last job that left one. */
function judge(result: SeriesResult | undefined): Omit<Verdict, "name"> {
  if (result === undefined) return { state: "red", report: lost };
  if (result.failure !== null) return { state: "red", report: describe(result) };
  // A measurement that went well says nothing of the jobs behind it.
  if (!["check", "seal", "publish"].includes(result.command)) return { state: "red", report: lost };
  return { state: result.complete ? "green" : "stopped", report: "" };
}

/** A job of which nothing is known. */
export const lostJob =
  "A job ended without a result: it was cancelled, ran into its timeout, or lost its runner. The " +
  "log of the run has more.";

const lost = `${lostJob} What was finished is kept, and the next run goes on.`;

/** A failure in words, and what the run left, in Markdown. */
export function describe({ failure, tables, tiers, base }: SeriesResult): string {
  const why =
    failure === null
      ? []
      : [
          failureWords(failure.message, failure.code),
          ...(failure.hint === "" ? [] : [prose(failure.hint)]),
        ];
  const rows = tiers.map(
    ({ tier, repository, outcome, url }) =>
      `| ${inline(tier)} | ${link(inline(repository), url)} | ${inline(outcome)} |`,
  );
  const table =
    rows.length === 0
      ? []
      : [["| Tier | Repository | Outcome |", "|---|---|---|", ...rows].join("\n")];
  const from =
    base === null
      ? []
      : [`Base model: ${base.id === null ? "a folder" : code(base.id)} at ${code(base.revision)}`];
  const proofs = tables.map(({ title, markdown }) => `**${inline(title)}**\n\n${markdown}`);
  return [...why, ...from, ...table, ...proofs].join("\n\n");
}
