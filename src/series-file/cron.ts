import { Cron } from "croner";

/** Why a schedule does not do what its line says. */
export interface CronFault {
  /** `error`: GitHub refuses the workflow's file. `warning`: it starts fewer runs. */
  readonly level: "error" | "warning";
  readonly what: string;
}

const fields = ["minute", "hour", "day of the month", "month", "day of the week"] as const;
const monthNames = "JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC";
const dayNames = "SUN|MON|TUE|WED|THU|FRI|SAT";
const names: Readonly<Record<string, string>> = {
  month: monthNames,
  "day of the week": dayNames,
};
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
  const error = (what: string): CronFault => ({ level: "error", what });
  const parts = text.trim().split(/\s+/);
  const found = parts[0] === "" ? 0 : parts.length;
  if (found !== fields.length)
    return error(`expected five fields (${fields.join(", ")}), got ${found}`);
  for (const [at, name] of fields.entries()) {
    const value = names[name] === undefined ? "\\d{1,2}" : `(?:\\d{1,2}|${names[name]})`;
    const item = `(?:\\*|${value}(?:-${value})?)(?:/\\d{1,2})?`;
    if (!new RegExp(`^${item}(?:,${item})*$`, "i").test(parts[at]!))
      return error(`${name}: expected ${formOf(name)}, got ${JSON.stringify(parts[at])}`);
  }
  // Other programs take 7 for Sunday too.
  if (/\d/.test(parts[4]!) && /(^|[,-])0?[789]|(^|[,-])[1-9]\d/.test(parts[4]!))
    return error(`day of the week: expected 0 to 6, got ${JSON.stringify(parts[4])}`);
  return runsFault(parts.join(" "));
}

function formOf(field: string): string {
  const words = names[field] === undefined ? "" : ` and names such as ${names[field].slice(0, 3)}`;
  return `*, numbers${words}, ranges with -, lists with commas and steps with /`;
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
