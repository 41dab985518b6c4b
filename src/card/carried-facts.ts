import { byteSize } from "../ground/digits.ts";
import { type CarriedPart, carriedParts, partWords, sidecars } from "../models/carried.ts";
import type { TierPlan } from "../plan/plan-types.ts";
import type { Receipt } from "../receipt/receipt.ts";
import { table } from "../template/template-shapes.ts";
import { code } from "./markdown.ts";

/** The release of mlx-vlm that tiers with towers are tested with (test/python/vlm.txt). */
export const testedMlxVlm = "0.7.10";

/** The parts beside the language model, for a card. */
export function carriedFacts({ plan, options }: Pick<Receipt, "plan" | "options">) {
  const { carry = [], leftOut = [], loader } = options;
  const forMlxVlm = loader === "mlx-vlm";
  const readBy = (part: CarriedPart) => readers(part, forMlxVlm);
  const lines = [
    ...carry.map((part) => `**${title(part)}**: ${carriedWords(plan, part)}. ${readBy(part)}`),
    ...leftOut.map((part) => `**${title(part)}**: the base has one, this tier does not.`),
  ];
  return {
    carried: table(
      ["line"],
      lines.map((line) => ({ line })),
    ),
    hasVision: carry.includes("vision"),
    hasAudio: carry.includes("audio"),
    forMlxVlm,
    testedMlxVlm,
  };
}

/** One line for each part that the tiers of a plan carry: its size is the same in all of them. */
export function carriedLines(plan: Pick<TierPlan, "carried">): string[] {
  return Object.entries(plan.carried ?? {}).map(
    ([part, bytes]) =>
      `${partWords[part as CarriedPart]}, carried unquantized: ${byteSize(bytes)}; not evaluated`,
  );
}

/** For example "vision tower 0.90 GB", with commas. Empty: there is none. */
export function carriedSizes({ plan }: Pick<Receipt, "plan">): string {
  const own = carriedParts.filter((part) => plan.carried?.[part] !== undefined);
  return own.map((part) => `${partWords[part]} ${byteSize(plan.carried![part]!)}`).join(", ");
}

function carriedWords({ carried }: TierPlan, part: CarriedPart): string {
  const size = byteSize(carried?.[part] ?? 0);
  return `carried unquantized, ${size} of every tier's size; not evaluated, not in the bpw`;
}

function readers(part: CarriedPart, forMlxVlm: boolean): string {
  const file = sidecars[part];
  const others = forMlxVlm ? "" : "; mlx-lm skips it";
  return file === null
    ? `mlx-vlm and apps that are built on it read it${others}.`
    : `It is in ${code(file)}, with the base's names. mlx-lm and mlx-vlm do not read this file.`;
}

const title = (part: CarriedPart) =>
  partWords[part].replace(/^./, (letter) => letter.toUpperCase());
