import { readFile } from "node:fs/promises";
import { parse } from "yaml";
import { root } from "./checkout.ts";

/**
 * For each action of others that series.yml uses: `owner/name@commit=folder`, the stand-in in
 * `stand-ins/`. A stand-in needs no network, but the variables ACTION (the folder of the Action),
 * ARTIFACTS (the folder for artifacts) and LOST (the tier whose job fails at its start, or none).
 */
export async function standIns(): Promise<string[]> {
  const { jobs } = parse(await readFile(`${root}.github/workflows/series.yml`, "utf8"));
  const steps = Object.values(jobs as Record<string, { steps: { uses?: string }[] }>).flatMap(
    (job) => job.steps,
  );
  const used = steps.flatMap(({ uses }) => (uses?.startsWith("actions/") ? [uses] : []));
  return [...new Set(used)].map((uses) => {
    const [, name] = /^actions\/(.+)@/.exec(uses)!;
    return `${uses}=${root}test/action/stand-ins/${name}`;
  });
}
