import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { code, prose } from "../card/markdown.ts";
import { OqeError } from "../ground/errors.ts";
import { reasonOf } from "../ground/reasons.ts";
import { checkCaller } from "../series-file/caller.ts";
import { readCheckedOut } from "./checked-out.ts";
import type { UpkeepRequest } from "./upkeep-types.ts";

/** A workflow of the calling repository that calls series.yml. */
export interface CallerCheck {
  /** `.github/workflows/oqe.yml` */
  readonly path: string;
  readonly faults: readonly CallerMessage[];
}

interface CallerMessage {
  readonly level: "error" | "warning";
  /** `.github/workflows/oqe.yml:14: on.schedule[0].cron: …` */
  readonly message: string;
  readonly hint: string;
}

const folder = ".github/workflows";
/** GitHub lists as many; a repository has a few. */
const mostFiles = 200;

/** Checks the workflows of the checked-out repository that call series.yml. */
export async function checkCallers({
  environment,
  report,
}: Pick<UpkeepRequest, "environment" | "report">): Promise<readonly CallerCheck[]> {
  const root = environment.GITHUB_WORKSPACE || ".";
  const names = await readdir(join(root, folder)).catch(() => []);
  const found: CallerCheck[] = [];
  for (const name of names
    .filter((one) => /\.ya?ml$/.test(one))
    .sort()
    .slice(0, mostFiles)) {
    const path = `${folder}/${name}`;
    const text = await readCheckedOut(root, path, "a workflow").catch((error) => {
      report.info(reasonOf(error));
      return null;
    });
    const faults = text === null ? null : checkCaller(text);
    if (faults === null) continue;
    found.push({
      path,
      faults: faults.map(({ level, line, message, hint }) => ({
        ...{ level, hint, message: `${path}:${line}: ${message}` },
      })),
    });
  }
  return found;
}

/** For the job summary and a comment, in Markdown; empty if there is nothing to say. */
export function callerText(checks: readonly CallerCheck[], isAsked: boolean): string {
  const lines = checks.flatMap(({ path, faults }) => {
    const fine = isAsked ? [`- ${code(path)} calls the series workflow as it should.`] : [];
    if (faults.length === 0) return fine;
    return faults.map(
      ({ level, message, hint }) => `- **${level}**: ${prose(message)}. ${prose(hint)}`,
    );
  });
  return lines.length === 0 ? "" : `### The calling workflow\n\n${lines.join("\n")}\n`;
}

/**
 * Warns of all faults. On a pull request, errors fail the check instead: BAD_INPUT with all of
 * them, at the place of the first. Elsewhere the run has begun in spite of them.
 */
export function tellCallers(
  checks: readonly CallerCheck[],
  isPull: boolean,
  { report }: Pick<UpkeepRequest, "report">,
): OqeError | null {
  const faults = checks.flatMap((check) => check.faults);
  const fails = ({ level }: CallerMessage) => isPull && level === "error";
  for (const fault of faults) if (!fails(fault)) report.warn(`${fault.message}. ${fault.hint}`);
  const [first, ...others] = faults.filter(fails);
  if (first === undefined) return null;
  const words = [first, ...others].map(({ message }) => message).join("; ");
  return new OqeError("BAD_INPUT", words, first.hint);
}
