import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openFolder } from "../src/checkpoint/folder.ts";
import type { ModelConfig } from "../src/checkpoint/model-config.ts";
import { openKernel } from "../src/kernel/pool.ts";
import { openFinished } from "../src/mlx/mlx-weights.ts";
import type { Routing } from "../src/models/routing.ts";
import type { Model } from "../src/models/run.ts";
import { findPython, runMlx } from "./python/python.ts";
import { rounded, runCli } from "./support/cli-run.ts";
import { readableByMlx } from "./support/converted.ts";
import { difference, openBase, readNpy, run, someIds } from "./support/forward-run.ts";
import {
  byArchitecture,
  copyModel,
  editConfig,
  embedded,
  removeFolder,
  scratchFolder,
} from "./support/models.ts";
import { hybrid, makeRandomModel } from "./support/random-model.ts";

const script = fileURLToPath(new URL("./python/mlx_forward.py", import.meta.url));
const python = findPython("mlx_lm");
const absent = "path" in python ? null : python.reason;
const kernel = await openKernel({ workers: 2 });
afterAll(() => kernel.close());

/** A model, its token ids, and the file of mlx-lm's logits. */
interface Case {
  readonly folder: string;
  readonly finished: boolean;
  readonly sequences: number;
  readonly length: number;
}

const random = (name: string) =>
  fileURLToPath(new URL(`./models/random-tiny/${name}`, import.meta.url));
const short = { finished: false, sequences: 2, length: 40 };
const cases = new Map<string, Case>();
/** These rows are long enough that every job and batch is split. */
cases.set("the embedded model", { folder: embedded, finished: false, sequences: 8, length: 256 });
for (const name of Object.keys(byArchitecture))
  cases.set(`random ${name}`, { folder: random(name), ...short });

/** Variants of the rotary embedding, on bases that have one. */
const llama3 = {
  factor: 8,
  low_freq_factor: 1,
  high_freq_factor: 4,
  original_max_position_embeddings: 64,
};
const yarn = { factor: 4, original_max_position_embeddings: 64 };
const ropes: Record<string, ModelConfig> = {
  "llama, linear": { rope_scaling: { type: "linear", factor: 4 } },
  "llama, llama3": { rope_scaling: { rope_type: "llama3", ...llama3 }, rope_theta: 500000 },
  "llama, yarn": { rope_scaling: { type: "yarn", ...yarn } },
  "llama, yarn with slower and faster ends": {
    rope_scaling: { type: "yarn", ...yarn, beta_fast: 16, beta_slow: 2 },
  },
  "llama, biases": {},
  "qwen3, linear": { rope_scaling: { rope_type: "linear", factor: 2 } },
  "qwen3, yarn": { rope_scaling: { rope_type: "yarn", ...yarn } },
  "qwen3_next, yarn of some channels": { rope_scaling: { rope_type: "yarn", ...yarn } },
  "qwen3_next, tied, every second block dense, biases": {
    tie_word_embeddings: true,
    decoder_sparse_step: 2,
    mlp_only_layers: [],
  },
};

/** Parts of Nemotron-H that the published small models lack. */
const hybrids: Record<string, ModelConfig> = {
  "odd sizes": {},
  "steps that are clamped": { time_step_limit: [0.6, 1e6], time_step_min: 0.6 },
  "latent experts": { moe_latent_size: 40 },
  "latent experts and biases everywhere": {
    moe_latent_size: 40,
    mlp_bias: true,
    attention_bias: true,
    use_bias: true,
    mamba_proj_bias: true,
  },
  "groups of experts, weights as they are": { n_group: 4, topk_group: 2, norm_topk_prob: false },
  "no shared expert, no bias of the convolution": { n_shared_experts: null, use_conv_bias: false },
};

const odd = {
  ...{ num_attention_heads: 3, num_key_value_heads: 1, head_dim: 48, attention_bias: true },
  ...{ linear_num_key_heads: 1, linear_key_head_dim: 48 },
  ...{ linear_num_value_heads: 3, linear_value_head_dim: 24, linear_conv_kernel_dim: 3 },
};
/** Hybrids of gated DeltaNet and attention with unusual sizes. */
const deltas: Record<string, ModelConfig> = {
  "qwen3_next, odd heads, one expert a token, a dense block": {
    ...odd,
    ...{ num_hidden_layers: 4, full_attention_interval: 3, mlp_only_layers: [1] },
    ...{ num_experts_per_tok: 1, norm_topk_prob: false, shared_expert_intermediate_size: 48 },
  },
  "qwen3_next without experts": { num_hidden_layers: 4, num_experts: 0 },
  "qwen3_5, odd heads, yarn of some channels, the last block a DeltaNet": {
    ...odd,
    ...{ num_hidden_layers: 5, full_attention_interval: 2 },
    rope_parameters: { rope_type: "yarn", ...yarn, rope_theta: 1e5, partial_rotary_factor: 0.5 },
  },
  "qwen3_5_moe, all experts, as many key heads as value heads, tied": {
    ...{ linear_num_key_heads: 4, linear_num_value_heads: 4, linear_conv_kernel_dim: 2 },
    ...{ num_experts: 3, num_experts_per_tok: 3, tie_word_embeddings: true },
  },
};

describe.skipIf(absent !== null)(`stock mlx-lm${absent === null ? "" : ` (${absent})`}`, () => {
  let scratch: string;
  const outOf = (name: string) => join(scratch, name.replaceAll(/\W+/g, "-"));

  beforeAll(async () => {
    scratch = await scratchFolder();
    for (const [name, change] of Object.entries(ropes)) {
      const folder = join(scratch, "bases", name.replaceAll(/\W+/g, "-"));
      await mkdir(folder, { recursive: true });
      const base = random(name.split(",")[0]!);
      const config = JSON.parse(await readFile(join(base, "config.json"), "utf8"));
      const biased = name.endsWith("biases") ? { attention_bias: true, mlp_bias: true } : {};
      await makeRandomModel(folder, { ...config, ...change, ...biased });
      // More positions than the scaled rotary embeddings were pretrained on.
      cases.set(name, { folder, finished: false, sequences: 1, length: 150 });
    }
    for (const [name, change] of Object.entries(hybrids)) {
      const folder = join(scratch, "bases", name.replaceAll(/\W+/g, "-"));
      await makeRandomModel(folder, { ...hybrid, ...change });
      cases.set(name, { folder, ...short });
    }
    for (const [name, change] of Object.entries(deltas)) {
      const folder = join(scratch, "bases", name.replaceAll(/\W+/g, "-"));
      const type = /\w+/.exec(name)![0];
      const whole = JSON.parse(await readFile(join(random(type), "config.json"), "utf8"));
      const { layer_types: _, ...inner } = whole.text_config ?? whole;
      const text = { full_attention_interval: 4, ...inner, ...change };
      const { tie_word_embeddings } = text;
      const outer = { model_type: type, tie_word_embeddings, text_config: text };
      await makeRandomModel(folder, type === "qwen3_next" ? text : outer);
      // More tokens than two chunks of the recurrence.
      cases.set(name, { folder, finished: false, sequences: 1, length: 150 });
    }
    const out = join(scratch, "tiers");
    for (const base of [embedded, random("qwen3_moe"), random("qwen3")]) {
      const { code, stdout, stderr } = await runCli([
        ...["quantize", base, "--out", out, ...rounded, "--tiers", "oQ6e,oQ4e", "--json"],
      ]);
      if (code !== 0) throw new Error(stderr);
      for (const folder of JSON.parse(stdout).folders as string[]) {
        cases.set(`finished ${folder.split("/").at(-1)}`, { folder, ...short, finished: true });
      }
    }
    await askMlx();
  });
  afterAll(() => removeFolder(scratch));

  /** One process for all models, because importing MLX takes longer than a tiny model. */
  async function askMlx() {
    const readable = new Map<string, string>();
    for (const { folder } of cases.values())
      readable.set(folder, await readableByMlx(folder, kernel));
    const tasks = [...cases].map(([name, { folder, sequences, length }]) => {
      const all = [...idsOf(folder, sequences, length)];
      const ids = Array.from({ length: sequences }, (_, s) =>
        all.slice(s * length, (s + 1) * length),
      );
      return { model: readable.get(folder), ids, out: outOf(name) };
    });
    await writeFile(join(scratch, "tasks.json"), JSON.stringify(tasks));
    if (!("path" in python)) throw new Error(python.reason);
    await runMlx(python.path, [script, join(scratch, "tasks.json")]);
  }

  const idsOf = (folder: string, sequences: number, length: number) =>
    someIds(sequences * length, folder.includes("nano-tiny") ? 4096 : 101);

  async function compare(name: string) {
    const { folder, finished, sequences, length } = cases.get(name)!;
    const model: Model & { close(): Promise<void> } = finished
      ? await openFinished(await openFolder(folder), kernel)
      : await openBase(folder, kernel);
    const ours = await run(model, idsOf(folder, sequences, length), length);
    await model.close();
    const logits = readNpy(`${outOf(name)}.logits.npy`, Float32Array);
    return {
      gap: difference(ours.logits, logits, ours.vocabulary),
      routes: [...ours.routes.entries()],
    };
  }

  async function check(name: string) {
    const { gap, routes } = await compare(name);
    expect(gap.relative, `${name}: ${gap.text}`).toBeLessThan(1e-4);
    for (const [n, [layer, own]] of routes.entries()) {
      const theirs = readNpy(`${outOf(name)}.routes.${n}.npy`, Int32Array);
      const other = otherChoices(own, theirs);
      expect(
        other.length / own.tokens,
        `${name}, layer ${layer}: ${other.slice(0, 3).join("; ")}`,
      ).toBeLessThan(1e-3);
    }
    return gap.relative;
  }

  test.each([...cases.keys()])("has our logits and our experts: %s", async (name) => {
    // The random hybrid's `time_step_limit` is [0, Infinity]: mlx-lm takes steps that transformers
    // and we clamp (docs/decisions/0005).
    expect(await check(name)).toBeLessThan(name === "random nemotron_h" ? 1e-4 : 1e-5);
  });

  test.each(Object.keys(ropes))("has our rotary embedding: %s", async (name) => {
    expect(await check(name)).toBeLessThan(1e-5);
  });

  test.each(Object.keys(hybrids))("has our hybrid with %s", async (name) => {
    expect(await check(name)).toBeLessThan(1e-5);
  });

  test.each(Object.keys(deltas))("has our recurrence: %s", async (name) => {
    expect(await check(name)).toBeLessThan(1e-5);
  });

  test("has our logits on finished repositories", async () => {
    const finished = [...cases.keys()].filter((name) => name.startsWith("finished"));
    expect(finished).toHaveLength(6);
    for (const name of finished) expect(await check(name)).toBeLessThan(1e-5);
  });

  test("the comparison finds another rotary base", async () => {
    const spoiled = await copyModel(random("llama"));
    await editConfig(spoiled, (config) => {
      config.rope_theta = 10100;
    });
    const model = await openBase(spoiled, kernel);
    const { logits, vocabulary } = await run(model, idsOf(spoiled, 2, 40), 40);
    await model.close();
    const theirs = readNpy(`${outOf("random llama")}.logits.npy`, Float32Array);
    expect(difference(logits, theirs, vocabulary).relative).toBeGreaterThan(1e-4);
  });
});

/** The tokens for which the two choose other experts, as text. */
function otherChoices(own: Routing, theirs: Int32Array): string[] {
  const found: string[] = [];
  for (let token = 0; token < own.tokens; token++) {
    const ours = [
      ...own.experts.subarray(token * own.candidates, token * own.candidates + own.perToken),
    ].sort();
    const others = [...theirs.subarray(token * own.perToken, (token + 1) * own.perToken)].sort();
    if (ours.join() !== others.join())
      found.push(`token ${token} goes to ${ours}, expected ${others}`);
  }
  return found;
}
