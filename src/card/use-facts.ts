import type { Receipt } from "../receipt/receipt.ts";
import { table } from "../template/template-shapes.ts";
import { code, inline, link, shellWord } from "./markdown.ts";
import { isHeldBack, publishedAs } from "./published.ts";

/** The release of mlx-lm that every tier is tested with (test/python/requirements.txt). */
export const testedMlxLm = "0.32.2";

/** Flags of `mlx_lm.generate` and `.server` for keys of generation_config.json. */
const samplingFlags: Readonly<Record<string, string>> = {
  temperature: "--temp",
  top_p: "--top-p",
  top_k: "--top-k",
  min_p: "--min-p",
};
/** Of `mlx_vlm.generate`, where it has another name. */
const vlmFlags: Readonly<Record<string, string>> = { "--temp": "--temperature" };
/** Those that `mlx_lm.chat` has too. */
const flagsOfChat = ["--temp", "--top-p"];

/** How to run the tier. */
export function useFacts(receipt: Receipt) {
  const { name, usage } = receipt;
  const published = publishedAs(receipt);
  const sampling = Object.entries(usage?.sampling ?? {}).filter(([key]) =>
    Object.hasOwn(samplingFlags, key),
  );
  const flags = sampling.map(([key, value]) => [samplingFlags[key]!, String(value)] as const);
  const spelled = (some: readonly (readonly [string, string])[]) =>
    some.map((flag) => ` ${flag.join(" ")}`).join("");
  // A comment would end the card's notes, or begin others.
  const prompt = (usage?.prompt ?? []).some((line) => line.includes("<!--"))
    ? []
    : (usage?.prompt ?? []);
  return {
    word: shellWord(published || name),
    address: link(code(published), `https://huggingface.co/${published}`),
    web: `https://huggingface.co/${published}`,
    // Also a string of Swift. Empty: it was not published.
    literal: published,
    isHeldBack: isHeldBack(receipt),
    tested: testedMlxLm,
    flags: spelled(flags),
    vlmFlags: spelled(flags.map(([flag, value]) => [vlmFlags[flag] ?? flag, value])),
    chatFlags: spelled(flags.filter(([flag]) => flagsOfChat.includes(flag))),
    sampling: sampling.map(([key, value]) => `${inline(key)} ${value}`).join(", "),
    prompt: table(
      ["line"],
      prompt.map((line) => ({ line: fenced(line) })),
    ),
    known: usage !== null,
    hasTemplate: usage !== null && usage.prompt !== null,
  };
}

/** A line inside a fence of four backticks, which nothing in it can close. */
function fenced(line: string): string {
  return line.replace(/`{4,}/g, "```").slice(0, 200);
}
