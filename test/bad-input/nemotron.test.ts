import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "vitest";
import { editSafetensors, smallest } from "../support/models.ts";
import { type Refusal, refusalScene, spoiled } from "../support/refusal.ts";

const scene = refusalScene();
const [dense, latent] = [smallest["nemotron_h.dense"]!, smallest["nemotron_h.latent"]!];

/** A base whose config.json has other values. An undefined one is left out. */
const config = (from: string, change: Record<string, unknown>) =>
  spoiled(from, async (at) => {
    const path = join(at, "config.json");
    const text = await readFile(path, "utf8"); // it has an Infinity, which the copy does without
    const whole = { ...JSON.parse(text.replace("Infinity", "1e6")), ...change };
    await writeFile(path, JSON.stringify(whole));
  });

/** A base with a tensor under another name. */
const renamed = (from: string, old: string, name: string) =>
  spoiled(from, (at) =>
    editSafetensors(at, (header) => {
      header[name] = header[old]!;
      delete header[old];
    }),
  );

const fc1 = /"backbone\.layers\.1\.mixer\.fc1_latent_proj\.weight"/.source;
const cases: Refusal[] = [
  {
    what: "whose pattern names blocks of other kinds",
    base: config(dense, { hybrid_override_pattern: "M-*M-" }),
    code: "BAD_CHECKPOINT",
    says: /"backbone\.layers\.2\.mixer\.\w+\.weight" is missing/,
  },
  {
    what: "whose pattern has another length than its number of layers",
    base: config(dense, { hybrid_override_pattern: "M-M*" }),
    code: "BAD_CHECKPOINT",
    says: /"hybrid_override_pattern" names 4 blocks, "num_hidden_layers" says 5/,
  },
  {
    what: "that mlx-lm could not run, without attention",
    base: config(dense, { hybrid_override_pattern: "M-M--" }),
    code: "UNSUPPORTED_MODEL",
    says: /"M-M--" has no attention block/,
  },
  {
    what: "whose attention heads are of another size",
    base: config(dense, { head_dim: 32 }),
    code: "BAD_CHECKPOINT",
    says: /q_proj\.weight" has shape \[192, 128\], but config\.json gives \[128, 128\]/,
  },
  {
    what: "whose Mamba heads are of another size",
    base: config(dense, { mamba_head_dim: 8 }),
    code: "BAD_CHECKPOINT",
    says: /backbone\.layers\.0\.mixer\.\w+\.weight" has shape/,
  },
  {
    what: "with MLP blocks of several sizes",
    base: config(dense, { intermediate_size: [192, 256] }),
    code: "UNSUPPORTED_MODEL",
    says: /"intermediate_size" is \[192,256\]; mlx-lm's "nemotron_h" has one size/,
  },
  {
    what: "without the biases that its config promises",
    base: renamed(dense, "backbone.layers.1.mixer.up_proj.bias", "backbone.bias"),
    code: "BAD_CHECKPOINT",
    says: /"backbone\.layers\.1\.mixer\.up_proj\.bias" is missing/,
  },
  {
    what: "with biases that its config does not know",
    base: config(dense, { mlp_bias: false }),
    code: "UNSUPPORTED_MODEL",
    says: /"backbone\.layers\.1\.mixer\.(up|down)_proj\.bias" is named by no role/,
  },
  {
    what: "with fewer experts than its config says",
    base: config(latent, { n_routed_experts: 7 }),
    code: "BAD_CHECKPOINT",
    says: /backbone\.layers\.1\.mixer\.(gate|experts\.6)/,
  },
  {
    what: "with more experts than its config says",
    base: config(latent, { n_routed_experts: 4 }),
    code: "BAD_CHECKPOINT",
    says: /backbone\.layers\.1\.mixer\.gate/,
  },
  {
    what: "with a latent size, but without its projections",
    base: renamed(latent, "backbone.layers.1.mixer.fc1_latent_proj.weight", "mtp.lost.weight"),
    code: "BAD_CHECKPOINT",
    says: new RegExp(`${fc1} is missing`),
  },
  {
    what: "with another latent size",
    base: config(latent, { moe_latent_size: 32 }),
    code: "BAD_CHECKPOINT",
    says: /has shape \[64, 64\], but config\.json gives \[64, 32\]/,
  },
  {
    what: "with latent projections, but without their size",
    base: config(latent, { moe_latent_size: null }),
    code: "BAD_CHECKPOINT",
    says: /experts\.0\.up_proj\.weight" has shape \[64, 64\], but config\.json gives \[64, 128\]/,
  },
  {
    what: "with a block of a letter that is not known",
    base: config(latent, { hybrid_override_pattern: "MEX*" }),
    code: "BAD_CHECKPOINT",
    says: /"hybrid_override_pattern" should name .* got "MEX\*", with "X" for block 2/,
    next: /Known are M \(Mamba-2\), \* \(attention\), E \(mixture of experts\) and - \(MLP\)/,
  },
  {
    what: "with half of its multi-token prediction",
    base: renamed(latent, "mtp.layers.0.eh_proj.weight", "mtp.layers.0.other.weight"),
    code: "BAD_CHECKPOINT",
    says: /multi-token prediction is incomplete: tensor "mtp\.layers\.0\.eh_proj\.weight"/,
  },
  {
    what: "whose multi-token prediction lies among its blocks, where mlx-lm would load it",
    base: renamed(latent, "mtp.layers.1.norm.weight", "backbone.layers.4.norm.weight"),
    code: "UNSUPPORTED_MODEL",
    says: /"backbone\.layers\.4\.norm\.weight" is of layer 4, but config\.json gives 4 layers/,
  },
];

describe("a Nemotron-H is refused before any write", () => {
  test.each(cases)("$what", (refusal) => scene.expectRefused(refusal));
});
