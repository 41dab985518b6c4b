import { context } from "@actions/github";

/** What asked for this run, in words for the commits on the Hub: `tag v1.2.0 of acme/models`. Empty outside GitHub. */
export function describeOccasion(): string {
  const { eventName, ref, sha } = context;
  const repository = process.env.GITHUB_REPOSITORY ?? "";
  if (eventName === undefined || repository === "") return "";
  const tag = /^refs\/tags\/(.+)$/.exec(ref ?? "");
  if (tag !== null) return `tag ${tag[1]} of ${repository}`;
  return `${eventName} of ${repository} at ${(sha ?? "").slice(0, 12)}`;
}

/** The Action as the workflow names it, `owner/name@ref`; null where it runs from the repository's own files or outside GitHub. */
export function describeAction(): string | null {
  const { GITHUB_ACTION_REPOSITORY: repository = "", GITHUB_ACTION_REF: ref = "" } = process.env;
  return repository === "" || ref === "" ? null : `${repository}@${ref}`;
}
