import { cp } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readBase } from "../src/base/base.ts";
import { openFolder } from "../src/checkpoint/folder.ts";
import { type EvaluationRows, evaluateTiers } from "../src/evaluation/evaluate.ts";
import type { Evaluation } from "../src/evaluation/evaluation-types.ts";
import { silentReport } from "../src/ground/report.ts";
import type { Kernel } from "../src/kernel/kernel-types.ts";
import { openKernel } from "../src/kernel/pool.ts";
import { openFinished } from "../src/mlx/mlx-weights.ts";
import { rounded, runCli } from "./support/cli-run.ts";
import { evaluationRows, secondRows } from "./support/evaluation-rows.ts";
import { type Outcome, openBase, run } from "./support/forward-run.ts";
import {
  byArchitecture,
  editSafetensors,
  removeFolder,
  scratchFolder,
  smallest,
} from "./support/models.ts";

const [samples, length] = [11, 24];
let folder: string;
let kernel: Kernel;
beforeAll(async () => {
  folder = await scratchFolder();
  kernel = await openKernel({ workers: 2 });
});
afterAll(async () => {
  await kernel.close();
  await removeFolder(folder);
});

/** A tier's evaluation, and the rows that it used. */
async function evaluationOf(
  model: string,
  tier: string,
  { workers = 2, of = (rows: EvaluationRows) => rows } = {},
): Promise<{ evaluation: Evaluation; drawn: EvaluationRows }> {
  const own = await openKernel({ workers });
  const base = await readBase(await openFolder(model), { allowHeaderOnly: false });
  const drawn = of(await evaluationRows(base, samples, length));
  const finished = await openFinished(await openFolder(tier), own);
  const limits = { "max-kl": 1e-9, "min-same-top": 0, "min-router-agreement": 0 };
  try {
    const one = { model: finished, predicted: null, limits, rounded: true };
    const request = { base, rows: drawn, tiers: [one], kernel: own, report: silentReport };
    const [evaluation] = await evaluateTiers(request);
    return { evaluation: evaluation!, drawn };
  } finally {
    await Promise.all([finished.close(), base.checkpoint.close(), own.close()]);
  }
}

async function makeTier(
  model: string,
  name: string,
  tier: string,
  ...more: string[]
): Promise<string> {
  const args = [
    "quantize",
    model,
    "--out",
    `${folder}/${name}`,
    ...rounded,
    "--tiers",
    tier,
    "--json",
    ...more,
  ];
  const { code, stdout, stderr } = await runCli(args);
  if (code !== 0) throw new Error(stderr);
  return JSON.parse(stdout).folders[0];
}

/** Log-softmax of one position, by the definition. */
function logProbabilities({ logits, vocabulary }: Outcome, at: number): number[] {
  const own = [...logits.subarray(at * vocabulary, (at + 1) * vocabulary)];
  const total = own.reduce((sum, logit) => sum + Math.exp(logit), 0);
  return own.map((logit) => logit - Math.log(total));
}

const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
const mean = (values: readonly number[]) => sum(values) / values.length;
const spread = (values: readonly number[]) =>
  Math.sqrt(
    sum(values.map((value) => (value - mean(values)) ** 2)) / (values.length - 1) / values.length,
  );

/** Figures of some rows from logits, by their definitions. */
function recompute(base: Outcome, tier: Outcome, ids: Uint32Array, rows: readonly number[]) {
  const byRow = rows.map((row) =>
    Array.from({ length }, (_, i) => {
      const at = row * length + i;
      const [p, q] = [logProbabilities(base, at), logProbabilities(tier, at)];
      const next = i + 1 < length ? ids[at + 1]! : undefined;
      return {
        kl: sum(p.map((value, token) => Math.exp(value) * (value - q[token]!))),
        same: p.indexOf(Math.max(...p)) === q.indexOf(Math.max(...q)) ? 1 : 0,
        scored: next === undefined ? null : { base: p[next]!, tier: q[next]! },
      };
    }),
  );
  const all = byRow.flat();
  const scored = byRow.map((row) => row.flatMap(({ scored }) => (scored === null ? [] : [scored])));
  const losses = scored.map((row) => mean(row.map(({ base, tier }) => base - tier)));
  return {
    positions: all.length,
    meanKl: mean(all.map(({ kl }) => kl)),
    meanKlError:
      rows.length === 1 ? null : spread(byRow.map((row) => mean(row.map(({ kl }) => kl)))),
    sameTop: mean(all.map(({ same }) => same)),
    perplexity: Math.exp(-mean(scored.flat().map(({ tier }) => tier))),
    basePerplexity: Math.exp(-mean(scored.flat().map(({ base }) => base))),
    perplexityRatio: Math.exp(mean(losses)),
    perplexityRatioError: rows.length === 1 ? null : Math.exp(mean(losses)) * spread(losses),
    sorted: all.map(({ kl }) => kl).sort((a, b) => a - b),
  };
}

/** Each expected number is met within a relative 1e-5. */
function expectNear(found: object, expected: Readonly<Record<string, number | null>>) {
  for (const [key, value] of Object.entries(expected)) {
    const own = (found as Record<string, number | null>)[key]!;
    if (value === null) expect(own, key).toBeNull();
    else
      expect(Math.abs(own - value), `${key}: ${own}, expected ${value}`).toBeLessThan(
        1e-5 * Math.abs(value) + 1e-8,
      );
  }
}

describe.each([
  ["qwen3_moe", smallest.qwen3_moe!],
  ["llama", smallest.llama!],
])("the evaluation of a %s tier", (name, model) => {
  let evaluation: Evaluation;
  let drawn: EvaluationRows;
  let [base, tier] = [null as unknown as Outcome, null as unknown as Outcome];
  let at: string;

  beforeAll(async () => {
    at = await makeTier(model, name, "oQ4e", "--rounding", "mlx");
    ({ evaluation, drawn } = await evaluationOf(model, at));
    const ids = drawn.rows.ids;
    const [opened, finished] = [
      await openBase(model, kernel),
      await openFinished(await openFolder(at), kernel),
    ];
    base = await run(opened, ids, length);
    tier = await run(finished, ids, length);
    await Promise.all([opened.close(), finished.close()]);
  });

  test("has the figures that their definitions give", () => {
    const rows = Array.from({ length: samples }, (_, row) => row);
    const { sorted, ...figures } = recompute(base, tier, drawn.rows.ids, rows);
    expectNear(evaluation, figures);
    const between = (share: number) => {
      const place = share * (sorted.length - 1);
      const [low, high] = [sorted[Math.floor(place)]!, sorted[Math.ceil(place)]!];
      return low + (place - Math.floor(place)) * (high - low);
    };
    const quantiles = {
      medianKl: between(0.5),
      p99Kl: between(0.99),
      p999Kl: between(0.999),
      maxKl: sorted.at(-1)!,
    };
    expectNear(evaluation, quantiles);
    expect(evaluation.meanKl).toBeGreaterThan(1e-3);
  });

  test("has the figures of each domain", () => {
    const domains = drawn.rows.rows.map(({ domain }) => domain);
    expect(evaluation.byDomain.map(({ domain }) => domain)).toEqual([...new Set(domains)]);
    expect(evaluation.byDomain).toHaveLength(9);
    for (const { domain, ...found } of evaluation.byDomain) {
      const rows = domains.flatMap((own, row) => (own === domain ? [row] : []));
      const { sorted: _, ...figures } = recompute(base, tier, drawn.rows.ids, rows);
      expectNear(found, figures);
    }
  });

  test("counts the same routes by layer", () => {
    const layers = [...base.routes].map(([layer, theirs]) => {
      const ours = tier.routes.get(layer)!;
      const sets = [theirs, ours].map(({ experts, candidates, perToken }) =>
        Array.from({ length: samples * length }, (_, t) =>
          [...experts.subarray(t * candidates, t * candidates + perToken)].sort(),
        ),
      ) as [number[][], number[][]];
      const common = sets[0].map(
        (set, t) => set.filter((expert) => sets[1][t]!.includes(expert)).length,
      );
      return {
        layer,
        routerAgreement: sum(common) / (samples * length * theirs.perToken),
        exactRoutes:
          common.filter((count) => count === theirs.perToken).length / (samples * length),
      };
    });
    expect(evaluation.byLayer).toHaveLength(name === "llama" ? 0 : layers.length);
    for (const [i, layer] of layers.entries()) expectNear(evaluation.byLayer[i]!, layer);
    if (name === "llama") {
      expect(evaluation).toMatchObject({
        routerAgreement: null,
        exactRoutes: null,
        forcedMeanKl: evaluation.meanKl,
      });
      expect(evaluation.gates.map(({ gate }) => gate)).toEqual(["max-kl", "min-same-top"]);
    } else {
      expectNear(evaluation, {
        routerAgreement: mean(layers.map(({ routerAgreement }) => routerAgreement)),
        exactRoutes: mean(layers.map(({ exactRoutes }) => exactRoutes)),
      });
      expect(evaluation.forcedMeanKl).toBeLessThan(evaluation.meanKl);
    }
  });

  test("gives plain rounding, which is not written, the figures of a rounded tier", () => {
    const { positions, meanKl, meanKlError, sameTop, routerAgreement, exactRoutes } = evaluation;
    expect(evaluation.rounded).toMatchObject({
      positions,
      meanKl,
      meanKlError,
      sameTop,
      routerAgreement,
      exactRoutes,
    });
    expect(evaluation.rounded!.perplexityRatio).toBe(evaluation.perplexityRatio);
  });

  test("takes the runs beside the free one over every second row, if asked to", async () => {
    const { evaluation: sparse } = await evaluationOf(model, at, {
      of: (rows) => ({ ...rows, every: 2 }),
    });
    const { evaluation: half } = await evaluationOf(model, at, { of: secondRows });
    const hasRouters = name !== "llama";
    expect(sparse).toEqual({
      ...evaluation,
      ...(hasRouters && {
        forcedPositions: half.positions,
        forcedMeanKl: half.forcedMeanKl,
        forcedMeanKlError: half.forcedMeanKlError,
      }),
      rounded: half.rounded,
      stock: half.stock,
    });
    expect(half.positions).toBe(6 * length);
  });

  test("is the same with 1, 2 and 3 workers", async () => {
    expect((await evaluationOf(model, at, { workers: 1 })).evaluation).toEqual(evaluation);
    expect((await evaluationOf(model, at, { workers: 3 })).evaluation).toEqual(evaluation);
  });

  test("has a gate that failed", () => {
    expect(evaluation.gates[0]).toEqual({
      gate: "max-kl",
      limit: 1e-9,
      value: evaluation.meanKl,
      passed: false,
    });
  });
});

test("a tier better than rounding at its plan has a lower KL than rounding", async () => {
  const { evaluation } = await evaluationOf(
    smallest.llama!,
    await makeTier(smallest.llama!, "stored", "oQ8e"),
  );
  expect(evaluation.meanKl).toBeLessThan(0.9 * evaluation.rounded!.meanKl);
});

test("a tier with a NaN scale has no evaluation", async () => {
  const good = await makeTier(byArchitecture.llama!, "good", "oQ8e");
  const bad = `${folder}/not-a-number`;
  await cp(good, bad, { recursive: true });
  await editSafetensors(bad, (header, data) => {
    data.writeUInt16LE(0x7fc0, header["model.layers.0.mlp.up_proj.scales"]!.data_offsets[0]);
  });
  await expect(evaluationOf(byArchitecture.llama!, bad)).rejects.toMatchObject({
    code: "BAD_CHECKPOINT",
    message: expect.stringContaining(
      `no finite KL at ${samples * length} of ${samples * length} positions`,
    ),
  });
});
