import type { CallerFault } from "./caller-types.ts";
import { tableOf } from "./workflow-file.ts";
import type { TreePath } from "./yaml-tree.ts";

/** The rights that jobs of series.yml take, and what for. A test compares them with the file. */
export const neededRights: readonly {
  readonly name: string;
  readonly right: "read" | "write";
  readonly what: string;
}[] = [
  { name: "actions", right: "write", what: "Report starts the workflow again at a time limit" },
  { name: "attestations", right: "write", what: "Release attests receipts and weights (tags)" },
  {
    name: "contents",
    right: "write",
    what: "Release makes the release (tags), and card pull requests their branches",
  },
  {
    name: "id-token",
    right: "write",
    what: "Release signs attestations (tags), and Trusted Publishers replace a Hub token",
  },
  { name: "issues", right: "write", what: "Report opens and closes issues" },
  {
    name: "pull-requests",
    right: "write",
    what: "Plan comments on pull requests, and card pull requests are opened",
  },
];

const ranks = ["none", "read", "write"];

/**
 * Rights that the calling job does not allow. GitHub then starts no job of the file, whatever the
 * event is. Rights of the job replace those of the whole file.
 */
export function rightFaults(workflow: unknown, job: string): readonly CallerFault[] {
  const own = tableOf(tableOf(tableOf(workflow).jobs)[job]).permissions;
  const path: TreePath = own === undefined ? ["permissions"] : ["jobs", job, "permissions"];
  const given = own ?? tableOf(workflow).permissions;
  if (given === undefined) {
    const lines = neededRights.map(({ name, right }) => `${name}: ${right}`).join(", ");
    return [
      {
        ...{ level: "error", path: ["jobs", job] },
        what: "permissions are missing, and without them no job may ask for `id-token: write`",
        hint: `Add permissions: ${lines}.`,
      },
    ];
  }
  if (given === "write-all") return [];
  return neededRights.flatMap(({ name, right, what }) => {
    const allowed = given === "read-all" ? "read" : (tableOf(given)[name] ?? "none");
    if (ranks.indexOf(String(allowed)) >= ranks.indexOf(right)) return [];
    const place = name in tableOf(given) ? [...path, name] : path;
    const line = `${name}: ${right}`;
    return [
      {
        ...({ level: "error", path: place } as const),
        what: `the line \`${line}\` is missing, so GitHub starts no job of this file`,
        hint: `Add \`${line}\` below permissions of the job ${job}. ${what}.`,
      },
    ];
  });
}
