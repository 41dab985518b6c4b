import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { nemotronReceipt } from "../../test/support/receipts.ts";
import type { Inherited, Receipt } from "../receipt/receipt.ts";
import { frontMatter, serializeFrontMatter } from "./front-matter.ts";

const licensed = (inherited: Inherited, changes: Partial<Receipt["base"]> = {}) => {
  const receipt = nemotronReceipt();
  return { ...receipt, base: { ...receipt.base, inherited, ...changes } };
};
const read = (text: string) => parse(/^---\n([\s\S]*)---\n$/.exec(text)![1]!);

const atCommit =
  "https://huggingface.co/nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B-BF16/blob/0123456789abcdef0123456789abcdef01234567";

describe("frontMatter", () => {
  test("of a Hub base has its name, relation and licence, without tags that are not true of a tier", () => {
    expect(frontMatter(nemotronReceipt())).toEqual({
      base_model: "nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B-BF16",
      base_model_relation: "quantized",
      library_name: "mlx",
      pipeline_tag: "text-generation",
      license: "other",
      license_name: "nvidia-open-model-license",
      license_link:
        "https://www.nvidia.com/en-us/agreements/enterprise-software/nvidia-open-model-license",
      language: ["en", "es", "fr", "de", "ja", "it"],
      tags: ["nvidia", "MLX-friendly", "mlx", "oq", "oqe", "oq4e"],
      quantized_by: "oqe-publisher",
    });
  });

  test("of a folder without a card claims no base, licence or language", () => {
    expect(frontMatter(licensed({}, { id: null }))).toEqual({
      library_name: "mlx",
      pipeline_tag: "text-generation",
      tags: ["mlx", "oq", "oqe", "oq4e"],
      quantized_by: "oqe-publisher",
    });
  });

  test("drops another quantization's tags and doubles", () => {
    const tags = [
      "mlx",
      "GGUF",
      "awq",
      "8bit",
      "4-bit",
      "oQ6e",
      "q4_k_m",
      "license:mit",
      "conversational",
      "conversational",
    ];
    expect(frontMatter(licensed({ tags })).tags).toEqual([
      "mlx",
      "conversational",
      "oq",
      "oqe",
      "oq4e",
    ]);
  });

  test.each([
    ["LICENSE", { LICENSE: { bytes: 1, sha256: "0".repeat(64) } }, "LICENSE"],
    [
      "LICENSE",
      {},
      "https://huggingface.co/nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B-BF16/blob/0123456789abcdef0123456789abcdef01234567/LICENSE",
    ],
    [
      "docs/terms.txt",
      {},
      "https://huggingface.co/nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B-BF16/blob/0123456789abcdef0123456789abcdef01234567/docs/terms.txt",
    ],
    ["docs/the terms.pdf", {}, `${atCommit}/docs/the%20terms.pdf`],
    ["./docs/LICENSE", {}, `${atCommit}/docs/LICENSE`],
    ["https://example.com/a (b)", {}, "https://example.com/a%20%28b%29"],
    ["../../../x", {}, `${atCommit}/README.md`],
    ["a//b", {}, `${atCommit}/README.md`],
    ["javascript:alert(1)", {}, `${atCommit}/README.md`],
    ["javascript:alert(1)", { LICENSE: { bytes: 1, sha256: "0".repeat(64) } }, "LICENSE"],
  ])("licence link %s with files %j becomes %s", (licenseLink, files, expected) => {
    const receipt = { ...licensed({ license: "other", licenseLink }), files };
    expect(frontMatter(receipt).license_link).toBe(expected);
  });

  test("hostile values stay values", () => {
    const hostile = "x\n---\nlicense: mit\n# {{ 7 * 7 }} *a &b !!python/object:os.system";
    const inherited = {
      license: hostile,
      language: ["no", "on", "2024-01-01", "1e3"],
      tags: [hostile, "- x", "a: b"],
    };
    const text = serializeFrontMatter(frontMatter(licensed(inherited)));
    expect(text.match(/^---$/gm)).toHaveLength(2);
    const back = read(text);
    expect([back.license, back.license_name]).toEqual([
      "other",
      "x-license-mit-7-7-a-b-python-object-os.system",
    ]);
    expect(back.language).toEqual(inherited.language);
    expect(back.tags).toEqual([hostile, "- x", "a: b", "mlx", "oq", "oqe", "oq4e"]);
    // PyYAML reads YAML 1.1, where bare no and on are booleans and bare dates are dates.
    expect(parse(text.slice(4, -4), { version: "1.1" }).language).toEqual(inherited.language);
  });
});
