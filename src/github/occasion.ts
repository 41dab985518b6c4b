type Environment = Readonly<Record<string, string | undefined>>;

/**
 * What started this run, for the commits on the Hub: `tag v1.2.0 of acme/models`. Empty outside
 * GitHub.
 */
export function describeOccasion(environment: Environment): string {
  const { GITHUB_EVENT_NAME: event = "", GITHUB_REPOSITORY: repository = "" } = environment;
  if (event === "" || repository === "") return "";
  const tag = /^refs\/tags\/(.+)$/.exec(environment.GITHUB_REF ?? "");
  if (tag !== null) return `tag ${tag[1]} of ${repository}`;
  return `${event} of ${repository} at ${(environment.GITHUB_SHA ?? "").slice(0, 12)}`;
}

/**
 * The Action as the workflow names it, `owner/name@ref`. null outside GitHub, and where it runs
 * from the repository's own files.
 */
export function describeAction(environment: Environment): string | null {
  const { GITHUB_ACTION_REPOSITORY: repository = "", GITHUB_ACTION_REF: ref = "" } = environment;
  return repository === "" || ref === "" ? null : `${repository}@${ref}`;
}
