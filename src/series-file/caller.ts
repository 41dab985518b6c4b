import { quote } from "../ground/schema.ts";
import { didYouMean } from "../ground/suggestion.ts";
import { eventFaults } from "./caller-events.ts";
import { rightFaults } from "./caller-rights.ts";
import type { CallerFault } from "./caller-types.ts";
import { readWorkflow, tableOf } from "./workflow-file.ts";
import { describePath, type TreePath } from "./yaml-tree.ts";

/** A fault with its place in the file. */
export interface PlacedFault extends Pick<CallerFault, "level" | "hint"> {
  readonly line: number;
  /** Key and what is wrong: `jobs.series.uses: …`. */
  readonly message: string;
}

/** Inputs and secrets of series.yml. A test compares them with the file. */
export const callerInputs: readonly string[] = ["series-file", "environment", "dry-run"];
export const callerSecrets: readonly string[] = [
  ...["hub-token", "hub-read-token", "github-token"],
  ...["app-client-id", "app-private-key", "HF_TOKEN"],
];

const called =
  /^(?:\.|(?<owner>[^/\s]+)\/(?<repository>[^/\s]+))\/\.github\/workflows\/series\.ya?ml(?:@(?<ref>\S+))?$/;
/** What a template has in the place of a name. */
const placeholder = /^(OWNER|REF|VERSION|COMMIT|your[-_].*|<.*>|\{.*\}|0{40})$/i;

/**
 * Checks a workflow of the calling repository: everything about a job that calls series.yml which
 * GitHub would refuse, or which would not start what the series needs. null: no job calls it. What
 * the file holds is quoted, but for the values of secrets. Never throws.
 */
export function checkCaller(text: string): readonly PlacedFault[] | null {
  const { value, lineAt, fault } = readWorkflow(text);
  if (fault !== null) {
    if (!/\/\.github\/workflows\/series\.ya?ml\b/.test(text)) return null;
    const { line, what: message } = fault;
    return [{ level: "error", line, message, hint: "GitHub runs no event of this file." }];
  }
  const jobs = Object.entries(tableOf(tableOf(value).jobs)).filter(([, job]) =>
    called.test(usesOf(job)),
  );
  if (jobs.length === 0) return null;
  const seriesFiles = jobs.map(([, job]) => seriesFileOf(job));
  const faults = [
    ...eventFaults(tableOf(value).on, seriesFiles[0]!),
    ...jobs.flatMap(([name, job]) => [
      ...usesFaults(usesOf(job), ["jobs", name, "uses"]),
      ...rightFaults(value, name),
      ...inputFaults(tableOf(job).with, ["jobs", name, "with"]),
      ...secretFaults(tableOf(job).secrets, ["jobs", name]),
    ]),
  ];
  return faults
    .map(({ level, path, what, hint }) => ({
      ...{ level, line: lineAt(path), hint, message: `${describePath(path)}: ${what}` },
    }))
    .sort((a, b) => a.line - b.line);
}

const usesOf = (job: unknown) => String(tableOf(job).uses ?? "");

function seriesFileOf(job: unknown): string {
  const name = tableOf(tableOf(job).with)["series-file"];
  return typeof name === "string" && !name.includes("${{") ? name : "series.yml";
}

function usesFaults(uses: string, path: TreePath): readonly CallerFault[] {
  const { owner, repository, ref } = called.exec(uses)?.groups ?? {};
  if (owner === undefined) return []; // of this very repository, at its own commit
  const hint = "For example acme/oqe-publisher/.github/workflows/series.yml@<commit of a release>.";
  const odd = [owner, repository, ref].find((word) => word !== undefined && placeholder.test(word));
  if (odd !== undefined)
    return [{ ...{ level: "error", path, hint }, what: `${quote(odd)} is a placeholder` }];
  if (ref === undefined)
    return [{ ...{ level: "error", path, hint }, what: `${quote(uses)} names no @commit or @tag` }];
  if (/^[0-9a-f]{7,39}$/.test(ref)) {
    const what = `${quote(ref)} is not a whole commit: GitHub takes 40 digits`;
    return [{ ...{ level: "error", path, hint }, what }];
  }
  if (/^([0-9a-f]{40}|v\d[\w.-]*)$/.test(ref)) return [];
  const what = `${quote(ref)} is not pinned: what is pushed there next runs with your tokens`;
  return [{ ...{ level: "warning", path, hint }, what }];
}

/** GitHub refuses a file that passes what the called workflow does not have. */
function inputFaults(inputs: unknown, path: TreePath): readonly CallerFault[] {
  const odd = Object.keys(tableOf(inputs)).filter((name) => !callerInputs.includes(name));
  return odd.map((name) => unknown([...path, name], "an input", callerInputs));
}

function unknown(path: TreePath, what: string, known: readonly string[]): CallerFault {
  const hint = `${didYouMean(String(path.at(-1)), known)}It has ${known.join(", ")}.`;
  return { level: "error", path, what: `is not ${what} of series.yml`, hint };
}

function secretFaults(secrets: unknown, job: TreePath): readonly CallerFault[] {
  if (secrets === "inherit") return [];
  const path = [...job, "secrets"];
  const given = tableOf(secrets);
  const names = Object.keys(given);
  const isOpen = (value: unknown) => String(value ?? "") !== "" && !String(value).includes("${{");
  const hint = "Pass hub-token, from the secret HF_TOKEN, as docs/github.md shows it.";
  const none: CallerFault = {
    ...{ level: "warning", path: secrets === undefined ? job : path, hint },
    what: "no Hub token is passed, so only Trusted Publishers can publish",
  };
  return [
    ...names
      .filter((name) => !callerSecrets.includes(name))
      .map((name) => unknown([...path, name], "a secret", callerSecrets)),
    ...names
      .filter((name) => isOpen(given[name]))
      .map((name): CallerFault => {
        const what = "a secret is written out, where everybody can read it";
        const revoke = "Revoke it, and save a new one below Settings → Secrets and variables.";
        return { level: "error", path: [...path, name], what, hint: `${revoke} ${hint}` };
      }),
    ...halfApp(names, path),
    ...(names.some((name) => ["hub-token", "HF_TOKEN"].includes(name)) ? [] : [none]),
  ];
}

/** A GitHub App needs both of its secrets: with one, no job could make its token. */
function halfApp(given: readonly string[], path: TreePath): readonly CallerFault[] {
  const both = ["app-client-id", "app-private-key"];
  const missing = both.filter((name) => !given.includes(name));
  const [other] = both.filter((name) => given.includes(name));
  if (missing.length !== 1 || other === undefined) return [];
  const what = `is passed without ${missing[0]}, so no job can make a token of the GitHub App`;
  const hint = `Add ${missing[0]}, or take ${other} out.`;
  return [{ level: "error", path: [...path, other], what, hint }];
}
