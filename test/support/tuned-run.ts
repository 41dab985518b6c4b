import { existsSync } from "node:fs";
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { setTimeout } from "node:timers/promises";
import { inject } from "vitest";
import { evaluatedRows, runCli, tunedRows } from "./cli-run.ts";
import { embedded, smallest } from "./models.ts";

/** A run of `oqe quantize`. */
interface Run {
  readonly base: string;
  readonly flags: readonly string[];
  /** How many tiers it makes. */
  readonly tiers: number;
}

const run = (base: string, rows: readonly string[], tiers: string): Run => ({
  base,
  flags: [...rows, "--tiers", tiers],
  tiers: tiers.split(",").length,
});

/**
 * A run of every small model: measured, tuned and evaluated. The hybrid makes all tiers, others the
 * two at the ends. `trained` is the embedded model: its plan follows rules, because measuring it
 * takes longest.
 */
export const tunedRuns: Readonly<Record<string, Run>> = {
  ...Object.fromEntries(
    Object.entries(smallest).map(([name, base]) => [
      name,
      run(base, evaluatedRows, name === "nemotron_h" ? "oQ8e,oQ6e,oQ5e,oQ4e" : "oQ8e,oQ4e"),
    ]),
  ),
  trained: run(embedded, [...tunedRows, "--policy", "oq", "--evaluation-samples", "2"], "oQ4e"),
};

/**
 * The folder with the tiers that a run of `tunedRuns` makes with one worker. The first test file
 * that asks makes it, others wait for it. It must not be changed.
 */
export async function tunedRun(name: string): Promise<string> {
  const out = `${inject("shared")}/${name}`;
  const [taken, ended] = [`${out}.taken`, `${out}.ended`];
  const isFirst = await mkdir(taken).then(
    () => true,
    () => false,
  );
  if (isFirst) {
    const { base, flags } = tunedRuns[name]!;
    const made = await runCli(["quantize", base, "--out", out, ...flags, "--workers", "1"]);
    await writeFile(`${ended}.partial`, made.code === 0 ? "" : made.stderr);
    await rename(`${ended}.partial`, ended);
  }
  while (!existsSync(ended)) await setTimeout(50);
  const failure = await readFile(ended, "utf8");
  if (failure !== "") throw new Error(failure);
  return out;
}
