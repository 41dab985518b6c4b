import { join } from "node:path";
import { inline, link } from "../card/markdown.ts";
import { type GitHub, openGitHub } from "../github/client.ts";
import { closeIssue, upsertIssue } from "../github/issue.ts";
import { mostStarts, startAgain, workflowFile } from "../github/start-again.ts";
import { readResults } from "../series/result-file.ts";
import { checkTopic, jobTopics, modelTopic, type Topic } from "./topics.ts";
import type { UpkeepRequest, UpkeepResult } from "./upkeep-types.ts";
import { type Verdict, verdictsOf } from "./verdicts.ts";

const label = "oqe";
/** Files of the jobs' results, below the work folder. */
export const resultsFolder = "results";

/**
 * One issue per model: opened or updated if the run failed for it, closed if it went well. The same
 * for its cards, and for what concerns all models: the series file, and each job behind them. Then
 * the workflow is started again for models that stopped at their time limit. `asked.models` are
 * those that had to be made; without them the check failed, and one issue says so.
 */
export async function reportResults(request: UpkeepRequest): Promise<UpkeepResult> {
  const { asked, file, environment, report } = request;
  const { results, unreadable } = await readResults(join(asked.workDir, resultsFolder));
  for (const line of unreadable) report.warn(line);
  const models = file.models.map(({ name }) => name);
  const run = {
    ...{ file: file.name, models, results, expected: asked.models, jobs: asked.jobs },
    unreadable: request.unreadable ?? null,
  };
  const verdicts = verdictsOf(run);
  const github = await openRepository(request);
  const place = placeOf(environment);
  const open = await openMarks(github);
  const lines: string[] = [];
  const settle = async (topics: readonly Topic[]) => {
    for (const topic of topics) lines.push(await settleTopic(github, topic, { open, place }));
  };
  const stopped = verdicts.filter(({ state }) => state === "stopped");
  const others = verdicts.filter(({ state }) => state !== "stopped");
  await settle([checkTopic(run), ...others.map(modelTopic), ...jobTopics(run)]);
  // Last: if no run can be started, the issues of the others are written all the same.
  const { started, failure } =
    stopped.length === 0 ? nothingStopped : await goOn(github, environment);
  if (failure === null) await settle((started ? stopped : stopped.map(exhausted)).map(modelTopic));
  else lines.push(...stopped.map(({ name }) => `${inline(name)}: stopped, no new run goes on`));
  const summary = lines.map((line) => `- ${line}\n`).join("");
  return { outputs: {}, summary, failure };
}

type Environment = UpkeepRequest["environment"];

/** The repository that runs the workflow. Throws UNAUTHORIZED, BAD_INPUT. */
export function openRepository({ asked, environment, report }: UpkeepRequest): Promise<GitHub> {
  return openGitHub({
    token: asked.githubToken ?? "",
    apiUrl: environment.GITHUB_API_URL ?? "https://api.github.com",
    repository: environment.GITHUB_REPOSITORY ?? "",
    report,
  });
}

interface GoneOn {
  /** False: so many runs were started that no further one is. */
  readonly started: boolean;
  /** Why it could not be asked for; null if it could. */
  readonly failure: unknown;
}
const nothingStopped: GoneOn = { started: false, failure: null };

async function goOn(github: GitHub, environment: Environment): Promise<GoneOn> {
  try {
    const started = await startAgain(github, {
      workflow: workflowFile(environment.GITHUB_WORKFLOW_REF),
      ref: environment.GITHUB_REF ?? "",
      commit: environment.GITHUB_SHA ?? "",
    });
    return { started, failure: null };
  } catch (failure) {
    return { started: false, failure };
  }
}

/** A model that stopped, and for which no further run was started. */
function exhausted(verdict: Verdict): Verdict {
  if (verdict.state !== "stopped") return verdict;
  const report =
    `${mostStarts.runs} runs of this commit stopped at the time limit within ${mostStarts.days} ` +
    "days, so no further one was started. Raise `time-limit` or `timeout-minutes`, take a faster " +
    "runner or fewer rows, or run the workflow by hand.";
  return { ...verdict, state: "red", report };
}

/** The first lines of our open issues. One list for all models: rate limits are per hour. */
async function openMarks(github: GitHub): Promise<ReadonlySet<string>> {
  const { rest, at, paginate } = github;
  const verb = { what: "list the issues", permission: "issues: read" } as const;
  const issues = await github.settle(verb, () =>
    paginate(rest.issues.listForRepo, { ...at, labels: label, state: "open", per_page: 100 }),
  );
  return new Set(issues.map(({ body }) => (body ?? "").split(/\r?\n/, 1)[0]!));
}

/** Opens, updates or closes the issue of a topic. Gives a line for the summary. */
async function settleTopic(
  github: GitHub,
  { name, marker, title, state, report }: Topic,
  { open, place }: { readonly open: ReadonlySet<string>; readonly place: string },
): Promise<string> {
  const subject = inline(name);
  if (state === "stopped") return `${subject}: stopped at its time limit, a new run goes on`;
  if (state === "green") {
    const words = "The last run went well.";
    const closed = open.has(marker) ? await closeIssue(github, { marker, label }, words) : null;
    return `${subject}: went well${closed === null ? "" : `, issue ${closed} is closed`}`;
  }
  const body = `${report}\n\n${place}`;
  const text = { marker, title, body, labels: [label] as [string], cause: report };
  const { outcome, number, url } = await upsertIssue(github, text);
  return `${subject}: failed, ${link(`issue ${number}`, url)} (${outcome})`;
}

/** Where to look: the same text for every run, so that the same failure changes no issue. */
function placeOf({ GITHUB_SERVER_URL, GITHUB_REPOSITORY, GITHUB_WORKFLOW_REF }: Environment) {
  const server = GITHUB_SERVER_URL ?? "https://github.com";
  const pages = `${server}/${GITHUB_REPOSITORY}/actions`;
  const [, file] = /\/([^/@]+)@/.exec(GITHUB_WORKFLOW_REF ?? "") ?? [];
  const url = file === undefined ? pages : `${pages}/workflows/${encodeURIComponent(file)}`;
  return link("Runs of this workflow", url);
}
