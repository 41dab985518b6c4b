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

/** The carried parts of a model as BF16, whole, from what its architecture asks for. */
function partsOf(id: string): MadeTensor[] {
  const { config: file } = knownModels.find((model) => model.id === id)!;
  const architecture = findArchitecture(file);
  const { config: folded } = architecture.fold(file);
  const parts = (architecture.carried ?? []).flatMap(({ names: [[prefix]], needs }) =>
    [...needs!({ file, folded, names: new Set() })].map(({ name, shape }) =>
      bf16(`${prefix}${name}`, ...shape.map((size) => size ?? 1)),
    ),
  );
  // Two roles may share one tensor of the base.
  return [...new Map(parts.map((tensor) => [tensor.name, tensor])).values()];
}

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
      /MXFP4 codes of 72 modules are stored as they are, without an error/,
    ],
  },
  {
    id: "Qwen/Qwen3.6-35B-A3B",
    tensors: (own) => [...own, ...partsOf("Qwen/Qwen3.6-35B-A3B")],
    config: (config) => ({
      ...config,
      vision_config: { depth: 27 },
      text_config: { ...(config.text_config as ModelConfig), mtp_num_hidden_layers: 1 },
    }),
    says: [],
  },
  {
    id: "nvidia/NVIDIA-Nemotron-3-Super-120B-A12B-BF16",
    tensors: (own) => [...own, ...partsOf("nvidia/NVIDIA-Nemotron-3-Super-120B-A12B-BF16")],
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
  const beside = says.length === 0 ? partsOf(id) : [];
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
