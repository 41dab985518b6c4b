import { OqeError } from "../ground/errors.ts";
import { checkRepositoryName, printable } from "../hub/names.ts";
import { stripSuffixes } from "../plan/tiers.ts";
import { isFolderName } from "../receipt/receipt.ts";

/** Name of a tier's repository, without namespace: `<Model>-<tier>`. */
export function tierName(modelName: string, tier: string): string {
  return `${stripSuffixes(modelName)}-${tier}`;
}

/**
 * The tier's repository: `<namespace>/<name>`, or the name alone if the tier is only written to a
 * folder (namespace null). The Hub's rules for names apply to the first only. Throws BAD_INPUT.
 */
export function checkTierName(name: string, namespace: string | null): string {
  if (namespace !== null) return checkRepositoryName(namespace, name);
  if (isFolderName(name)) return name;
  throw new OqeError(
    "BAD_INPUT",
    `"${printable(name)}" cannot be the name of a tier's folder: it starts with ".", has ":", ` +
      "a backslash or a line break, or is longer than 200 characters",
    "A tier's folder is named after the base's folder: rename that one.",
  );
}
