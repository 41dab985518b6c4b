import { show } from "../checkpoint/json.ts";
import { OqeError } from "../ground/errors.ts";
import type { LayerKind } from "./layer-kind.ts";

/** The letters of `hybrid_override_pattern`. A block has either a mixer or an MLP. */
export const blockKinds = {
  M: { mixer: "mamba", mlp: null },
  "*": { mixer: "attention", mlp: null },
  E: { mixer: null, mlp: "moe" },
  "-": { mixer: null, mlp: "dense" },
} as const satisfies Readonly<Record<string, LayerKind>>;
export type BlockLetter = keyof typeof blockKinds;

/** All spellings of a block's kind that transformers has used -> mlx-lm's letter. */
export const blockLetters: ReadonlyMap<unknown, BlockLetter> = new Map<unknown, BlockLetter>([
  ["mamba", "M"],
  ["linear_attention", "M"],
  ["attention", "*"],
  ["full_attention", "*"],
  ["moe", "E"],
  ["mlp", "-"],
]);

const known =
  "Known are M (Mamba-2), * (attention), E (mixture of experts) and - (MLP). Compare it with the " +
  "config of the model that this one derives from.";

/**
 * The letters of a pattern, or of a list of them. `key`: that of config.json; `more`: what else a
 * reader of the error can do. Throws BAD_CHECKPOINT for none, and for one that is not known.
 */
export function lettersOf(
  pattern: unknown,
  key = "hybrid_override_pattern",
  more = "",
): readonly BlockLetter[] {
  const names = typeof pattern === "string" ? [...pattern] : pattern;
  if (!Array.isArray(names) || names.length === 0)
    throw bad(`"${key}" should name the blocks by M, E, * and -, got ${show(pattern)}`, more);
  return names.map((name: unknown, block) => {
    if (typeof name === "string" && Object.hasOwn(blockKinds, name)) return name as BlockLetter;
    throw bad(
      `"${key}" should name the blocks by M, E, * and -, got ${show(pattern)}, ` +
        `with ${show(name)} for block ${block}`,
      more,
    );
  });
}

const bad = (problem: string, more: string) =>
  new OqeError("BAD_CHECKPOINT", `config.json: ${problem}`, `${known}${more}`);
