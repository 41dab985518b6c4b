import { basename } from "node:path";
import { licenceWarnings } from "../card/licence.ts";
import { describeFailures, judge, limitsOf } from "../evaluation/gates.ts";
import { OqeError } from "../ground/errors.ts";
import type { Report } from "../ground/report.ts";
import type { Hub, PushResult, RemoteState } from "../hub/hub-types.ts";
import { checkRepositoryName } from "../hub/names.ts";
import type { Inputs } from "../inputs/inputs.ts";
import type { Receipt } from "../receipt/receipt.ts";
import { parseReceipt } from "../receipt/receipt-file.ts";
import { isCurrent } from "./current.ts";
import { readReceipt, rehearseCard } from "./folders.ts";
import { type Job, type Order, tierName } from "./recipes.ts";

export interface PublishedTier {
  readonly tier: string;
  readonly repository: string;
  readonly outcome: PushResult["outcome"] | "dry-run" | "failed";
  /** Head of main after the run; null where a dry run would create the repository. */
  readonly commit: string | null;
  readonly url: string;
  /** The finished folder; null where nothing had to be made. */
  readonly folder: string | null;
}

/** Throws BAD_INPUT for a namespace or tier repository that the Hub would refuse, before any work. */
export function checkNames(inputs: Inputs): void {
  const { baseModel } = inputs;
  if (inputs.namespace === "") {
    throw new OqeError(
      "BAD_INPUT",
      "no namespace given",
      "Name the user or organization that the tier repositories belong to.",
    );
  }
  const modelName = basename(baseModel.kind === "folder" ? baseModel.path : baseModel.id);
  for (const tier of inputs.tiers)
    checkRepositoryName(inputs.namespace, tierName(modelName, tier.name));
}

/** Asks the Hub who the token is, so that a wrong or read-only one fails in the first second and not in the last. */
export async function checkRights(hub: Hub, inputs: Inputs, report: Report): Promise<void> {
  if (inputs.hubToken === null) {
    throw new OqeError(
      "UNAUTHORIZED",
      "no Hub token given",
      "Set the input hub-token, or HF_TOKEN, to a token with write access.",
    );
  }
  const identity = await hub
    .identify()
    .catch(ifAbsent(report, "does not say whom the token belongs to"));
  if (identity === null) return;
  if (identity.canWrite === false) {
    throw new OqeError(
      "FORBIDDEN",
      `the token of ${identity.name} may read but not write`,
      `Make a token with write access to ${inputs.namespace}.`,
    );
  }
  if (identity.name !== inputs.namespace && !identity.organizations.includes(inputs.namespace)) {
    report.warn(
      `the token belongs to ${identity.name}; the Hub does not list ${inputs.namespace} among its organizations`,
    );
  }
}

/** A Hub that lacks an endpoint which only serves to fail early: said, and gone on without. */
function ifAbsent(report: Report, what: string): (error: unknown) => null {
  return (error) => {
    if (!(error instanceof OqeError) || error.code !== "NOT_FOUND") throw error;
    report.warn(`this Hub ${what}; going on without`);
    return null;
  };
}

/** The state of every tier's repo. Throws NOT_OURS for one that holds files but no receipt, unless told to overwrite. */
export async function inspectAll(
  hub: Hub,
  jobs: readonly Order[],
  inputs: Inputs,
): Promise<ReadonlyMap<Order, RemoteState>> {
  const states = new Map<Order, RemoteState>();
  for (const job of jobs) {
    const state = await inspect(hub, job.recipe.repository, inputs);
    const own = [...state.files.keys()].filter((path) => path !== ".gitattributes");
    if (own.length > 0 && state.receipt === null && !inputs.overwrite) {
      throw new OqeError(
        "NOT_OURS",
        `${job.recipe.repository} exists and holds no receipt, so it is not a repository that this program made`,
        "Choose another namespace, or say overwrite to replace its files.",
      );
    }
    refuseOtherBase(job, state, inputs);
    states.set(job, state);
  }
  return states;
}

/** Two bases of one name would take turns in the same repository. Throws NOT_OURS, unless told to overwrite. */
function refuseOtherBase({ recipe }: Order, state: RemoteState, inputs: Inputs): void {
  const published = state.receipt === null ? null : readBaseId(state.receipt, recipe.repository);
  if (
    published === null ||
    recipe.base.id === null ||
    published === recipe.base.id ||
    inputs.overwrite
  )
    return;
  throw new OqeError(
    "NOT_OURS",
    `${recipe.repository} holds a tier of ${published}, not of ${recipe.base.id}`,
    "Choose another namespace, or say overwrite to replace its files.",
  );
}

/** null where the receipt cannot be read or its base was a folder. */
function readBaseId(receipt: string, repository: string): string | null {
  try {
    return parseReceipt(receipt, repository).base.id;
  } catch {
    return null;
  }
}

/** Without a token the Hub does not tell a missing repository from a private one: a dry run then takes it as missing. */
async function inspect(hub: Hub, repository: string, inputs: Inputs): Promise<RemoteState> {
  try {
    return await hub.inspect(repository);
  } catch (error) {
    const anonymous =
      inputs.hubToken === null && error instanceof OqeError && error.code === "UNAUTHORIZED";
    if (!anonymous) throw error;
    return { exists: false, head: null, files: new Map(), receipt: null };
  }
}

/**
 * The receipt of what main holds, if that is what the order would make; else null. A receipt that cannot be read counts as another
 * recipe; a tier that passed the gates of its day but not those of today is made and judged again.
 */
export function findPublished(
  { recipe }: Order,
  state: RemoteState,
  { gates }: Inputs,
): Receipt | null {
  if (state.receipt === null) return null;
  try {
    const published = parseReceipt(state.receipt, recipe.repository);
    const judged =
      published.evaluation === null
        ? []
        : judge(published.evaluation, limitsOf(gates, published.plan));
    return judged.every(({ passed }) => passed) && isCurrent(recipe, published, state)
      ? published
      : null;
  } catch {
    return null;
  }
}

/** Lets the Hub check each card's front matter, which is known before any weight is read. */
export async function checkCards(hub: Hub, jobs: readonly Job[], report: Report): Promise<void> {
  const [first] = jobs;
  if (first !== undefined)
    for (const warning of licenceWarnings({ ...first.recipe, files: {} })) report.warn(warning);
  for (const job of jobs) {
    const card = await rehearseCard(job);
    const errors =
      (await hub.validateCard(card).catch(ifAbsent(report, "does not check cards"))) ?? [];
    if (errors.length > 0) {
      throw new OqeError(
        "TEMPLATE",
        `the Hub refuses the front matter of ${job.recipe.repository}: ${errors.join("; ")}`,
        "Its values come from the base model's card: check license, language and tags there.",
      );
    }
  }
}

export interface Release {
  readonly states: ReadonlyMap<Order, RemoteState>;
  /** Orders whose folder was made because main does not hold it yet. */
  readonly pending: readonly Order[];
  /** Receipts of what was made. */
  readonly made: readonly Receipt[];
  readonly inputs: Inputs;
  readonly dependencies: { readonly report: Report; readonly occasion: string };
}

/**
 * Publishes tier after tier, but none that failed a gate. The first other failure ends it; the tiers are reported all the same, and
 * the caller throws the failure.
 */
export async function publishTiers(hub: Hub, jobs: readonly Order[], release: Release) {
  const { states, pending, made, inputs, dependencies } = release;
  const tiers: PublishedTier[] = [];
  let failure: unknown = null;
  for (const job of jobs) {
    const { repository } = job.recipe;
    const state = states.get(job)!;
    const isPending = pending.includes(job);
    if (
      isPending &&
      gateFailure(made.filter((receipt) => receipt.name === job.recipe.name)) !== null
    ) {
      tiers.push(await failedTier(hub, job, state));
      dependencies.report.info(`${repository}: kept back by a gate`);
      continue;
    }
    if (failure === null || !isPending) {
      const publish = () => publishTier(hub, job, state, isPending, inputs, dependencies.occasion);
      const tier = await dependencies.report
        .stage(`Publish ${repository}`, publish)
        .catch((error: unknown) => {
          failure = error;
          return null;
        });
      if (tier !== null) tiers.push(tier);
    }
    if (failure !== null && isPending) tiers.push(await failedTier(hub, job, state));
    dependencies.report.info(`${repository}: ${tiers.at(-1)!.outcome}`);
  }
  return { tiers, failure: failure ?? gateFailure(made) };
}

/** Every gate that was not passed, one sentence each. */
export function gateFailures(made: readonly Receipt[]): string[] {
  return made.flatMap(({ plan, evaluation }) =>
    describeFailures(evaluation?.gates ?? []).map((failure) => `${plan.tier}: ${failure}`),
  );
}

/** They as an error; null where all were passed. */
export function gateFailure(made: readonly Receipt[]): OqeError | null {
  const failed = gateFailures(made);
  if (failed.length === 0) return null;
  return new OqeError(
    "GATE",
    failed.join("; "),
    "The folder is kept, with its card and receipt, and is not published. A limit can be set: --max-kl oQ4e=0.3, or evaluate false for none.",
  );
}

/** Publishes one finished tier, or says that nothing had to be done. */
async function publishTier(
  hub: Hub,
  job: Order,
  state: RemoteState,
  pending: boolean,
  inputs: Inputs,
  occasion: string,
): Promise<PublishedTier> {
  const { repository, base, engine } = job.recipe;
  const url = `${hub.endpoint}/${repository}`;
  const folder = pending ? job.place : null;
  if (!pending)
    return { tier: job.tier, repository, outcome: "unchanged", commit: state.head, url, folder };
  if (inputs.dryRun)
    return { tier: job.tier, repository, outcome: "dry-run", commit: state.head, url, folder };
  const source = `${base.id ?? base.name} at ${base.revision}, by ${engine.name} ${engine.version}`;
  const result = await hub.push({
    repository,
    folder: job.place,
    state,
    expected: (await readReceipt(job.place)).files,
    private: inputs.private,
    title: `Publish ${job.tier} of ${base.name}`,
    description: occasion === "" ? source : `${source}, for ${occasion}`,
  });
  return {
    tier: job.tier,
    repository,
    outcome: result.outcome,
    commit: result.commit,
    url,
    folder,
  };
}

/** A tier that this run did not publish. Its main is read again: a commit may have landed although its check failed. */
async function failedTier(hub: Hub, job: Order, state: RemoteState): Promise<PublishedTier> {
  const { repository } = job.recipe;
  const now = await hub.inspect(repository).catch(() => state);
  const url = `${hub.endpoint}/${repository}`;
  return {
    tier: job.tier,
    repository,
    outcome: "failed",
    commit: now.head,
    url,
    folder: job.place,
  };
}
