import { quote } from "../ground/schema.ts";
import type { CallerFault } from "./caller-types.ts";
import { cronFault } from "./cron.ts";
import { tableOf, textsOf } from "./workflow-file.ts";
import type { TreePath } from "./yaml-tree.ts";

const stars =
  "Five fields, in UTC: minute, hour, day, month, day of the week. For example 17 3 * * 1.";

/**
 * Events that the workflow does not start on, or not as it should. A schedule and a webhook may be
 * left out: then only people start runs.
 */
export function eventFaults(on: unknown, seriesFile: string): readonly CallerFault[] {
  const named = Object.fromEntries(textsOf(on).map((name) => [name, null]));
  const events: Readonly<Record<string, unknown>> = { ...named, ...tableOf(on) };
  const has = (name: string) => Object.hasOwn(events, name);
  return [
    ...(has("push") ? pushFaults(tableOf(events.push), seriesFile) : [missing("push", noPush)]),
    ...(has("pull_request")
      ? pathFaults(tableOf(events.pull_request), ["on", "pull_request"], {
          [seriesFile]: "a pull request that changes it gets no comment with the plan",
        })
      : [missing("pull_request", "no pull request gets a comment with the plan")]),
    ...(has("workflow_dispatch") ? [] : [missing("workflow_dispatch", noDispatch)]),
    ...(has("pull_request_target") ? [target] : []),
    ...scheduleFaults(events.schedule),
  ];
}

const noPush = "tags make no release, and merged cards are not sent to the Hub";
const noDispatch =
  "nobody can start it by hand, and a run that stopped at its time limit is not continued";

const target: CallerFault = {
  ...{ level: "error", path: ["on", "pull_request_target"] },
  what: "runs the series file of a stranger's pull request with your secrets",
  hint: "Use pull_request.",
};

function missing(event: string, what: string): CallerFault {
  return {
    ...{ level: "warning", path: ["on"] },
    what: `${event} is missing: ${what}`,
    hint: `Add ${event} to \`on:\`, as the file that \`oqe init\` writes has it.`,
  };
}

/** With tags alone, GitHub starts no run for a branch, and the other way round. */
function pushFaults(push: Readonly<Record<string, unknown>>, seriesFile: string) {
  const has = (...names: readonly string[]) => names.some((name) => Object.hasOwn(push, name));
  const path: TreePath = ["on", "push"];
  const warn = (what: string, hint: string): CallerFault => ({
    ...{ level: "warning", path, what, hint },
  });
  const branches = has("branches", "branches-ignore");
  const tags = has("tags", "tags-ignore");
  return [
    ...(branches && !tags
      ? [warn("tags are missing: a tag makes no release", 'Add tags: ["v*"].')]
      : []),
    ...(tags && !branches
      ? [warn(`branches are missing: ${noBranch}`, "Add branches: [<the default branch>].")]
      : []),
    ...pathFaults(push, path, {
      [seriesFile]: "a change of it is not published",
      "cards/a/b.md": "merged cards are not sent to the Hub",
    }),
  ];
}

const noBranch =
  "merged cards are not sent to the Hub, and changes of the series file not published";

/** Files that `paths` leave out. `wanted`: what is not done then, by file. */
function pathFaults(
  event: Readonly<Record<string, unknown>>,
  above: TreePath,
  wanted: Readonly<Record<string, string>>,
): readonly CallerFault[] {
  if (!Object.hasOwn(event, "paths")) return [];
  const patterns = textsOf(event.paths);
  return Object.entries(wanted).flatMap(([file, what]) => {
    if (isMatched(file, patterns)) return [];
    const shown = file.startsWith("cards/") ? "cards/**" : file;
    const hint = `Add ${quote(shown)} to the list.`;
    const path = [...above, "paths"];
    return [
      { ...{ level: "warning" as const, path }, what: `${quote(shown)} is missing: ${what}`, hint },
    ];
  });
}

/** The last pattern that fits decides; one that begins with ! takes the file out. */
function isMatched(file: string, patterns: readonly string[]): boolean {
  const fitting = patterns.filter((pattern) => globOf(pattern.replace(/^!/, "")).test(file));
  return fitting.length > 0 && !fitting.at(-1)!.startsWith("!");
}

/** `*` stands for anything but /, `**` for anything. Other signs of GitHub's are rare in paths. */
function globOf(pattern: string): RegExp {
  const parts = pattern.split(/(\*+)/).map((part) => {
    if (part === "*") return "[^/]*";
    return part.startsWith("*") ? ".*" : part.replace(/[.+?^${}()|[\]\\]/g, "\\$&");
  });
  return new RegExp(`^${parts.join("")}$`);
}

function scheduleFaults(schedule: unknown): readonly CallerFault[] {
  const items = Array.isArray(schedule) ? schedule : schedule === undefined ? [] : [schedule];
  return items.flatMap((item, i): readonly CallerFault[] => {
    const { cron, timezone } = tableOf(item);
    const path: TreePath = ["on", "schedule", i];
    if (typeof cron !== "string")
      return [{ ...{ level: "error", path }, what: "cron is missing", hint: stars }];
    const fault = cronFault(cron);
    const at = [...path, "cron"];
    const times =
      fault === null
        ? []
        : [
            {
              ...{ level: fault.level, path: at, hint: stars },
              what: `${quote(cron)}: ${fault.what}`,
            },
          ];
    if (timezone === undefined || isZone(timezone)) return times;
    const what = `${quote(timezone)} is not a time zone`;
    const hint = "Name one of the IANA's, such as Europe/Berlin, or leave it out for UTC.";
    return [...times, { ...{ level: "error", path: [...path, "timezone"] }, what, hint }];
  });
}

function isZone(name: unknown): boolean {
  try {
    return typeof name === "string" && Boolean(new Intl.DateTimeFormat("en", { timeZone: name }));
  } catch {
    return false;
  }
}
