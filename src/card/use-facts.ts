import type { Receipt } from "../receipt/receipt.ts";
import { table } from "../template/template-shapes.ts";
import { code, inline, shellWord } from "./markdown.ts";

/** The release of mlx-lm that every tier is tested with (test/python/requirements.txt). */
export const testedMlxLm = "0.32.2";

/** Flags of `mlx_lm.generate` for keys of generation_config.json. */
const samplingFlags: Readonly<Record<string, string>> = {
  temperature: "--temp",
  top_p: "--top-p",
  top_k: "--top-k",
  min_p: "--min-p",
};

/** How to run the tier. */
export function useFacts({ repository, usage }: Receipt) {
  const sampling = Object.entries(usage?.sampling ?? {}).filter(([key]) =>
    Object.hasOwn(samplingFlags, key),
  );
  const flags = sampling.map(([key, value]) => ` ${samplingFlags[key]} ${value}`).join("");
  return {
    word: shellWord(repository),
    name: code(repository),
    // A Swift string: every name that is published is plain.
    literal: /^[\w./-]+$/.test(repository) ? repository : "",
    published: repository.includes("/"),
    tested: testedMlxLm,
    flags,
    sampling: sampling.map(([key, value]) => `${inline(key)} ${value}`).join(", "),
    prompt: table(
      ["line"],
      (usage?.prompt ?? []).map((line) => ({ line: fenced(line) })),
    ),
    known: usage !== null,
    hasTemplate: usage?.prompt !== null,
  };
}

/** A line inside a fence of four backticks, which nothing in it can close. */
function fenced(line: string): string {
  return line.replace(/`{4,}/g, "```").slice(0, 200);
}
