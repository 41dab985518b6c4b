import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import * as v from "valibot";
import { asKnown, OqeError } from "../ground/errors.ts";
import {
  type Document,
  flag,
  line,
  list,
  object,
  oneOf,
  parse,
  readJson,
} from "../ground/schema.ts";
import { withoutSecrets } from "../ground/secrets.ts";
import type { TierComparison } from "./kept-better.ts";
import type { PublishedTier } from "./publish.ts";

/** Text of several lines. It may come from the Hub, so who shows it must escape it. */
const text = v.string("text");

/** What a job did with a series, for the jobs that report it. Unknown fields are ignored. */
const resultSchema = object({
  format: oneOf([1]),
  /** Name of the series in the series file; null: the command as a whole, for all of them. */
  series: v.nullable(line),
  /** The command that wrote this: `measure`, `tune`, `seal`, `publish`, `cards`. */
  command: line,
  /** False: the run stopped in time, and the next one goes on. */
  complete: flag,
  /** null: the run failed before it knew. `id` is null for a folder. */
  base: v.nullable(object({ id: v.nullable(line), revision: line })),
  tiers: list(
    object({
      tier: line,
      repository: line,
      /** One of `PublishedTier.outcome`, or of another version of this program. */
      outcome: line,
      /** Head of main after the run; null: there is no repository. */
      commit: v.nullable(line),
      url: line,
    }),
  ),
  /** Markdown that the report shows, for example two proofs side by side. */
  tables: list(object({ title: line, markdown: text })),
  failure: v.nullable(object({ code: line, message: text, hint: text })),
});
export type SeriesResult = v.InferOutput<typeof resultSchema>;

/** A run's end, as `publishModel` gives it; a run that threw has no tiers. */
export interface RunEnd {
  readonly plan: { readonly model: string; readonly revision: string } | null;
  readonly tiers: readonly PublishedTier[];
  readonly comparisons: readonly TierComparison[];
  readonly stopped: unknown;
  readonly failure: unknown;
}

/** The end of a command that gives nothing but its failure, or null. */
export function bareEnd(failure: unknown): RunEnd {
  return { plan: null, tiers: [], comparisons: [], stopped: null, failure };
}

/** The result of a run. `isHub`: the base is on the Hub. */
export function resultOf(
  { series, command, isHub }: { series: string | null; command: string; isHub: boolean },
  { plan, tiers, comparisons, stopped, failure }: RunEnd,
): SeriesResult {
  return {
    format: 1,
    series,
    command,
    complete: stopped === null && failure === null,
    base: plan && { id: isHub ? plan.model : null, revision: plan.revision },
    tiers: tiers.map(({ tier, repository, outcome, commit, url }) => {
      return { tier, repository, outcome, commit, url };
    }),
    tables: comparisons.flatMap(({ words, table, isWorse }) =>
      isWorse ? [{ title: words, markdown: table }] : [],
    ),
    failure: failure === null ? null : failureOf(failure),
  };
}

function failureOf(failure: unknown): SeriesResult["failure"] {
  const { code, message, hint } = asKnown(failure);
  return { code, message, hint };
}

/** In the place of a series' name: no series can have it. */
const allSeries = "@all";

/**
 * Writes `oqe-result-<series>.json` into a folder, which it makes; gives its path. Issues show what
 * the file has, so `secrets` are left out.
 */
export async function writeResult(
  folder: string,
  result: SeriesResult,
  secrets: readonly string[],
): Promise<string> {
  const { series } = result;
  if (series !== null && !/^\w[\w.-]{0,95}$/.test(series))
    throw new OqeError("BAD_INPUT", `"${series}" cannot be part of a file's name`);
  await mkdir(folder, { recursive: true });
  const path = join(folder, `oqe-result-${series ?? allSeries}.json`);
  await writeFile(path, withoutSecrets(`${JSON.stringify(result, null, 2)}\n`, secrets));
  return path;
}

/** All results of a run's jobs, in the order of their paths. */
export interface FoundResults {
  readonly results: readonly SeriesResult[];
  /** One sentence for each file that is no result. */
  readonly unreadable: readonly string[];
}

/**
 * Reads every `oqe-result-*.json` below a folder: each artifact may have a folder of its own. Never
 * throws for what a file holds. A folder that is missing holds no results.
 */
export async function readResults(folder: string): Promise<FoundResults> {
  const names = await readdir(folder, { recursive: true }).catch(() => []);
  const results: SeriesResult[] = [];
  const unreadable: string[] = [];
  for (const name of names.filter((one) => /(^|[\\/])oqe-result-[^\\/]+\.json$/.test(one)).sort()) {
    try {
      results.push(parseResult(await readFile(join(folder, name), "utf8"), name));
    } catch (error) {
      unreadable.push(asKnown(error).message);
    }
  }
  return { results, unreadable };
}

/** Throws BAD_INPUT, naming the file `where` and the field. */
export function parseResult(content: string, where: string): SeriesResult {
  const hint = "Another version of oqe-publisher wrote it. Run the jobs again with one version.";
  const document: Document = { where, code: "BAD_INPUT", hint };
  return parse(resultSchema, readJson(content, document), document);
}
