import { show } from "../checkpoint/json.ts";
import { OqeError } from "../ground/errors.ts";
import type { CarriedPart } from "./carried.ts";
import { has, integer } from "./config-fields.ts";
import type { PartContext } from "./part-tensors.ts";

/**
 * Throws BAD_CHECKPOINT for a token that stands for a tower's input in a prompt, and that the
 * vocabulary does not have. `tokens`: keys of config.json -> what an absent one is; null: nothing.
 */
export function checkPlaceholders(
  { file, folded }: Pick<PartContext, "file" | "folded">,
  part: CarriedPart,
  tokens: Readonly<Record<string, number | null>>,
): void {
  const count = integer(folded, "vocab_size");
  for (const [key, usual] of Object.entries(tokens)) {
    const token = has(file, key) ? file[key] : usual;
    if (token === null) continue;
    if (Number.isSafeInteger(token) && Number(token) >= 0 && Number(token) < count) continue;
    const absent = has(file, key) ? "" : ", the default of an absent key";
    throw new OqeError(
      "BAD_CHECKPOINT",
      `config.json: "${key}" is ${show(token)}${absent}; it should be a token of the vocabulary, ` +
        `from 0 to ${count - 1}`,
      `Compare it with the base's source. Or leave the tower out: set carry without ${part}.`,
    );
  }
}
