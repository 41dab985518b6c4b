import { readFile } from "node:fs/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { knownModels } from "../bench/sizes/models.ts";
import { gigabytes, sizeModel } from "../bench/sizes/needs.ts";
import type { ModelConfig } from "../src/checkpoint/model-config.ts";
import { sum } from "../src/ground/sum.ts";
import { elements } from "../src/mlx/format.ts";
import { findArchitecture } from "../src/models/registry.ts";
import type { TierPlan } from "../src/plan/plan-types.ts";
import { type MadeTensor, tensorsOf, writeCheckpoint } from "./support/checkpoints.ts";
import { runCli } from "./support/cli-run.ts";
import { removeFolder, scratchFolder } from "./support/models.ts";
import { storages } from "./support/published.ts";

/**
 * Published models of other layouts than the language model's own BF16 tensors, on disk as headers
 * alone: `oqe plan` gives the sizes of docs/models.md.
 */

let folder: string;
beforeAll(async () => {
  folder = await scratchFolder();
});
afterAll(() => removeFolder(folder));

const bf16 = (name: string, ...shape: number[]): MadeTensor => ({ name, dtype: "BF16", shape });

/** Experts `[E, in, out]` as mxfp4: bytes of codes `[E, out, in / 32, 16]`, and their scales. */
function asBlocks(tensor: MadeTensor): MadeTensor[] {
  if (!/experts\.(gate_up|down)_proj$/.test(tensor.name)) return [tensor];
  const [count, wide, high] = tensor.shape as [number, number, number];
  const grid = [count, high, wide / 32];
  return [
    { name: `${tensor.name}_blocks`, dtype: "U8", shape: [...grid, 16] },
    { name: `${tensor.name}_scales`, dtype: "U8", shape: grid },
  ];
}

/** A tensor for each matrix of each expert, as in FP8 releases of Qwen3.5. */
function asSingle(tensor: MadeTensor): MadeTensor[] {
  const [, path, leaf] = /^(.*\.experts)\.(gate_up|down)_proj$/.exec(tensor.name) ?? [];
  if (path === undefined) return [tensor];
  const [experts, rows, columns] = tensor.shape as [number, number, number];
  const matrices = leaf === "down" ? ["down"] : ["gate", "up"];
  return Array.from({ length: experts }, (_, expert) =>
    matrices.map((matrix) =>
      bf16(`${path}.${expert}.${matrix}_proj.weight`, rows / matrices.length, columns),
    ),
  ).flat();
}

const coded = /\.(q|k|v|o|in|out|gate|up|down|in_proj_qkvz|in_proj_qkv|in_proj_z)(_proj)?\.weight$/;
const isCoded = ({ name }: MadeTensor) =>
  coded.test(name) && !/\.mlp\.gate\.weight$|visual/.test(name);

/** Codes and their BF16 scales. */
function inBlocks(tensor: MadeTensor): readonly MadeTensor[] {
  return isCoded(tensor) ? storages.fp8InBlocks(tensor.name, tensor.shape) : [tensor];
}

/** The carried parts of a model as BF16, whole: MTP with a tensor for each expert. */
function partsOf(id: string): MadeTensor[] {
  const { config } = knownModels.find((model) => model.id === id)!;
  const file = config.text_config === undefined ? config : withTower(config);
  const architecture = findArchitecture(file);
  const { config: folded } = architecture.fold(file);
  const isDense = folded.num_experts === undefined;
  const names = new Set(isDense ? [] : ["layers.0.mlp.experts.0.up_proj.weight"]);
  const parts = (architecture.carried ?? []).flatMap(({ names: [[prefix]], needs }) =>
    [...needs!({ file, folded, names })].map(({ name, shape }) =>
      bf16(`${prefix}${name}`, ...shape.map((size) => size ?? 1)),
    ),
  );
  // Two roles may share one tensor of the base.
  return [...new Map(parts.map((tensor) => [tensor.name, tensor])).values()];
}

interface Layout {
  readonly id: string;
  /** The known model whose sizes it has. Default: itself. */
  readonly like?: string;
  /** From the tensors of the language model in BF16, and those of its other parts. */
  readonly tensors: (own: readonly MadeTensor[], parts: readonly MadeTensor[]) => MadeTensor[];
  readonly config?: (config: ModelConfig) => ModelConfig;
  readonly says?: readonly RegExp[];
  /** Tensors of MTP; 0: the base has no other parts. Default: not compared. */
  readonly mtp?: number;
}

const whole: Layout["tensors"] = (own, parts) => [...own, ...parts];
function withTower(config: ModelConfig): ModelConfig {
  const text = config.text_config as ModelConfig;
  return {
    ...config,
    vision_config: { depth: 27, out_hidden_size: text.hidden_size },
    text_config: { ...text, mtp_num_hidden_layers: 1 },
  };
}

/** As Qwen publishes in FP8. */
const inFp8 = (wrap: (config: ModelConfig) => ModelConfig) => ({
  tensors: ((own, parts) => [...own.flatMap(asSingle), ...parts].flatMap(inBlocks)) as typeof whole,
  config: (config: ModelConfig): ModelConfig => ({
    ...wrap(config),
    quantization_config: {
      activation_scheme: "dynamic",
      fmt: "e4m3",
      quant_method: "fp8",
      weight_block_size: [128, 128],
      modules_to_not_convert: [
        ...["lm_head", "model.embed_tokens", "mtp.fc", "mtp.norm", "mtp.layers.0.mlp.gate"],
        ...Array.from({ length: 48 }, (_, layer) => [
          `model.layers.${layer}.mlp.gate`,
          `model.language_model.layers.${layer}.mlp.shared_expert_gate`,
          `model.language_model.layers.${layer}.linear_attn.in_proj_a`,
        ]).flat(),
      ],
    },
  }),
  says: [
    /the base is published as FP8 with a scale for each block of 128 × 128;/,
    /the multi-token prediction is published as FP8 with a scale for each block of 128 × 128; the/,
  ],
});

const layouts: readonly Layout[] = [
  {
    id: "openai/gpt-oss-20b",
    tensors: (own) => own.flatMap(asBlocks),
    says: [
      /the base is published as MXFP4 with a scale for each group of 32/,
      /MXFP4 codes of 72 modules are stored as they are, without an error/,
    ],
    mtp: 0,
  },
  { id: "Qwen/Qwen3.6-35B-A3B", tensors: whole, config: withTower, mtp: 785 },
  { id: "Qwen/Qwen3.5-9B", tensors: whole, config: withTower, mtp: 15 },
  { id: "Qwen/Qwen3-Next-80B-A3B-Instruct", tensors: whole },
  { id: "nvidia/NVIDIA-Nemotron-3-Super-120B-A12B-BF16", tensors: whole },
  {
    id: "Qwen/Qwen3-Next-80B-A3B-Instruct-FP8",
    like: "Qwen/Qwen3-Next-80B-A3B-Instruct",
    ...inFp8((config) => config),
  },
  { id: "Qwen/Qwen3.5-35B-A3B-FP8", like: "Qwen/Qwen3.6-35B-A3B", ...inFp8(withTower), mtp: 785 },
];

test.each(layouts)("$id is planned from headers as docs/models.md says", async (layout) => {
  const { id, like = id, says = [], mtp } = layout;
  const { config, expertBits } = knownModels.find((model) => model.id === like)!;
  const name = id.split("/")[1]!;
  const parts = mtp === 0 ? [] : partsOf(like);
  if (mtp !== undefined) expect(parts.filter((one) => /^mtp\./.test(one.name))).toHaveLength(mtp);
  const tensors = layout.tensors(tensorsOf(config), parts);
  const written = layout.config?.(config) ?? config;
  const made = { tensors, shards: 3, filling: "header-only" } as const;
  const stored = await writeCheckpoint(`${folder}/${name}`, written, made);
  const { code, stdout, stderr } = await runCli([
    "plan",
    `${folder}/${name}`,
    "--policy=oq",
    "--json",
  ]);
  expect({ code, stderr: code === 0 ? "" : stderr }).toEqual({ code: 0, stderr: "" });
  for (const words of says) expect(stderr).toMatch(words);

  // A tier holds towers and MTP in BF16; the page counts the language model alone.
  const carried = sum(parts, ({ shape }) => 2 * elements(shape));
  const sized = sizeModel({ id: "", config, expertBits });
  if (like === id) expect(stored).toBe(sized.bytes + carried);
  const found = (JSON.parse(stdout).tiers as TierPlan[]).map(({ bytes }) => bytes);
  expect(found).toEqual(sized.plans.map(({ bytes }) => bytes + carried));

  const page = await readFile("docs/models.md", "utf8");
  const row = page.split("\n").find((line) => line.startsWith(`| ${like} |`))!;
  const cells = [sized.bytes + carried, ...found].map((bytes) => gigabytes(bytes - carried));
  expect(row.split(" | ").slice(2, 7)).toEqual(cells);
});
