import { code, inline, link, prose } from "../card/markdown.ts";
import { type RunEstimate, secondsOf } from "../estimate/run-estimate.ts";
import { byteSize, duration } from "../ground/digits.ts";
import { sum, total } from "../ground/sum.ts";
import type { SeriesLook, TierLook } from "../series/look.ts";
import { assumedThreads, type Checked } from "./check-models.ts";
import { repositoryNames } from "./repository-names.ts";

/**
 * Operations a second of a thread, for hours that are the same in every run: what the machine of
 * docs/benchmarks.md makes.
 */
const assumedSpeed = 45e9;

/**
 * Everything that was found, for the job summary: a row for each tier, a line for each model. Of a
 * failed model the reason.
 */
export function stateTable(checked: readonly Checked[]): string {
  return tableOf(checked, () => true);
}

/** The same without tiers that stay as they are, for a comment; and how many those are. */
export function planTable(checked: readonly Checked[]): string {
  const tiers = checked.flatMap(({ look }) => look?.tiers ?? []);
  const current = tiers.filter((tier) => !isChanged(tier)).length;
  const others = current === 0 ? "" : `${staying(current)}.\n`;
  return [tableOf(checked, isChanged), others].filter((part) => part !== "").join("\n");
}

const isChanged = ({ pending, isCardStale }: TierLook) => pending.length > 0 || isCardStale;

function tableOf(checked: readonly Checked[], shows: (tier: TierLook) => boolean): string {
  const rows = checked.flatMap(({ model: { name, place }, look, failure }) => {
    if (look === null) {
      const why = `${prose(failure?.message ?? "")} (${inline(place)})`;
      return [[inline(name), "", "", "", "**failed**", why]];
    }
    return look.tiers.filter(shows).map((tier) => [inline(name), ...cellsOf(tier)]);
  });
  const lines = checked.flatMap(({ model, look }) =>
    look?.tiers.some(shows) ? [baseLine(model.name, look)] : [],
  );
  const table =
    rows.length === 0
      ? []
      : [
          [
            ["Model", "Tier", "Size", "bpw", "State", "Why"],
            ["---", "---", "---:", "---:", "---", "---"],
            ...rows,
          ]
            .map((cells) => `| ${cells.join(" | ")} |`)
            .join("\n"),
        ];
  const parts = [...table, lines.join("\n")].filter((part) => part !== "");
  return parts.length === 0 ? "" : `${parts.join("\n\n")}\n`;
}

function cellsOf(look: TierLook): string[] {
  const { tier, plan, proposedAt } = look;
  const { state, why } = stateOf(look);
  const words = state.length < 20 ? unbroken(state) : state;
  const told = state === "proposed" && proposedAt !== null ? link(words, proposedAt) : words;
  const size = unbroken(byteSize(plan.bytes));
  return [inline(tier), size, plan.bpw.toFixed(2), told, why.map(prose).join("<br>")];
}

const unbroken = (words: string) => words.replaceAll(" ", "&nbsp;");

/** What a run would do with a tier, and why. Plain text. */
export function stateOf({ pending, isHeldBack, isStaged, isCardStale, proposedAt }: TierLook): {
  readonly state: string;
  readonly why: readonly string[];
} {
  if (isHeldBack) return { state: "held back: worse than the published one", why: pending };
  if (pending.length > 0)
    return { state: isStaged ? "to be finished" : "to be made", why: pending };
  if (isCardStale) return { state: "card only", why: ["the card's template or pictures changed"] };
  if (proposedAt !== null) return { state: "proposed", why: ["waits to be merged"] };
  return { state: "current", why: [] };
}

/** Repositories and base of a model, and what making its pending tiers needs. */
function baseLine(name: string, { base, tiers, needs }: SeriesLook): string {
  const pending = tiers.filter((tier) => tier.pending.length > 0).length;
  const page = link(inline(base.id), `https://huggingface.co/${base.id}`);
  const from = `${page} at ${code(base.revision.slice(0, 12))}`;
  const made =
    needs === null ? "" : ` To make: ${pending} of ${tiers.length}. ${needsWords(needs)}.`;
  return `- **${inline(name)}**: ${repositoryNames(tiers)}, from ${from}.${made}`;
}

/** What a run needs: reading, writing, disk, and time on the machine that hours are given for. */
export function needsWords({ reads, writes, onDisk, stages }: RunEstimate): string {
  const seconds = sum(stages, (stage) => secondsOf(stage, assumedThreads * assumedSpeed));
  const read = byteSize(sum(reads, ({ bytes }) => bytes));
  return (
    `Reads ${read}, writes ${byteSize(writes)}, ${byteSize(total(onDisk))} on the disk at once, ` +
    `about ${duration(seconds)} of arithmetic on ${assumedThreads} threads`
  );
}

function staying(tiers: number): string {
  return tiers === 1 ? "1 tier would stay as it is" : `${tiers} tiers would stay as they are`;
}
