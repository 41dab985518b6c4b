import { readFile } from "node:fs/promises";
import { parse } from "yaml";
import { root } from "./checkout.ts";

/**
 * For each action of others that the shipped workflows use: `owner/name@commit=folder`, the
 * stand-in in `stand-ins/`. A stand-in needs no network, but the variables ACTION (the folder of
 * the Action), REPOSITORY (that of the calling repository), ARTIFACTS and ATTESTED (for what is
 * handed on and attested), ATTEST (`fails`, or anything else) and LOST (the tier whose job fails at
 * its start, `measure`, or none).
 */
export async function standIns(): Promise<string[]> {
  const files = ["series.yml", "model.yml"].map((name) => `${root}.github/workflows/${name}`);
  const texts = await Promise.all(files.map((file) => readFile(file, "utf8")));
  const jobs = texts.flatMap((text) =>
    Object.values((parse(text) as { jobs: Record<string, { steps?: { uses?: string }[] }> }).jobs),
  );
  const used = jobs.flatMap(({ steps = [] }) =>
    steps.flatMap(({ uses }) => (uses?.startsWith("actions/") ? [uses] : [])),
  );
  return [...new Set(used)].map((uses) => {
    const [, name] = /^actions\/(.+)@/.exec(uses)!;
    return `${uses}=${root}test/action/stand-ins/${name}`;
  });
}
