import { OqeError } from "../ground/errors.ts";

/** Domain -> weight of an error on its tokens. A domain that is not named has the weight 1. */
export type DomainWeights = Readonly<Record<string, number>>;

const most = 1000;

/** Parses `code=2,ja=0.5`. A weight of 0 ignores the domain. Throws BAD_INPUT. */
export function parseDomainWeights(text: string): DomainWeights {
  const weights = new Map<string, number>();
  for (const part of text.split(/[\s,]+/).filter((word) => word !== "")) {
    const [, domain, digits] = /^([\w.-]{1,64})=(\d{1,4}(?:\.\d{1,6})?)$/.exec(part) ?? [];
    if (domain === undefined || Number(digits) > most || weights.has(domain)) {
      const problem =
        domain !== undefined && weights.has(domain)
          ? "weighs a domain again"
          : `is not a domain and its weight up to ${most}`;
      throw new OqeError(
        "BAD_INPUT",
        `domain-weights: "${part}" ${problem}`,
        "Write them as code=2,ja=0.5. A domain that is not named has the weight 1.",
      );
    }
    weights.set(domain, Number(digits));
  }
  // Sorted, so that the order of the input does not matter. fromEntries allows a key __proto__.
  return Object.fromEntries([...weights].sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Throws BAD_INPUT for a domain that the text does not have, or if all its domains weigh 0. */
export function checkDomainWeights(weights: DomainWeights, domains: readonly string[]): void {
  const has = `the calibration text has ${domains.join(", ")}`;
  const stray = Object.keys(weights).find((domain) => !domains.includes(domain));
  if (stray !== undefined)
    throw new OqeError("BAD_INPUT", `domain-weights: no domain "${stray}"; ${has}`);
  if (domains.every((domain) => weights[domain] === 0)) {
    throw new OqeError(
      "BAD_INPUT",
      `domain-weights: no domain has a weight; ${has}`,
      "Give one of them a weight above 0.",
    );
  }
}
