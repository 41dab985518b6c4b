import { marker } from "../github/sealed-text.ts";
import type { OqeError } from "../ground/errors.ts";
import { bareEnd, resultOf, type SeriesResult } from "../series/result-file.ts";
import { describe, lostJob, type Verdict } from "./verdicts.ts";

/** What one issue is about. */
export interface Topic {
  readonly name: string;
  readonly marker: string;
  readonly title: string;
  readonly state: Verdict["state"];
  /** What went wrong and what to do, in Markdown. */
  readonly report: string;
}

/** What is known of a run. */
export interface KnownRun {
  /** Name of the series file. */
  readonly file: string;
  /** Why the series file cannot be read; null: it can. */
  readonly unreadable: OqeError | null;
  /** Names of all models of the series file. */
  readonly models: readonly string[];
  /** Names of those that had to be made; null: the check failed before it knew. */
  readonly expected: readonly string[] | null;
  /** How each job ended, by its name; null: only `results` tell. */
  readonly jobs: Readonly<Record<string, string>> | null;
  readonly results: readonly SeriesResult[];
}

/** The jobs behind the models: title on GitHub, what failed of one model, and what to do then. */
const jobs = [
  {
    job: "cards",
    title: "Card pull requests",
    failed: "the card pull request failed",
    advice: "The next run tries again.",
  },
  {
    job: "push-cards",
    title: "Send cards to the Hub",
    failed: "merged cards were not sent to the Hub",
    advice:
      "Run the failed jobs of that run again when the cause is repaired. Other runs do not send " +
      "these cards, unless `cards/` changes again.",
  },
  {
    job: "release",
    title: "Release",
    failed: "",
    advice:
      "Run the failed jobs of that tag again when the cause is repaired. A run that is not of a " +
      "tag makes no release.",
  },
] as const;
type Job = (typeof jobs)[number];

/** A model that was not made. */
export function modelTopic({ name, state, report }: Verdict): Topic {
  const title = `oQe series ${name} was not published`;
  return { name, marker: marker("failure", name), title, state, report };
}

/** The series file, and the check of it: if that failed, nothing is known of any model. */
export function checkTopic({ file, unreadable, expected, results }: KnownRun): Topic {
  const about = { name: `check of ${file}`, marker: marker("check", file) };
  if (unreadable === null && expected !== null)
    return { ...about, title: "", state: "green", report: "" };
  const found = results.find(({ series, command }) => series === null && command === "check");
  const failed = unreadable === null ? found : unreadableResult(unreadable);
  const what = unreadable === null ? "the check failed" : `${file} cannot be read`;
  const why = failed === undefined || failed.failure === null ? lostJob : describe(failed);
  const report = `${why}\n\nNothing was made. The next run that can read the file goes on.`;
  return { ...about, title: `oQe series: ${what}`, state: "red", report };
}

function unreadableResult(failure: OqeError): SeriesResult {
  return resultOf({ series: null, command: "report", isHub: false }, bareEnd(failure));
}

/** What the jobs behind the models did: as a whole, and for each model. */
export function jobTopics(run: KnownRun): readonly Topic[] {
  return jobs.flatMap((job) => [...wholeTopic(job, run), ...topicsOfModels(job, run)]);
}

function wholeTopic(job: Job, run: KnownRun): readonly Topic[] {
  const outcome = outcomeOf(job, run);
  if (outcome === "skipped") return [];
  const own = run.results.filter(({ command }) => command === job.job);
  const about = { name: job.title, marker: marker(job.job, `all-of-${run.file}`) };
  const title = `oQe series: the job "${job.title}" failed`;
  const whole = own.find(({ series }) => series === null);
  if (whole?.failure === null && !whole.complete) return []; // it waits for others
  // A job that failed for some of its models worked as a whole.
  const isOfModels = own.some(({ series, failure }) => series !== null && failure !== null);
  if (outcome === "success" || isOfModels) return [{ ...about, title, state: "green", report: "" }];
  const why = whole === undefined ? lostJob : whole.failure === null ? otherStep : describe(whole);
  return [{ ...about, title, state: "red", report: `${why}\n\n${job.advice}` }];
}

const otherStep =
  "The command of the job went well, but another step failed, such as an attestation or the upload " +
  "of its result. The log of the run has more.";

function topicsOfModels(job: Job, run: KnownRun): readonly Topic[] {
  return run.models.flatMap((name): readonly Topic[] => {
    const about = { name: `${job.title} of ${name}`, marker: marker(job.job, name) };
    const title = `oQe series ${name}: ${job.failed}`;
    const own = run.results.find(({ series, command }) => series === name && command === job.job);
    if (own !== undefined && own.failure !== null)
      return [{ ...about, title, state: "red", report: `${describe(own)}\n\n${job.advice}` }];
    const isGreen = own !== undefined || (job.job === "cards" && needsNoCards(name, run));
    return isGreen ? [{ ...about, title, state: "green", report: "" }] : [];
  });
}

/** Whether the check looked at a model, and gave it to no job for cards. */
function needsNoCards(name: string, run: KnownRun): boolean {
  const check = run.results.find(({ series, command }) => series === name && command === "check");
  const isLooked = run.expected !== null && check !== undefined && check.failure === null;
  return isLooked && ["success", "skipped"].includes(outcomeOf(jobs[0], run));
}

function outcomeOf({ job }: Job, run: KnownRun): string {
  const whole = run.results.find(({ series, command }) => series === null && command === job);
  const told = whole === undefined ? "skipped" : whole.failure === null ? "success" : "failure";
  return run.jobs?.[job] ?? told;
}
