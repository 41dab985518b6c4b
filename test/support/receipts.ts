import { createHash } from "node:crypto";
import { describeModel } from "../../src/base/model-facts.ts";
import { modulePath } from "../../src/mlx/format.ts";
import type { PlannedTensor } from "../../src/models/architecture.ts";
import { expandTable } from "../../src/models/expand.ts";
import { findArchitecture } from "../../src/models/registry.ts";
import { isQuantizable, planTier, unquantizedTensors } from "../../src/plan/plan.ts";
import { tiers } from "../../src/plan/tiers.ts";
import { kindOf, kindRecords, type ModuleRecord } from "../../src/quantize/tuning-record.ts";
import type { Receipt } from "../../src/receipt/receipt.ts";
import { nemotron30b } from "./nemotron-30b.ts";
import { describedBase } from "./shaped-base.ts";

const architecture = findArchitecture(nemotron30b);
const tensors: PlannedTensor[] = expandTable(architecture, nemotron30b).map((tensor) => ({
  ...tensor,
  dtype: tensor.role.kind === "correction" ? "F32" : "BF16",
}));
const plans = tiers.map((tier) =>
  planTier(tier, { architecture, config: nemotron30b, tensors, storage: "BF16" }),
);

const model = describeModel(describedBase(nemotron30b));

export const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");

/** The receipt of a run on NVIDIA-Nemotron-3-Nano-30B-A3B. The plan is real; hashes are made up. */
export function nemotronReceipt(tier = "oQ4e", changes: Partial<Receipt> = {}): Receipt {
  const plan = plans.find((candidate) => candidate.tier === tier)!;
  return {
    format: 1,
    engine: {
      ...{ name: "oqe-publisher", version: "0.1.0", recipe: 1, kernelSha256: sha256("kernel") },
      repository: "acme/oqe-publisher",
    },
    base: {
      id: "nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B-BF16",
      name: "NVIDIA-Nemotron-3-Nano-30B-A3B",
      revision: "0123456789abcdef0123456789abcdef01234567",
      inherited: {
        license: "other",
        licenseName: "nvidia-open-model-license",
        licenseLink:
          "https://www.nvidia.com/en-us/agreements/enterprise-software/nvidia-open-model-license",
        language: ["en", "es", "fr", "de", "ja", "it"],
        pipelineTag: "text-generation",
        tags: [
          "nvidia",
          "safetensors",
          "pytorch",
          "MLX-friendly",
          "4-bit",
          "base_model:someone/else",
        ],
      },
    },
    model,
    usage: {
      sampling: { temperature: 1, top_p: 1 },
      prompt: ["<|im_start|>user", "{prompt}<|im_end|>", "<|im_start|>assistant"],
    },
    options: {
      method: "rounded",
      propagation: null,
      repair: null,
      rounding: "stored",
      policy: "oq",
      floors: null,
      domainWeights: null,
      proxy: null,
      sensitivity: null,
      storage: "BF16",
    },
    calibration: null,
    evaluationRows: null,
    repository: `acme/NVIDIA-Nemotron-3-Nano-30B-A3B-${tier}`,
    name: `NVIDIA-Nemotron-3-Nano-30B-A3B-${tier}`,
    plan,
    unquantized: unquantizedTensors(tensors),
    series: plans.map(({ modules: _, ...row }) => row),
    weightError: { relative: 0.005_912 },
    tuning: null,
    evaluation: null,
    sensitivity: null,
    otherTiers: [],
    configNotes: [
      "`time_step_limit` is [0.001, 1000000] (absent in the base): mlx-lm then clamps dt as transformers does",
    ],
    verifiedBase: { shards: 13, bytes: 63_156_000_000 },
    warnings: [],
    files: {
      "config.json": { bytes: 12_345, sha256: sha256("config") },
      "model-00001-of-00002.safetensors": { bytes: 5_368_000_000, sha256: sha256("first") },
      "model-00002-of-00002.safetensors": { bytes: 13_195_676_032, sha256: sha256("second") },
      "tokenizer.json": { bytes: 17_077_484, sha256: sha256("tokenizer") },
    },
    ...changes,
  };
}

/** Tuning of every matrix, with a made-up ratio for each kind. */
const modules: Record<string, ModuleRecord> = Object.fromEntries(
  tensors.filter(isQuantizable).map((tensor) => {
    const rows = tensor.shape.slice(0, -1).reduce((product, size) => product * size, 1);
    const ratio = { "experts (up)": 0.35, embeddings: 0.95 }[kindOf(tensor.role) as string] ?? 0.5;
    return [modulePath(tensor), { ratio, roundedRows: Math.floor(rows / 100), rows }];
  }),
);

/** The same receipt, tuned on rows with made-up figures. */
export function tunedReceipt(tier = "oQ4e", changes: Partial<Receipt> = {}): Receipt {
  const rounded = nemotronReceipt(tier);
  return {
    ...rounded,
    options: {
      ...rounded.options,
      method: "tuned",
      propagation: "reference",
      repair: ["router", "rounding"],
    },
    calibration: {
      source: "bundled",
      sha256: sha256("calibration"),
      samples: 128,
      length: 256,
      tokens: 32_768,
      domains: { code: 40, en: 60, ja: 28 },
    },
    evaluationRows: {
      source: "bundled",
      sha256: sha256("evaluationRows"),
      samples: 64,
      length: 256,
      tokens: 16_384,
      domains: { code: 20, en: 30, ja: 14 },
    },
    tuning: {
      experts: {
        ...{ experts: 2944, min: 0, median: 1511.5, unseen: 3, belowColumns: 0.6231 },
        tokens: [{ layer: 1, tokens: [0, 1511, 1512] }],
      },
      droppedRows: 0,
      repair: {
        routerAware: 104,
        moved: 81,
        routers: Array.from({ length: 23 }, (_, at) => ({
          layer: 1 + 2 * at,
          repaired: at > 0,
          ratio: at > 0 ? 0.9 : 1.01,
        })),
      },
      kinds: kindRecords(tensors, modules),
      modules,
    },
    ...changes,
  };
}

/** Of the same base for every tier; made up. */
const stockFigures: NonNullable<Receipt["evaluation"]>["stock"] = {
  ...{ bytes: 17_770_000_000, fileBpw: 4.5, positions: 16_384 },
  ...{ meanKl: 0.0512, meanKlError: 0.0017, sameTop: 0.9123 },
  ...{ perplexity: 28.2, basePerplexity: 26.8, perplexityRatio: 1.0522 },
  ...{ perplexityRatioError: 0.0031, routerAgreement: 0.902, exactRoutes: 0.71 },
};

const domainsOfEvaluation = {
  en: 15,
  es: 15,
  fr: 14,
  de: 14,
  ja: 14,
  it: 14,
  code: 14,
  math: 14,
  reasoning: 14,
};

/** The same with an evaluation. Its figures are made up, different for each tier and domain. */
export function evaluatedReceipt(tier = "oQ4e", changes: Partial<Receipt> = {}): Receipt {
  const tuned = tunedReceipt(tier);
  const rows = { source: "bundled", sha256: sha256("evaluationRows"), samples: 128, length: 256 };
  const kl = { oQ8e: 0.0006, oQ6e: 0.0029, oQ5e: 0.0069 }[tier] ?? 0.0144;
  const figures = (samples: number, by: number) => ({
    positions: 256 * samples,
    meanKl: sixDigits(kl * by),
    meanKlError: sixDigits((kl * by) / 30),
    sameTop: sixDigits(1 - 6 * kl * by),
    perplexity: sixDigits(26.8 * by * (1 + kl * by)),
    basePerplexity: sixDigits(26.8 * by),
    perplexityRatio: sixDigits(1 + kl * by),
    perplexityRatioError: sixDigits((kl * by) / 20),
  });
  const routers = (by: number) => ({
    routerAgreement: sixDigits(1 - 3 * kl * by),
    exactRoutes: sixDigits(1 - 9 * kl * by),
  });
  return {
    ...tuned,
    evaluationRows: { ...rows, tokens: 32_768, domains: domainsOfEvaluation },
    evaluation: {
      rows,
      ...figures(128, 1),
      ...{ medianKl: kl / 2, p99Kl: 12 * kl, p999Kl: 40 * kl, maxKl: 100 * kl },
      ...{ forcedPositions: 16_384, forcedMeanKl: 0.56 * kl, forcedMeanKlError: 0.01 * kl },
      ...routers(1),
      byDomain: Object.entries(domainsOfEvaluation).map(([domain, count], at) => ({
        domain,
        ...figures(count, 0.6 + 0.1 * at),
      })),
      byLayer: Array.from({ length: 23 }, (_, at) => ({
        layer: 1 + 2 * at,
        ...routers(0.5 + at / 22),
      })),
      predicted: { forcedKl: 0.6 * kl, kl: 1.1 * kl },
      rounded: { ...figures(64, 2), ...routers(2) },
      stock: stockFigures,
      gates: [
        { gate: "max-kl", limit: 0.3, value: kl, passed: true },
        { gate: "min-same-top", limit: 0.75, value: sixDigits(1 - 6 * kl), passed: true },
        { gate: "min-router-agreement", limit: 0.85, value: sixDigits(1 - 3 * kl), passed: true },
      ],
    },
    ...changes,
  };
}

const sixDigits = (value: number) => Number(value.toPrecision(6));
