import type { SummaryFacts } from "../card/summary.ts";
import { decorate } from "../ground/decoration.ts";
import { grouped } from "../ground/digits.ts";

/** How a summary is made, and where it is written. */
export interface SummaryDependencies {
  readonly render: (facts: SummaryFacts) => Promise<string>;
  readonly write: (text: string) => Promise<unknown>;
  readonly warn: (line: string) => void;
}

/** In bytes. GitHub drops a larger summary. */
const largestSummary = 1024 * 1024;

/**
 * Writes the job summary. A summary that cannot be made, or that is too large for GitHub, becomes a
 * list of the repositories. One that cannot be written is a warning. Never throws.
 */
export async function writeSummary(
  facts: SummaryFacts,
  { render, write, warn }: SummaryDependencies,
): Promise<void> {
  const text = await decorate(
    { warn },
    {
      what: "the job summary",
      make: () => render(facts),
      placeholder: shortSummary(facts, "could not be made"),
    },
  );
  await writeText(text, shortSummary(facts, "is too large for GitHub"), { write, warn });
}

/** Writes `text`, or `short` if GitHub would drop it. Never throws. */
export async function writeText(
  text: string,
  short: string,
  { write, warn }: Pick<SummaryDependencies, "write" | "warn">,
): Promise<void> {
  const bytes = Buffer.byteLength(text);
  if (bytes > largestSummary)
    warn(
      `the job summary is too large: ${grouped(bytes)} of at most ${grouped(largestSummary)} bytes`,
    );
  const make = () => write(bytes > largestSummary ? short : text);
  await decorate<unknown>({ warn }, { what: "the job summary", make, placeholder: null });
}

/** The outcome of each repository, without formatting that could fail. */
function shortSummary({ repositories }: SummaryFacts, reason: string): string {
  const lines = repositories.map(({ repository, outcome }) => `- \`${repository}\`: ${outcome}`);
  return `The summary of this run ${reason}.\n\n${lines.join("\n")}\n`;
}
