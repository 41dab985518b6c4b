import type { Receipt } from "../receipt/receipt.ts";

/** Whether this tier failed a quality gate, so that a run does not publish it. */
export function isHeldBack({ evaluation }: Receipt): boolean {
  return evaluation?.gates.some(({ passed }) => !passed) === true;
}

/**
 * `owner/name` on the Hub of a tier that this receipt knows to be published: its own unless it
 * failed a gate, and others of the series whose figures passed theirs. Empty for the rest, and for
 * a series that is only in folders.
 */
export function publishedAs(receipt: Receipt, tier = receipt.plan.tier): string {
  const { repository, plan, otherTiers } = receipt;
  if (!/^[\w.-]+\/[\w.-]+$/.test(repository)) return "";
  if (tier === plan.tier) return isHeldBack(receipt) ? "" : repository;
  const end = `-${plan.tier}`;
  const known = otherTiers.find((other) => other.tier === tier);
  if (known === undefined || known.heldBack || !repository.endsWith(end)) return "";
  return `${repository.slice(0, -end.length)}-${tier}`;
}
