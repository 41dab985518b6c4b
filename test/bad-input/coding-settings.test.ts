import { describe, test } from "vitest";
import {
  codingScene,
  type Damage,
  type DamagedCase,
  q,
  weights,
} from "../support/damaged-coding.ts";

/** Coded bases whose settings are of an unknown kind, or contradict each other or the tensors. */

const { scene, damaged } = codingScene();

const cases: Record<string, DamagedCase> = {
  "codes of a module that is not converted": [
    "blocks",
    {
      settings: (own) => Object.assign(own, { modules_to_not_convert: [q.replace(".weight", "")] }),
    },
    "BAD_CHECKPOINT",
    /"model\.layers\.0\.self_attn\.q_proj" is declared as not quantized/,
  ],
  "codes of a module below a pattern of what is not converted": [
    "blocks",
    {
      settings: (own) =>
        Object.assign(own, { modules_to_not_convert: ["model.layers.*.self_attn"] }),
    },
    "BAD_CHECKPOINT",
    /"model\.layers\.0\.self_attn\.\w_proj" is declared as not quantized/,
  ],
  "codes that nothing declares": [
    "blocks",
    { settings: (_, config) => delete config.quantization_config },
    "ALREADY_QUANTIZED",
    /_proj\.weight" has dtype F8_E4M3, but config\.json has no "quantization_config" that says how/,
  ],
  "two places that contradict each other": [
    "blocks",
    {
      settings: (own, config) =>
        Object.assign(config, {
          text_config: { quantization_config: { ...own, weight_block_size: [64, 64] } },
        }),
    },
    "BAD_CHECKPOINT",
    /"quantization_config" of config\.json .*"text_config\.quantization_config"/,
  ],
  "a file of ModelOpt that contradicts the config": [
    "blocks",
    { file: ["hf_quant_config.json", '{"quantization":{"quant_algo":"FP8"}}'] },
    "BAD_CHECKPOINT",
    /\(fp8\) and "quantization" of hf_quant_config\.json \(modelopt\) contradict/,
  ],
  "an algorithm of ModelOpt that is not decoded": [
    "modelopt",
    { settings: (own) => Object.assign(own, { quant_algo: "NVFP4" }) },
    "ALREADY_QUANTIZED",
    /quant_algo "NVFP4"/,
  ],
  "an unknown format": [
    "int4",
    { settings: (own) => Object.assign(own, { format: "nvfp4-pack-quantized" }) },
    "ALREADY_QUANTIZED",
    /format "nvfp4-pack-quantized"; this program decodes pack-quantized/,
  ],
  "an unknown strategy": [
    "int4",
    { settings: weights({ strategy: "tensor_group" }) },
    "ALREADY_QUANTIZED",
    /strategy "tensor_group"/,
  ],
  "an unknown number of bits": [
    "int4",
    { settings: weights({ num_bits: 3 }) },
    "ALREADY_QUANTIZED",
    /3 bits of type "int"/,
  ],
  "columns in an order by their activations": [
    "int4",
    { settings: weights({ actorder: "group" }) },
    "ALREADY_QUANTIZED",
    /actorder "group"; this program decodes columns in their own order/,
  ],
  "codes of a module that an expression excludes": [
    "int4",
    { settings: (own) => Object.assign(own, { ignore: ["re:.*lm_head", "re:.*\\.(q|k)_proj$"] }) },
    "BAD_CHECKPOINT",
    /"model\.layers\.0\.self_attn\.[qk]_proj" is declared as not quantized/,
  ],
  "an expression that cannot be read": [
    "int4",
    { settings: (own) => Object.assign(own, { ignore: ["re:(?<=a)b"] }) },
    "ALREADY_QUANTIZED",
    /the expression "re:\(\?<=a\)b"; this program decodes short expressions/,
  ],
  "an expression that looks ahead in its middle": [
    "int4",
    { settings: (own) => Object.assign(own, { ignore: ["re:model(?!.*self_attn)"] }) },
    "ALREADY_QUANTIZED",
    /the expression "re:model\(\?!\.\*self_attn\)"; this .* and lookaheads only at the beginning/,
  ],
  "an expression that is too large": [
    "int4",
    { settings: (own) => Object.assign(own, { ignore: ["re:(?:a{30}){30}b{999}"] }) },
    "ALREADY_QUANTIZED",
    /the expression "re:\(\?:a\{30\}\)\{30\}b\{999\}"; this program decodes short/,
  ],
  "codes of a module that no group names": [
    "patterns",
    {
      settings: (own) => {
        const groups = own.config_groups as unknown as Record<string, { targets: string[] }>;
        groups.group_1!.targets = ["re:.*\\.[kvo]_proj$"];
        groups.group_0!.targets = ["re:.*mlp.*"];
      },
    },
    "BAD_CHECKPOINT",
    /q_proj\.weight" holds codes, but no settings for such codes name "model\..*\.q_proj"/,
  ],
  "codes of a module whose group has others": [
    "patterns",
    {
      settings: (own) => {
        const groups = own.config_groups as unknown as Record<string, { targets: string[] }>;
        groups.group_0!.targets.push("model.layers.1.self_attn.q_proj");
      },
    },
    "BAD_CHECKPOINT",
    /1\.self_attn\.q_proj\.weight" holds codes, but no settings for such codes name/,
  ],
  "a layer of an algorithm that is not decoded": [
    "mixed",
    {
      settings: (own) => {
        const layers = own.quantized_layers as unknown as Record<string, object>;
        layers["model.layers.1"] = { quant_algo: "W4A16_NVFP4", group_size: 16 };
      },
    },
    "ALREADY_QUANTIZED",
    /quant_algo "W4A16_NVFP4" for "model\.layers\.1"; this program decodes FP8, FP8_PER/,
  ],
  "a mixture without layers": [
    "mixed",
    { settings: (own) => Object.assign(own, { quantized_layers: {} }) },
    "ALREADY_QUANTIZED",
    /"MIXED_PRECISION" without quantized_layers/,
  ],
  "a layer of codes that the mixture does not name": [
    "mixed",
    {
      settings: (own) => {
        delete (own.quantized_layers as unknown as Record<string, object>)["model.layers.1"];
      },
    },
    "BAD_CHECKPOINT",
    /layers\.1\..* holds codes, but no settings for such codes name "model\.layers\.1\./,
  ],
  "a layer whose scales are of another algorithm": [
    "mixed",
    {
      settings: (own) => {
        const layers = own.quantized_layers as unknown as Record<string, object>;
        layers["model.layers.1"] = { quant_algo: "FP8" };
      },
    },
    "BAD_CHECKPOINT",
    /layers\.1\..*_scale" is F8_E8M0 of shape .* expected \[1, 1\] \(a scale for each tensor\)/,
  ],
  "a module below a wildcard of ModelOpt": [
    "modelopt",
    { settings: (own) => Object.assign(own, { ignore: ["*lm_head*", "model.layers.*.mlp*"] }) },
    "BAD_CHECKPOINT",
    /"model\.layers\.\d\.mlp\.\w+_proj" is declared as not quantized/,
  ],
  "a file of ModelOpt with other layers than the config": [
    "mixed",
    {
      file: [
        "hf_quant_config.json",
        '{"quantization":{"quant_algo":"MIXED_PRECISION","quantized_layers":' +
          '{"model.layers.0":{"quant_algo":"FP8"}}}}',
      ],
    },
    "BAD_CHECKPOINT",
    /"quantization_config" of config\.json .* and "quantization" of hf_quant_config\.json/,
  ],
  "zero points of codes that are symmetric": [
    "zeros",
    { settings: weights({ symmetric: true }) },
    "BAD_CHECKPOINT",
    /weight_zero_point" holds zero points of codes that are declared as symmetric/,
  ],
};

describe("a coded base is refused", () => {
  test.each(Object.entries(cases))("for %s", async (_, [way, damage, code, says]) => {
    await scene.expectRefused({ base: damaged(way, damage), code, says });
  });
});

describe("a base that somebody quantized is refused", () => {
  const card = (fields: string) => `---\nlicense: mit\n${fields}---\n`;
  const says = /its card says that it is a quantization of "acme\/Tiny"/;
  test("in a way that is not decoded, and its original is named", async () => {
    const settings: Damage["settings"] = (own) => Object.assign(own, { quant_algo: "NVFP4" });
    const file = [
      "README.md",
      card("base_model: acme/Tiny\nbase_model_relation: quantized\n"),
    ] as const;
    await scene.expectRefused({
      base: damaged("modelopt", { settings, file }),
      code: "ALREADY_QUANTIZED",
      says: /quant_algo "NVFP4"/,
      next: /Name "acme\/Tiny" as the base/,
    });
  });
  test("where its card says so", async () => {
    const text = card("base_model: acme/Tiny\nbase_model_relation: quantized\n");
    const base = damaged("blocks", { file: ["README.md", text] });
    await scene.expectRefused({ base, code: "ALREADY_QUANTIZED", says });
  });
});
