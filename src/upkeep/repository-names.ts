import { code } from "../card/markdown.ts";

/**
 * The repositories of a series, in Markdown: `acme/Model-*` if they differ by the tier alone, as
 * those that this program names do, otherwise each.
 */
export function repositoryNames(
  tiers: readonly { readonly tier: string; readonly repository: string }[],
): string {
  const prefixes = tiers.map(({ tier, repository }) =>
    repository.endsWith(`-${tier}`) ? repository.slice(0, -tier.length) : null,
  );
  const [first] = prefixes;
  const isOne = first !== undefined && first !== null && prefixes.every((one) => one === first);
  return isOne && tiers.length > 1
    ? code(`${first}*`)
    : tiers.map(({ repository }) => code(repository)).join(", ");
}
