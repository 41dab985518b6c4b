import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { nemotronReceipt } from "../../test/receipts.ts";
import type { Receipt } from "./receipt.ts";
import { parseReceipt, writeReceipt } from "./receipt-file.ts";
import { renderCard, renderSummary } from "./render.ts";

const card = await renderCard(nemotronReceipt());

/** Cells of the table row that begins with this cell. */
function row(text: string, first: string): string[] {
  const line = text.split("\n").find((candidate) => candidate.startsWith(`| ${first}`));
  return line === undefined ? [] : cells(line);
}

function cells(line: string): string[] {
  return line
    .split(/(?<!\\)\|/)
    .slice(1, -1)
    .map((cell) => cell.trim());
}

/** Every table of the card has the same number of cells in all its rows. */
function expectWholeTables(text: string) {
  for (const block of text.split(/\n(?!\|)/).map((part) => part.split("\n").filter((line) => line.startsWith("|")))) {
    const widths = new Set(block.map((line) => cells(line).length));
    expect([...widths].length, block.join("\n")).toBeLessThanOrEqual(1);
  }
}

describe("the card of Nemotron-3-Nano-30B-A3B", () => {
  test.each([
    ["[oQ8e]", ["8.50", "8.50", "8.50", "33,559,877,504", "33.56", "31.26", "0", "`uniform 8bit`"]],
    ["[oQ6e]", ["6.50", "6.57", "6.58", "25,958,514,560", "25.96", "24.18", "48", "`8bitX48`"]],
    ["[oQ5e]", ["5.50", "5.64", "5.65", "22,286,663,552", "22.29", "20.76", "118", "`8bitX48, 6bitX70`"]],
    ["**oQ4e**", ["4.60", "4.70", "4.70", "18,563,676,032", "18.56", "17.29", "118", "`8bitX48, 6bitX48, 5bitX22`"]],
  ])("has the matrix row %s", (tier, expected) => {
    expect(row(card, tier).slice(1)).toEqual(expected);
  });

  test("marks its own tier and links the others", () => {
    expect(row(card, "**oQ4e**")[0]).toBe("**oQ4e** (this one)");
    expect(row(card, "[oQ8e]")[0]).toBe("[oQ8e](https://huggingface.co/acme/NVIDIA-Nemotron-3-Nano-30B-A3B-oQ8e)");
  });

  test("has none of the sizes and claims that do not hold", () => {
    for (const wrong of ["32.82", "27.21", "23.36", "18.94", "Active-3", "collapse", "proxy", "8.00 |"]) {
      expect(card).not.toContain(wrong);
    }
    expect(card).not.toMatch(/calibrated|128 ?(×|\\times|x) ?256|vault/i);
  });

  test("says what was not done", () => {
    expect(card).toContain("Rounded, not Hessian-tuned.");
    expect(card).toContain("No calibration text was used");
    expect(card).toContain("This release does not use it yet.");
    expect(card).toContain("not a measurement of this model");
  });

  test.each([
    ["Parameters", "31.6 B (31,577,940,288)"],
    ["Active per token", "3.6 B (11.3 %)"],
    ["Layers", "52: 23 Mamba-2, 23 mixture of experts, 6 attention"],
    ["Experts", "128 routed per MoE layer, 6 chosen per token; 1 shared, always active"],
    ["Context in the config", "262,144 tokens"],
    ["Engine", "oqe-publisher 0.1.0"],
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

  test("says what is never quantized and why, the router first of all", () => {
    expect(row(card, "router: an error here").slice(1)).toEqual([
      "46",
      "`backbone.layers.*.mixer.gate.e_score_correction_bias`, `backbone.layers.*.mixer.gate.weight`",
    ]);
    expect(card).toContain("the router above all");
    expect(card).toContain("- `time_step_limit` is \\[0.001, 1000000\\]");
  });

  test("pins the base, gives every hash, and the commands to use and make it", () => {
    const receipt = nemotronReceipt();
    expect(card).toContain(`https://huggingface.co/${receipt.base.id}/tree/${receipt.base.revision}`);
    for (const [path, { sha256 }] of Object.entries(receipt.files))
      expect(row(card, `\`${path}\``).at(-1)).toBe(`\`${sha256}\``);
    expect(card).toContain(receipt.engine.kernelSha256);
    expect(card).toContain(`load("${receipt.repository}")`);
    expect(card).toContain(`mlx_lm.generate --model ${receipt.repository} `);
    expect(card).toContain(
      `oqe quantize ${receipt.base.id}@${receipt.base.revision} --out . --tiers oQ4e --policy oq\n`,
    );
    expect(card).toContain("https://arxiv.org/abs/2210.17323");
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

  test("has front matter that YAML reads, whole tables, and no hole", async () => {
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

/** The card without front matter, code blocks and the comment: where Markdown and HTML have a meaning. */
function prose(text: string): string {
  return text
    .replace(/^---\n[\s\S]*?^---\n/m, "")
    .replace(/^```[\s\S]*?^```/gm, "")
    .replace(/^<!-- .* -->$/m, "");
}

describe("what a run did decides what the card says", () => {
  test("a uniform tier has no boosts to explain", async () => {
    const text = await renderCard(nemotronReceipt("oQ8e"));
    expect(text).toContain("oQ8e is uniform: every quantized module gets 8 bits.");
    expect(text).not.toContain("First claim");
  });

  test("oQ6e widens nothing after the anchors, and says why", async () => {
    const text = await renderCard(nemotronReceipt("oQ6e"));
    expect(text).toContain("the next step from 6 bits would be 7");
    expect(text).not.toContain("Then, in layer order");
  });

  test("MLX's own rounding is not sold as enhanced", async () => {
    const receipt = nemotronReceipt();
    const text = await renderCard({ ...receipt, options: { ...receipt.options, rounding: "mlx" } });
    expect(text).toContain("Codes are chosen as `mx.quantize` chooses them");
    expect(text).toContain("the codes are MLX's own");
    expect(text).toContain("--policy oq --rounding mlx\n");
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
        layers: { transformer: 2 },
        contextLength: null,
        tiedHead: true,
      },
      plan: { ...full.plan, modules: { "model.layers.0.self_attn.q_proj": { bits: 4, groupSize: 64 } } },
      kept: {},
      configNotes: [],
      repository: full.name,
      series: [full.series[3]!],
      warnings: ["odd `rope_scaling` | ignored"],
    });
    expect(text).toContain("the folder `my model`");
    expect(text).toContain("fingerprint of config and tensor headers");
    expect(text).toContain("all of them: the model is dense");
    expect(text).toContain("states no single licence");
    expect(text).toContain("not published");
    expect(text).toContain("oqe quantize './my model' --out .");
    expect(text).toContain("- Warning of the build: odd `rope_scaling` \\| ignored");
    expect(text).not.toMatch(/base_model|router|expert|Never quantized|Changes to `config|huggingface\.co/);
    expectWholeTables(text);
  });
});

describe("hostile values", () => {
  const evil =
    'x | y`z` <script>alert(1)</script> --> [a](javascript:b) {{ 7 * 7 }} {% raw %} """ \n---\n# Owned\n| a | b |\n```\n';
  const receipt = nemotronReceipt();
  const hostile: Receipt = {
    ...receipt,
    engine: { ...receipt.engine, version: evil, kernelSha256: evil },
    base: {
      id: null,
      name: evil,
      revision: evil,
      inherited: {
        license: evil,
        licenseName: evil,
        licenseLink: evil,
        language: [evil],
        pipelineTag: evil,
        tags: [evil],
      },
    },
    model: { ...receipt.model, modelType: evil },
    options: { ...receipt.options, policy: evil },
    repository: evil,
    name: evil,
    plan: { ...receipt.plan, plan: evil, modules: { [evil]: { bits: 4, groupSize: 64 } } },
    kept: { [evil]: evil },
    series: [{ ...receipt.series[0]!, tier: evil, plan: evil }],
    configNotes: [evil],
    warnings: [evil],
    files: { [evil]: { bytes: 1, sha256: evil } },
  };

  test("break no table, open no tag, and inject no front matter, heading, fence or link", async () => {
    const text = await renderCard(hostile);
    const [, front = "", ...rest] = text.split(/^---\n/m);
    const body = rest.join("---\n");
    expect(parse(front)).toMatchObject({
      license: evil,
      license_name: evil,
      language: [evil],
      tags: [evil, "mlx", "oq", "oqe", "oq4e"],
    });
    expect(parse(front)).not.toHaveProperty("license_link");
    expectWholeTables(prose(text));
    expect(prose(text)).not.toMatch(/<script|<!--|-->|^---$/);
    expect(body).not.toMatch(/^---$|^# Owned/m);
    expect(body.match(/^#+ .*$/gm)).toHaveLength(card.match(/^#+ .*$/gm)!.length);
    expect(body.match(/^```/gm)).toHaveLength(card.match(/^```/gm)!.length);
    expect(body.match(/^<!-- .* -->$/gm)).toHaveLength(1);
    expect(/^<!-- (.*) -->$/m.exec(body)![1]).not.toMatch(/--|[<>]/);
    expect(prose(text)).not.toMatch(/(?<!\\)\]\(javascript/);
    expect(body).not.toContain("49");
  });

  test("as a Hub id they make no link either", async () => {
    const text = await renderCard({ ...receipt, base: { ...receipt.base, id: evil, revision: evil } });
    expectWholeTables(prose(text));
    expect(prose(text)).not.toMatch(/(?<!\\)\]\((javascript|[^)\n]*[\s<>`|])/);
  });

  test("in the job summary likewise", async () => {
    const text = await renderSummary({
      base: { id: null, name: evil, revision: evil },
      series: [{ ...receipt.series[0]!, tier: evil, plan: evil }],
      repositories: [{ repository: evil, outcome: "published", url: evil, commit: evil }],
      dryRun: false,
      warnings: [evil],
    });
    expectWholeTables(text);
    expect(text).not.toMatch(/<script|^---$|^# Owned|(?<!\\)\]\(javascript/m);
  });
});

describe("the job summary", () => {
  const facts = {
    base: nemotronReceipt().base,
    series: nemotronReceipt().series,
    repositories: [
      {
        repository: "acme/N-oQ8e",
        outcome: "published",
        url: "http://127.0.0.1:1/acme/N-oQ8e",
        commit: "a".repeat(40),
      },
      { repository: "acme/N-oQ4e", outcome: "unchanged", url: null, commit: null },
    ],
    dryRun: false,
    warnings: [],
  } as const;

  test("has the matrix, and every repository with its outcome and link", async () => {
    const text = await renderSummary(facts);
    expect(row(text, "oQ8e").slice(4, 7)).toEqual(["33,559,877,504", "33.56", "31.26"]);
    expect(row(text, "[acme/N-oQ8e]")).toEqual([
      "[acme/N-oQ8e](http://127.0.0.1:1/acme/N-oQ8e)",
      "published",
      `\`${"a".repeat(40)}\``,
    ]);
    expect(row(text, "acme/N-oQ4e")[1]).toMatch(/^unchanged/);
    expect(text).not.toMatch(/Dry run|Warnings|\n{3}/);
    expectWholeTables(text);
  });

  test("of a dry run says so, with its warnings", async () => {
    const text = await renderSummary({ ...facts, dryRun: true, repositories: [], warnings: ["careful"] });
    expect(text).toContain("**Dry run:** nothing was published.");
    expect(text).toMatch(/\*\*Warnings\*\*\n\n- careful\n$/);
    expect(text).not.toContain("Outcome");
  });

  test("of a run that failed before the plan still renders", async () => {
    const text = await renderSummary({ ...facts, series: [], repositories: [] });
    expect(text).toContain("Base revision");
    expect(text).not.toContain("|");
  });
});
