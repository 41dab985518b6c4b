/** Variables that may hold a token: inputs of the step, and what libraries read. */
const variables = ["INPUT_HUB-TOKEN", "INPUT_GITHUB-TOKEN", "HF_TOKEN", "GITHUB_TOKEN"];

/** The tokens that a process was given. */
export function secretsIn(
  environment: Readonly<Record<string, string | undefined>>,
): readonly string[] {
  return variables.flatMap((name) => environment[name]?.trim() || []);
}

/**
 * The text with `***` in the place of every secret. The longest go first: one secret may be a part
 * of another.
 */
export function withoutSecrets(text: string, secrets: Iterable<string>): string {
  const known = [...secrets].filter((secret) => secret !== "");
  const longestFirst = known.toSorted((a, b) => b.length - a.length);
  return longestFirst.reduce((safe, secret) => safe.replaceAll(secret, "***"), text);
}
