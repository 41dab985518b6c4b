import { readFile } from "node:fs/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { knownModels } from "../bench/sizes/models.ts";
import { gigabytes, sizeModel } from "../bench/sizes/needs.ts";
import type { ModelConfig } from "../src/checkpoint/model-config.ts";
import { sum } from "../src/ground/sum.ts";
import { elements } from "../src/mlx/format.ts";
import type { TierPlan } from "../src/plan/plan-types.ts";
import { type MadeTensor, tensorsOf, writeCheckpoint } from "./support/checkpoints.ts";
import { runCli } from "./support/cli-run.ts";
import { removeFolder, scratchFolder } from "./support/models.ts";

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

/** A vision tower of 27 layers, shortened to one matrix a layer, and a layer of MTP. */
const qwenParts = [
  bf16("model.visual.patch_embed.proj.weight", 1152, 3, 2, 16, 16),
  bf16("model.visual.merger.norm.weight", 1152),
  ...Array.from({ length: 27 }, (_, at) => bf16(`model.visual.blocks.${at}.w.weight`, 1152, 1152)),
  bf16("mtp.layers.0.input_layernorm.weight", 2048),
];
const superParts = [
  ...["enorm", "hnorm"].map((name) => bf16(`mtp.layers.0.${name}.weight`, 4096)),
  bf16("mtp.layers.0.eh_proj.weight", 4096, 8192),
];

interface Layout {
  readonly id: string;
  readonly tensors: (own: readonly MadeTensor[]) => readonly MadeTensor[];
  readonly config?: (config: ModelConfig) => ModelConfig;
  readonly says: readonly RegExp[];
}

const layouts: readonly Layout[] = [
  {
    id: "openai/gpt-oss-20b",
    tensors: (own) => own.flatMap(asBlocks),
    says: [
      /the base is published as MXFP4 with a scale for each group of 32/,
      /larger than the base as published, 13\.8 GB: oQ8e 22\.2 GB, oQ6e 17\.3 GB, oQ5e 14\.9 GB\. /,
    ],
  },
  {
    id: "Qwen/Qwen3.6-35B-A3B",
    tensors: (own) => [...own, ...qwenParts],
    config: (config) => ({
      ...config,
      vision_config: { depth: 27 },
      text_config: { ...(config.text_config as ModelConfig), mtp_num_hidden_layers: 1 },
    }),
    says: [],
  },
  {
    id: "nvidia/NVIDIA-Nemotron-3-Super-120B-A12B-BF16",
    tensors: (own) => [...own, ...superParts],
    says: [],
  },
];

test.each(layouts)("$id is planned from headers as docs/models.md says", async (layout) => {
  const { id, says } = layout;
  const { config, expertBits } = knownModels.find((model) => model.id === id)!;
  const name = id.split("/")[1]!;
  const tensors = layout.tensors(tensorsOf(config));
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

  // A tier holds towers and MTP as they are; the page counts the language model alone.
  const beside = [...qwenParts, ...superParts].filter((one) => tensors.includes(one));
  const carried = sum(beside, ({ shape }) => 2 * elements(shape));
  const sized = sizeModel({ id: "", config, expertBits });
  expect(stored).toBe(sized.bytes + carried);
  const found = (JSON.parse(stdout).tiers as TierPlan[]).map(({ bytes }) => bytes);
  expect(found).toEqual(sized.plans.map(({ bytes }) => bytes + carried));

  const page = await readFile("docs/models.md", "utf8");
  const row = page.split("\n").find((line) => line.startsWith(`| ${id} |`))!;
  const cells = [stored, ...found].map((bytes) => gigabytes(bytes - carried));
  expect(row.split(" | ").slice(2, 7)).toEqual(cells);
});
