import { secretsIn } from "../ground/secrets.ts";
import type { ActionInputs } from "../inputs/action-inputs.ts";
import { bareEnd, type RunEnd, resultOf, writeResult } from "../series/result-file.ts";

type Asked = Pick<ActionInputs, "command" | "series" | "workDir">;
type End = RunEnd & { readonly isHub: boolean };

/**
 * Runs, and writes how it ended into the work folder, also if it threw: for the jobs that report
 * it. Nothing is written for a model that the step's own inputs describe. Throws the failure.
 */
export async function keepResult(asked: Asked, run: () => Promise<End>): Promise<void> {
  const end = await run().catch((failure: unknown) => failedEnd(failure));
  await write(asked, end).catch((error) => {
    throw end.failure ?? error; // the first failure says more
  });
  if (end.failure !== null) throw end.failure;
}

/**
 * The same for a command on all models: whether it went well as a whole. `run` gives whether what
 * it was asked for waits for others; then it is not complete. One that is asked for one model
 * leaves a result only if it fails: the jobs behind it tell how that model went.
 */
export async function keepUpkeep(asked: Asked, run: () => Promise<boolean>): Promise<void> {
  const keep = (end: End) => writeFor(asked.series, asked, end);
  const waits = await run().catch(async (failure: unknown) => {
    await keep(failedEnd(failure)).catch(() => {}); // the first failure says more
    throw failure;
  });
  if (asked.series === null) await keep({ ...failedEnd(null), stopped: waits || null });
}

const failedEnd = (failure: unknown): End => ({ ...bareEnd(failure), isHub: false });

async function write(asked: Asked, end: End): Promise<void> {
  if (asked.series !== null) await writeFor(asked.series, asked, end);
}

async function writeFor(series: string | null, { command, workDir }: Asked, end: End) {
  const result = resultOf({ series, command, isHub: end.isHub }, end);
  await writeResult(workDir, result, secretsIn(process.env));
}
