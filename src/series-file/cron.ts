import { Cron } from "croner";

/** Why a schedule does not do what its line says. */
export interface CronFault {
  /** `error`: GitHub refuses the workflow's file. `warning`: it starts fewer runs. */
  readonly level: "error" | "warning";
  readonly what: string;
}

/** The fields in their order: least and largest number, and names. Others take 7 for Sunday too. */
const fields = [
  { name: "minute", least: 0, largest: 59, names: "" },
  { name: "hour", least: 0, largest: 23, names: "" },
  { name: "day of the month", least: 1, largest: 31, names: "" },
  {
    ...{ name: "month", least: 1, largest: 12 },
    names: "JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC",
  },
  { name: "day of the week", least: 0, largest: 6, names: "SUN|MON|TUE|WED|THU|FRI|SAT" },
] as const;
/** GitHub starts a schedule at most once in this time. */
const shortestMinutes = 5;
/** Runs that are compared: more than two hours of the most frequent schedule. */
const comparedRuns = 150;
/** The same answer at any time. A leap year follows within the years that are searched. */
const from = new Date("2026-01-01T00:00:00Z");

/**
 * What is wrong with the `cron` of a schedule, by GitHub's documentation: five fields, of `*`,
 * numbers, ranges, lists and steps, and names of months and days; at most a run in five minutes.
 * null: nothing.
 */
export function cronFault(text: string): CronFault | null {
  const words = text.split(/\s+/).filter((word) => word !== "");
  if (words.length !== fields.length) {
    const all = fields.map(({ name }) => name).join(", ");
    return { level: "error", what: `expected five fields (${all}), got ${words.length}` };
  }
  for (const [at, field] of fields.entries()) {
    const expected = formFault(words[at]!, field);
    if (expected === null) continue;
    const what = `${field.name}: expected ${expected}, got ${JSON.stringify(words[at])}`;
    return { level: "error", what };
  }
  return runsFault(words.join(" "));
}

/** What was expected in a field; null: what it has. */
function formFault(
  word: string,
  { least, largest, names }: (typeof fields)[number],
): string | null {
  const value = names === "" ? "\\d{1,2}" : `(?:\\d{1,2}|${names})`;
  const item = `(?:\\*|${value}(?:-${value})?)(?:/\\d{1,2})?`;
  if (!new RegExp(`^${item}(?:,${item})*$`, "i").test(word)) {
    const own = names === "" ? "" : ` and names such as ${names.slice(0, 3)}`;
    return `*, numbers${own}, ranges with -, lists with commas and steps with /`;
  }
  const numbers = [...word.replace(/\/\d+/g, "").matchAll(/\d+/g)].map(([digits]) =>
    Number(digits),
  );
  const isWithin = numbers.every((number) => number >= least && number <= largest);
  return isWithin ? null : `${least} to ${largest}`;
}

/** What the times of a well-formed schedule tell. */
function runsFault(text: string): CronFault | null {
  let runs: readonly Date[];
  try {
    const options = { mode: "5-part", sloppyRanges: true, paused: true, timezone: "UTC" } as const;
    runs = new Cron(text, options).nextRuns(comparedRuns, from);
  } catch (cause) {
    return { level: "error", what: reasonOf(cause) };
  }
  if (runs.length === 0) return { level: "error", what: "there is no such day, so it never runs" };
  const gaps = runs.slice(1).map((run, i) => run.getTime() - runs[i]!.getTime());
  const minutes = Math.min(...gaps) / 60_000;
  if (minutes >= shortestMinutes) return null;
  const what = `runs ${minutes} min apart; GitHub starts one in ${shortestMinutes} min at most`;
  return { level: "warning", what };
}

/** The library's words, without its own name. */
function reasonOf(cause: unknown): string {
  const words = cause instanceof Error ? cause.message : String(cause);
  const plain = words.replace(/^CronPattern: /, "");
  return plain.charAt(0).toLowerCase() + plain.slice(1);
}
