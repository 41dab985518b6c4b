import { mkdir } from "node:fs/promises";
import type { ActionInputs } from "../inputs/action-inputs.ts";
import { type RunEnd, resultOf, writeResult } from "../series/result-file.ts";

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

/** The same for a command that leaves a result only if it fails. */
export async function keepFailure(asked: Asked, run: () => Promise<void>): Promise<void> {
  await run().catch(async (failure: unknown) => {
    await write(asked, failedEnd(failure)).catch(() => {});
    throw failure;
  });
}

function failedEnd(failure: unknown): End {
  return { plan: null, tiers: [], comparisons: [], stopped: null, isHub: false, failure };
}

async function write({ command, series, workDir }: Asked, end: End): Promise<void> {
  if (series === null) return;
  await mkdir(workDir, { recursive: true });
  await writeResult(workDir, resultOf({ series, command, isHub: end.isHub }, end));
}
