import { code } from "../card/markdown.ts";
import { findEarlierRun } from "../github/earlier-run.ts";
import { changedPaths, type GitHubEvent, readEvent } from "../github/event.ts";
import { isUnattended } from "../github/occasion.ts";
import { OqeError } from "../ground/errors.ts";
import { reasonOf } from "../ground/reasons.ts";
import type { SeriesLook } from "../series/look.ts";
import { type Agenda, agendaOf } from "./agenda.ts";
import { callerText, checkCallers, tellCallers } from "./check-callers.ts";
import { checkCards } from "./check-cards.ts";
import { type Checked, checkModels } from "./check-models.ts";
import { stateTable } from "./check-tables.ts";
import { commentPlan } from "./plan-comment.ts";
import { requireReleasable } from "./release-limits.ts";
import { openRepository } from "./report.ts";
import type { UpkeepRequest, UpkeepResult } from "./upkeep-types.ts";

/**
 * Finds what is to be made, from the event, the series file, and headers and receipts on the Hub.
 * Writes nothing to the Hub, and to GitHub one comment on a pull request. A model that cannot be
 * looked at is told and left out. It fails the command only on a pull request, where nothing is
 * made, and if no model is left.
 */
export async function checkSeries(request: UpkeepRequest): Promise<UpkeepResult> {
  const { file, report, environment } = request;
  const event = await readEvent(environment);
  const paths = await changesOf(event, request);
  const callers = await checkCallers(request);
  const asked = agendaOf(event, { file, paths, callers: callers.map(({ path }) => path) }, report);
  // A run that goes on with the release of a tag is started by hand, at the tag.
  const isTag = environment.GITHUB_REF?.startsWith("refs/tags/") === true;
  const agenda: Agenda = asked.task === "make" && isTag ? { ...asked, task: "release" } : asked;
  if (agenda.task === "release") requireReleasable(request);
  const checked = await checkModels(agenda.models, request);
  const unattended = isUnattended(environment);
  const earlier = await earlierRuns(checked, unattended, request);
  const outputs = outputsOf(agenda, checked, { isUnattended: unattended, earlier });
  const isPull = agenda.task === "comment";
  const cards = isPull ? await checkCards(agenda.changedCards, request) : null;
  const calling = callerText(callers, isPull && callers.some(({ path }) => paths?.includes(path)));
  const others = [cards?.summary ?? "", calling];
  if (event.kind === "pull_request" && isPull)
    await commentPlan(event, { file, checked, others }, request);
  const found = [stateTable(checked), ...others].filter((text) => text !== "");
  const summary = `## Check of ${code(file.name)}\n\n${found.join("\n") || nothing}`;
  const refused = tellCallers(callers, isPull, request);
  const failure = failureOf(agenda, checked) ?? cards?.failure ?? refused;
  return { outputs, summary, failure };
}

const nothing = "This event asks for nothing.\n";

/** Paths that the event changed, for the events that ask for different things by them. */
async function changesOf(
  event: GitHubEvent,
  request: UpkeepRequest,
): Promise<readonly string[] | null> {
  const matters = event.kind === "pull_request" || (event.kind === "push" && event.isDefaultBranch);
  return matters ? changedPaths(await openRepository(request), event) : null;
}

/** Runs that left a sensitivity of a model that is to be made, by the model's name. */
async function earlierRuns(
  checked: readonly Checked[],
  isUnattended: boolean,
  request: UpkeepRequest,
): Promise<ReadonlyMap<string, number>> {
  const found = new Map<string, number>();
  if (request.asked.githubToken === null) return found;
  const github = await openRepository(request);
  for (const { model, look } of checked) {
    if (pendingOf(look, isUnattended).length === 0) continue;
    const run = await findEarlierRun(github, `oqe-sensitivity-${model.name}`).catch((error) => {
      request.report.info(`${model.name} is measured anew: ${reasonOf(error)}`);
      return null;
    });
    if (run !== null) found.set(model.name, run);
  }
  return found;
}

interface Circumstances {
  readonly isUnattended: boolean;
  /** Runs that left a sensitivity, by the model's name. */
  readonly earlier: ReadonlyMap<string, number>;
}

function outputsOf(
  { task, changedCards }: Agenda,
  checked: readonly Checked[],
  { isUnattended, earlier }: Circumstances,
) {
  const makes = task === "make" || task === "release";
  const models = checked.flatMap(({ model, look }) => {
    const pending = pendingOf(look, isUnattended);
    // A release gives the tag to all repositories, also to those that have nothing pending.
    const isNeeded = pending.length > 0 || (look !== null && task === "release");
    if (!makes || !isNeeded) return [];
    const { name, runner, timeoutMinutes: timeout, environment } = model;
    const run = earlier.get(name);
    // An input of type string takes it.
    const others = run === undefined ? {} : { earlier: String(run) };
    return [{ name, runner, timeout, environment, pending, ...others }];
  });
  const cards = checked.filter(needsCards).map(({ model }) => model.name);
  const pushCards = task === "comment" ? [] : changedCards;
  const lists = { models, cards: makes ? cards : [], pushCards };
  return {
    mode: modeOf(task, lists),
    models: JSON.stringify(lists.models),
    cards: JSON.stringify(lists.cards),
    "push-cards": JSON.stringify(lists.pushCards),
  };
}

/** Tiers to be made. A run that nobody watches made those already that it holds back. */
function pendingOf(look: SeriesLook | null, isUnattended = false): readonly string[] {
  const tiers = (look?.tiers ?? []).filter(
    ({ pending, isHeldBack }) => pending.length > 0 && !(isUnattended && isHeldBack),
  );
  return tiers.map(({ tier }) => tier);
}

/** New receipts give new cards, so a model that is made counts too. */
function needsCards({ look, hasOldCards }: Checked): boolean {
  const isStale = look?.tiers.some((tier) => tier.isCardStale) === true;
  return hasOldCards || isStale || pendingOf(look).length > 0;
}

type Lists = Readonly<Record<"models" | "cards" | "pushCards", readonly unknown[]>>;

function modeOf(task: Agenda["task"], { models, cards, pushCards }: Lists): string {
  if (task === "release" || task === "comment") return task;
  if (models.length > 0) return "requantize";
  if (pushCards.length > 0) return "push-cards";
  return cards.length > 0 ? "cards" : "none";
}

/** What fails the command. */
function failureOf({ task }: Agenda, checked: readonly Checked[]): OqeError | null {
  const failed = checked.filter(({ failure }) => failure !== null);
  const [first] = failed;
  if (first === undefined) return null;
  if (task !== "comment" && failed.length < checked.length) return null;
  const words = failed.map(
    ({ model, failure }) => `${model.place} (${model.name}): ${failure!.message}`,
  );
  return new OqeError(first.failure!.code, words.join("; "), first.failure!.hint);
}
