import type { context } from "@actions/github";
import { printable } from "../hub/names.ts";

/** The part of GitHub's context that a commit on the Hub mentions. */
export type Occasion = Pick<typeof context, "eventName" | "ref" | "sha">;

/**
 * The event that started this run, as GitHub's toolkit reads it. null if it cannot be read: the
 * toolkit throws on a damaged event file. Only the text of a commit depends on it.
 */
export async function readOccasion(): Promise<Occasion | null> {
  try {
    return (await import("@actions/github")).context;
  } catch {
    return null;
  }
}

/**
 * The event that started this run, for the commits on the Hub: `tag v1.2.0 of acme/models`. Empty
 * outside GitHub. `repository`: `owner/name` of the workflow.
 */
export function describeOccasion(occasion: Occasion | null, repository = ""): string {
  if (!occasion?.eventName || repository === "") return "";
  const { eventName, sha = "" } = occasion;
  const tag = tagOf(occasion);
  if (tag !== null) return printable(`tag ${tag} of ${repository}`);
  return printable(`${eventName} of ${repository} at ${sha.slice(0, 12)}`);
}

/** The tag that started this run; null: another event did. */
export function tagOf(occasion: Pick<Occasion, "ref"> | null): string | null {
  return /^refs\/tags\/(.+)$/s.exec(occasion?.ref ?? "")?.[1] ?? null;
}

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The Action as the workflow names it, `owner/name@ref`. null outside GitHub, and where it runs
 * from the repository's own files.
 */
export function describeAction(environment: Environment): string | null {
  const { GITHUB_ACTION_REPOSITORY: repository = "", GITHUB_ACTION_REF: ref = "" } = environment;
  return repository === "" || ref === "" ? null : `${repository}@${ref}`;
}

/**
 * Whether nobody watches the run: a schedule or a webhook started it, or it goes on with such a run
 * that stopped at its time limit. series.yml lets its own token start the latter, so that a bot is
 * their actor also where a person's token is given. What goes on at a tag was begun by a person.
 */
export function isUnattended({ GITHUB_EVENT_NAME, GITHUB_ACTOR, GITHUB_REF }: Environment) {
  if (GITHUB_EVENT_NAME !== "workflow_dispatch")
    return ["schedule", "repository_dispatch"].includes(GITHUB_EVENT_NAME ?? "");
  return GITHUB_ACTOR?.endsWith("[bot]") === true && !GITHUB_REF?.startsWith("refs/tags/");
}
