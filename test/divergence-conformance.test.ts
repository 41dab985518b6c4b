import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readNpy } from "../bench/npy.ts";
import { readBase } from "../src/base/base.ts";
import { baseWeights } from "../src/base/base-weights.ts";
import { bundledCorpus } from "../src/calibration/corpus.ts";
import { drawRows } from "../src/calibration/rows.ts";
import { openTokenizer } from "../src/calibration/tokenizer.ts";
import { openFolder } from "../src/checkpoint/folder.ts";
import { diverge } from "../src/evaluation/divergence.ts";
import { mean, median } from "../src/evaluation/statistics.ts";
import { openKernel } from "../src/kernel/pool.ts";
import { openFinished } from "../src/mlx/mlx-weights.ts";
import { Ops } from "../src/models/ops.ts";
import { findPython } from "./python/python.ts";
import { rounded, runCli } from "./support/cli-run.ts";
import { embedded, removeFolder, scratchFolder } from "./support/models.ts";

const script = fileURLToPath(new URL("../bench/peers/divergence.py", import.meta.url));
const [samples, length] = [9, 64];
const python = findPython("numpy");
const absent = "path" in python ? null : python.reason;

/**
 * KL(base ‖ tier) by position from our engine, with own and forced routes, and the rows for Python.
 */
async function measure(tier: string) {
  const kernel = await openKernel({ workers: 2 });
  const base = await readBase(await openFolder(embedded), { allowHeaderOnly: false });
  const tokenizer = await openTokenizer(base.checkpoint.repository);
  const corpus = await bundledCorpus("evaluation");
  const rows = drawRows({ tokenizer, corpus, samples, length, seed: 5, vocabularySize: 4096 });
  const weights = baseWeights(base, kernel);
  const model = {
    architecture: base.architecture,
    config: base.config,
    weights,
    ops: new Ops(kernel),
  };
  const finished = await openFinished(await openFolder(tier), kernel);
  const [free, forced] = await diverge(model, rows, [
    { model: finished, forced: false },
    { model: finished, forced: true },
  ]);
  await Promise.all([finished.close(), base.checkpoint.close(), kernel.close()]);
  const ids = Array.from({ length: samples }, (_, i) => [
    ...rows.ids.subarray(i * length, (i + 1) * length),
  ]);
  return { free: free!, forced: forced!, ids };
}

describe.skipIf(absent !== null)(
  `divergence in plain numpy${absent === null ? "" : ` (${absent})`}`,
  () => {
    let out: string;
    beforeAll(async () => {
      out = await scratchFolder();
    });
    afterAll(() => removeFolder(out));

    test("our engine and numpy give the same KL at every position, with free and forced routes", async () => {
      if (!("path" in python)) throw new Error(python.reason);
      const made = await runCli([
        "quantize",
        embedded,
        "--out",
        out,
        "--tiers",
        "oQ4e",
        ...rounded,
        "--json",
      ]);
      expect(made.stderr).not.toContain("error");
      const [tier] = JSON.parse(made.stdout).folders as string[];
      const ours = await measure(tier!);
      await writeFile(join(out, "ids.json"), JSON.stringify(ours.ids));
      const command = [script, embedded, join(out, "ids.json"), tier!, "--positions", out];
      const { stdout } = await promisify(execFile)(python.path, command, { maxBuffer: 1 << 26 });
      const theirs = JSON.parse(stdout);
      for (const mode of ["free", "forced"] as const) {
        const { data } = await readNpy(join(out, `${basename(tier!)}.${mode}.npy`));
        const { divergence, sameTop } = ours[mode];
        const gaps = divergence.map((kl, i) => Math.abs(kl - data[i]!) / data[i]!);
        expect(mean(divergence)).toBeGreaterThan(5e-3); // 4 bits differ from the base
        // Two float32 passes can choose other experts where two scores are nearly equal. Then one
        // position differs much.
        expect(median(gaps)).toBeLessThan(1e-5);
        expect(gaps.filter((gap) => gap > 0.01).length).toBeLessThanOrEqual(
          mode === "free" ? 3 : 0,
        );
        expect(Math.abs(mean(divergence) / theirs[mode].mean - 1)).toBeLessThan(
          mode === "free" ? 5e-3 : 1e-5,
        );
        expect(Math.abs(mean(sameTop) - theirs[mode].sameTop)).toBeLessThan(0.005);
      }
      expect(
        Math.abs(mean([...ours.free.routerAgreement.values()]) - theirs.routerOverlap),
      ).toBeLessThan(0.005);
    });
  },
);
