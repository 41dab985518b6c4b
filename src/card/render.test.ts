import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import {
  cells,
  expectWholeTables,
  plainRow,
  row,
  section,
} from "../../test/support/markdown-tables.ts";
import { nemotronReceipt } from "../../test/support/receipts.ts";
import { parseReceipt, writeReceipt } from "../receipt/receipt-file.ts";
import { renderCard } from "./render.ts";

const card = await renderCard(nemotronReceipt());

describe("the card of Nemotron-3-Nano-30B-A3B", () => {
  test.each([
    ["oQ8e", ["8.50", "–", "8.50", "33.56", "8-bit", "0", "`uniform 8bit`"]],
    ["oQ6e", ["6.50", "6.70", "6.57", "25.96", "6-bit", "48", "`8bitX48`"]],
    ["oQ5e", ["5.50", "5.70", "5.64", "22.29", "5-bit", "118", "`8bitX48, 6bitX70`"]],
    ["**oQ4e**", ["4.60", "4.70", "4.70", "18.56", "4-bit", "118", "`8bitX48, 6bitX48, 5bitX22`"]],
  ])("has the matrix row %s", (tier, expected) => {
    const matrix = section(card, "Performance matrix");
    expect(row(matrix, tier).slice(1)).toEqual(expected);
  });

  test("links its own tier and the Hub's list: nothing says that the others are published", () => {
    const own = "https://huggingface.co/acme/NVIDIA-Nemotron-3-Nano-30B-A3B-oQ4e";
    const size = ["18.56 GB", "32 GB", "256k context"];
    expect(plainRow(card, "**[oQ4e]")).toEqual([`**[oQ4e](${own})**`, ...size]);
    expect(plainRow(card, "oQ8e")).toEqual(["oQ8e", "33.56 GB", "48 GB", "256k context"]);
    const search = "author=acme&search=NVIDIA-Nemotron-3-Nano-30B-A3B-oQ";
    expect(card).toContain(`[list on the Hub](https://huggingface.co/models?${search})`);
  });

  test("repeats no wrong size or claim", () => {
    for (const wrong of [
      "32.82",
      "27.21",
      "23.36",
      "18.94",
      "Active-3",
      "collapse",
      "proxy",
      "8.00 |",
    ]) {
      expect(card).not.toContain(wrong);
    }
    expect(card).not.toMatch(/calibrated|128 ?(×|\\times|x) ?256|vault/i);
  });

  test("says what was not done", () => {
    expect(card).toContain("Rounded, not Hessian-tuned.");
    expect(card).toContain("No calibration text was used");
    expect(card).toContain("this tier was only rounded.");
    expect(card).toContain("not a measurement of this model");
  });

  test.each([
    ["Parameters", "31.6 B (31,577,940,288)"],
    ["Active per token", "3.6 B (11.3 %)"],
    ["Layers", "52: 23 Mamba-2, 23 mixture of experts, 6 attention"],
    ["Experts", "128 routed per MoE layer, 6 chosen per token; 1 shared, always active"],
    ["Context in the config", "262,144 tokens"],
    ["Engine", "oqe-publisher 0.1.0, [acme/oqe-publisher](https://github.com/acme/oqe-publisher)"],
    ["Tensor data", "18,563,676,032 bytes (17.29 GiB)"],
    ["Rounding", "`stored`"],
    ["Plan / file bpw", "4.70 / 4.70"],
    ["Weight error", "5.91e-3 (RMS 7.69 %, 22.3 dB)"],
    [
      "Licence",
      "[other (nvidia-open-model-license)](https://www.nvidia.com/en-us/agreements/enterprise-software/nvidia-open-model-license)",
    ],
  ])("states %s: %s", (label, value) => {
    expect(row(card, label).at(-1)).toBe(value);
  });

  test.each([
    ["`backbone.embeddings`", "1", "8-bit × 1"],
    ["`backbone.layers.*.mixer.shared_experts.up_proj`", "23", "8-bit × 23"],
    ["`backbone.layers.*.mixer.switch_mlp.fc1`", "23", "4-bit × 23"],
    ["`backbone.layers.*.mixer.o_proj`", "6", "6-bit × 4, 5-bit × 2"],
  ])("says which width %s got", (module, count, widths) => {
    const line = card.split("\n").find((candidate) => candidate.includes(`| ${module} |`));
    expect(cells(line!).slice(2)).toEqual([count, widths]);
  });

  test("counts the modules of every width as the plan does", () => {
    const counts = new Map<string, number>();
    for (const [, bits, count] of card.matchAll(/(\d)-bit × (\d+)/g))
      counts.set(bits!, (counts.get(bits!) ?? 0) + Number(count));
    expect(Object.fromEntries(counts)).toEqual({ 4: 46, 5: 22, 6: 48, 8: 48 });
  });

  test("lists the unquantized tensors and the reasons", () => {
    expect(row(card, "router: an error here").slice(1)).toEqual([
      "46",
      "`backbone.layers.*.mixer.gate.e_score_correction_bias`, `backbone.layers.*.mixer.gate.weight`",
    ]);
    expect(card).toContain("including the routers, which choose the experts");
    expect(card).toContain("- `time_step_limit` is \\[0.001, 1000000\\]");
  });

  test("pins the base, gives every hash, and the commands to use and make it", () => {
    const receipt = nemotronReceipt();
    expect(card).toContain(
      `https://huggingface.co/${receipt.base.id}/tree/${receipt.base.revision}`,
    );
    for (const [path, { sha256 }] of Object.entries(receipt.files))
      expect(row(card, `\`${path}\``).at(-1)).toBe(`\`${sha256}\``);
    expect(card).toContain(receipt.engine.kernelSha256);
    for (const command of ["generate", "chat", "server"])
      expect(card).toContain(`mlx_lm.${command} --model ${receipt.repository} `);
    expect(card).toContain(`loadModel(id: "${receipt.repository}")`);
    expect(card).toContain(`lms get https://huggingface.co/${receipt.repository}`);
    expect(card).toContain(
      `\nnpx --yes 'github:acme/oqe-publisher#v0.1.0' quantize ${receipt.base.id}@${receipt.base.revision} --out . --tiers oQ4e --policy oq --method rounded --verify false\n`,
    );
    expect(card).toContain("https://arxiv.org/abs/2210.17323");
  });

  test("starts the engine at the ref that it came from", async () => {
    const { engine } = nemotronReceipt();
    const ref = "0123456789abcdef0123456789abcdef01234567";
    const of = nemotronReceipt("oQ4e", { engine: { ...engine, ref } });
    const again = await renderCard(parseReceipt(writeReceipt(of), of.name));
    expect(again).toContain(`\nnpx --yes 'github:acme/oqe-publisher#${ref}' quantize `);
    expect(again).not.toContain("#v0.1.0");
  });

  test("ends with what machines read", () => {
    const comment = /<!-- oqe-publisher (\{.*\}) -->\n$/.exec(card);
    expect(JSON.parse(comment![1]!)).toMatchObject({
      version: "0.1.0",
      tier: "oQ4e",
      rounding: "stored",
      bytes: 18_563_676_032,
    });
  });

  test("has front matter that YAML reads, complete tables, and no empty value", async () => {
    for (const tier of ["oQ8e", "oQ6e", "oQ5e", "oQ4e"]) {
      const text = await renderCard(nemotronReceipt(tier));
      expect(parse(text.split("---\n")[1]!).base_model_relation).toBe("quantized");
      expectWholeTables(text);
      expect(text).not.toMatch(/undefined|\bnull\b|NaN|\[object|\{\{|\{%|\n{3}/);
      expect(text).toMatch(/[^\n]\n$/);
    }
  });

  test("is the same from the receipt's file, whose keys are sorted", async () => {
    expect(await renderCard(parseReceipt(writeReceipt(nemotronReceipt()), "x"))).toBe(card);
  });
});

describe("the card follows the recipe", () => {
  test("a uniform tier has no boosts to explain", async () => {
    const text = await renderCard(nemotronReceipt("oQ8e"));
    expect(text).toContain("oQ8e is uniform: every quantized module gets 8 bits.");
    expect(text).not.toContain("get 8 bits first");
  });

  test("oQ6e widens nothing after the anchors, and says why", async () => {
    const text = await renderCard(nemotronReceipt("oQ6e"));
    expect(text).toContain("the next step from 6 bits would be 7");
    expect(text).not.toContain("Then the other matrices");
  });

  test("it says whether the base's bytes were held against the commit", async () => {
    const receipt = nemotronReceipt();
    const text = await renderCard(receipt);
    expect(text).toContain("was held against its hash: the SHA-256 of each shard");
    const all =
      "all that were used have the hashes of this commit (13 shards, 63,156,000,000 bytes)";
    expect(text).toContain(`| Bytes of the base | ${all} |`);
    const unverified = await renderCard({ ...receipt, verifiedBase: null });
    expect(unverified).toContain("| Bytes of the base | not compared with the hashes of this");
    expect(unverified).not.toContain("was held against its hash");
  });

  test("MLX's own rounding is not called enhanced", async () => {
    const receipt = nemotronReceipt();
    const text = await renderCard({ ...receipt, options: { ...receipt.options, rounding: "mlx" } });
    expect(text).toContain("Codes are chosen as in `mx.quantize`");
    expect(text).toContain("the codes are MLX's own");
    expect(text).toContain("--policy oq --method rounded --rounding mlx --verify false\n");
    expect(text).not.toContain("*as stored*");
  });

  test("a dense model from a folder", async () => {
    const full = nemotronReceipt();
    const text = await renderCard({
      ...full,
      base: { id: null, name: "my model", revision: "sha256:abc", inherited: {} },
      model: {
        ...full.model,
        modelType: "llama",
        experts: null,
        layers: [{ mixer: "attention", mlp: "dense", count: 2 }],
        contextLength: null,
        tiedHead: true,
      },
      plan: {
        ...full.plan,
        modules: { "model.layers.0.self_attn.q_proj": { bits: 4, groupSize: 64 } },
      },
      unquantized: {},
      configNotes: [],
      repository: full.name,
      series: [full.series[3]!],
      verifiedBase: null,
      warnings: ["odd `rope_scaling` | ignored"],
    });
    expect(text).toContain("the folder `my model`");
    expect(text).toContain("hash of its config and safetensors files");
    expect(text).toContain("| Bytes of the base | those of a folder; the revision is a hash");
    expect(text).not.toContain("was held against its hash");
    expect(text).toContain("all of them: the model is dense");
    expect(text).toContain("states no single licence");
    expect(text).toContain("not published");
    expect(text).toContain(" quantize './my model' --out .");
    expect(text).toContain("- Warning of the build: odd `rope_scaling` \\| ignored");
    expect(text).not.toMatch(
      /base_model|router|expert|MoE|Never quantized|Changes to `config|huggingface\.co/,
    );
    expectWholeTables(text);
  });
});
