import { createHash } from "node:crypto";
import * as v from "valibot";
import { AlteredBytes } from "../checkpoint/altered-bytes.ts";
import { OqeError } from "../ground/errors.ts";
import { line, matching, object } from "../ground/schema.ts";
import type { Branch, Hub, StagedFile } from "../hub/hub-types.ts";
import { type Draft, draftDigestOf, type Recipe } from "../receipt/recipe.ts";
import { hasEnded, processMark } from "./run-folder.ts";
import { claimFile, readValue, stagingBranch } from "./staged-records.ts";

const minute = 60_000;
/** Least time after which the next sign of a run is expected, in ms. */
const leastWait = 60 * minute;
/** The same as a multiple of the longest time between two signs so far. */
const timesLongest = 3;
/** Time that a finished tier may wait to be sealed: the longest job of GitHub, in ms. */
const sealWait = 6 * 60 * minute;

const moment = v.pipe(
  matching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/, "a time"),
  v.check((text) => !Number.isNaN(Date.parse(text)), "expected a time"),
);

/** What comes behind a commit: another block, the seal of the finished tier, or nothing. */
export type Expects = "block" | "seal" | "nothing";

/** What a run says of itself on a branch. Of the machine only a hash: anyone can read it. */
const claimSchema = object({
  /** Names what the run makes: see StagingPlace. */
  draft: line,
  /** See processMark, hashed. */
  machine: line,
  process: line,
  since: moment,
  last: moment,
  /** If no sign came until then, the run has ended. */
  until: moment,
});
type Claim = v.InferOutput<typeof claimSchema>;

/** A branch that a run may write to, or only read. */
export interface StagingPlace {
  readonly hub: Hub;
  readonly repository: string;
  /** Whether a new repository is private. */
  readonly private: boolean;
  /** Names what the tier follows from, before anything is measured. */
  readonly draft: string;
  /** A job that only measures goes on with what is there, and writes nothing. Default: false. */
  readonly readsOnly?: boolean;
  /** Default: the branch of the tier's own job. */
  readonly branch?: string;
}

/** A tier, whether it is planned yet or not. */
interface Tier {
  readonly recipe: Draft | Recipe;
}

/** The staging branch of a tier. */
export function stagingPlace(
  staging: Pick<StagingPlace, "hub" | "private" | "readsOnly">,
  { recipe }: Tier,
): StagingPlace {
  return { ...staging, repository: recipe.repository, draft: draftDigestOf(recipe) };
}

/** Throws CONFLICT if another run makes one of the tiers from other inputs meanwhile. */
export async function checkStaging(hub: Hub, drafts: readonly Tier[]): Promise<void> {
  for (const draft of drafts) {
    const branch = await readStaging(hub, draft.recipe.repository);
    if (branch !== null)
      await refuseLiveClaim(stagingPlace({ hub, private: false }, draft), branch);
  }
}

/** A staging branch; null: there is none, or this token may not see it. */
export async function readStaging(
  hub: Hub,
  repository: string,
  branch = stagingBranch,
): Promise<Branch | null> {
  try {
    return await hub.readBranch(repository, branch);
  } catch (error) {
    if (isRefused(error)) return null;
    throw error;
  }
}

/** Whether the Hub gave no usable answer. Then it is not asked for minutes again. */
export function isUnreachable(error: unknown): boolean {
  return error instanceof OqeError && error.code === "NETWORK" && !(error instanceof AlteredBytes);
}

/** Whether the Hub does not let the token do something. */
export function isRefused(error: unknown): boolean {
  return error instanceof OqeError && ["UNAUTHORIZED", "FORBIDDEN"].includes(error.code);
}

/** The signs that a run gives on a staging branch: a file in each of its commits. */
export class StagingClaim {
  readonly #draft: string;
  readonly #since: number;
  #last: number;
  #longest = 0;
  /** Signed for a commit that is not known to be made. */
  #unsent: StagedFile | null = null;
  #isMade = false;

  /** `draft`: see StagingPlace. */
  constructor(draft: string) {
    this.#draft = draft;
    this.#since = Date.now();
    this.#last = this.#since;
  }

  /** Whether this run made a commit. */
  get isMade(): boolean {
    return this.#isMade;
  }

  /**
   * The file of the next commit. The same until `sent`, so that a commit whose answer was lost is
   * found when it is repeated.
   */
  async sign(expects: Expects = "block"): Promise<StagedFile> {
    if (this.#unsent !== null) return this.#unsent;
    const now = Date.now();
    this.#longest = Math.max(this.#longest, now - this.#last);
    this.#last = now;
    const block = Math.max(leastWait, timesLongest * this.#longest);
    const wait = { block, seal: sealWait, nothing: 0 }[expects];
    const { machine, process } = await processMark();
    const time = (at: number) => new Date(at).toISOString();
    const claim: Claim = {
      draft: this.#draft,
      ...{ machine: hashOf(machine), process },
      ...{ since: time(this.#since), last: time(now), until: time(now + wait) },
    };
    this.#unsent = { path: claimFile, content: new TextEncoder().encode(JSON.stringify(claim)) };
    return this.#unsent;
  }

  /** The commit with the file was made. */
  sent(): void {
    this.#unsent = null;
    this.#isMade = true;
  }

  /** Whether the last commit of a branch is of this run. */
  async isOn({ content, files }: Branch): Promise<boolean> {
    const found = files.has(claimFile) ? await readValue(content, claimFile, claimSchema) : null;
    const { machine, process } = await processMark();
    return (
      found?.draft === this.#draft &&
      found.machine === hashOf(machine) &&
      found.process === process &&
      Date.parse(found.since) === this.#since
    );
  }
}

/** The claim of another run, with other inputs, that has not ended; null: there is none. */
export async function findLiveClaim(branch: Branch, draft: string): Promise<Claim | null> {
  const { content, files } = branch;
  const claim = files.has(claimFile) ? await readValue(content, claimFile, claimSchema) : null;
  if (claim === null || claim.draft === draft) return null;
  const { machine } = await processMark();
  if (claim.machine === hashOf(machine) && (await hasEnded(claim.process))) return null;
  return Date.parse(claim.until) > Date.now() ? claim : null;
}

/**
 * Throws CONFLICT if another run with other inputs works on the branch: who, when, and what to do.
 * A run with the same inputs goes on with the work, so it is not refused.
 */
export async function refuseLiveClaim(
  { hub, repository, draft, branch: name = stagingBranch }: StagingPlace,
  branch: Branch,
): Promise<void> {
  const claim = await findLiveClaim(branch, draft);
  if (claim === null) return;
  const { since, last, until } = claim;
  const who = await hub.describeBranch(repository, name);
  throw new OqeError(
    "CONFLICT",
    `another run with other inputs works on ${repository}@${name} since ${since}; its last sign is of ` +
      `${last}${who}`,
    `Let it finish, then run again. If it was ended, delete the branch ${name} of ` +
      `${hub.endpoint}/${repository}, or wait: from ${until} on the run counts as ended.`,
  );
}

function hashOf(machine: string): string {
  return createHash("sha256").update(machine).digest("hex").slice(0, 16);
}
