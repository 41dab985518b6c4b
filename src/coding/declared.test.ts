import { expect, test } from "vitest";
import { memoryRepository } from "../../test/hostile/memory.ts";
import { findDeclared, settingsKeys, withoutSettings } from "./declared.ts";

const base = { model_type: "llama" };
const find = (config: object, modelOpt: unknown = null) =>
  findDeclared({ ...base, ...config }, modelOpt, memoryRepository({}));

test.each([{}, null, false, undefined])("settings of %j declare nothing", (value) => {
  const own = Object.fromEntries(settingsKeys.map((key) => [key, value]));
  expect(find({ ...own, text_config: own }, value)).toBeNull();
});

test.each([{ bits: 4 }, { quant_method: "gptq" }, [], "fp8", true])(
  "settings of %j are refused, wherever they are",
  (value) => {
    for (const key of settingsKeys.filter((one) => one !== "compression_config")) {
      for (const config of [{ [key]: value }, { text_config: { [key]: value } }]) {
        expect(() => find(config)).toThrow(
          expect.objectContaining({
            code: "ALREADY_QUANTIZED",
            message: expect.stringContaining(key),
          }),
        );
      }
    }
  },
);

test("a ModelOpt checkpoint of which only the cache is quantized has floats", () => {
  const found = find({}, { quant_algo: null, kv_cache_quant_algo: "FP8" });
  expect(found?.groups).toEqual([]);
});

test("the same settings in two places are one declaration", () => {
  const quantization_config = { quant_method: "fp8", modules_to_not_convert: ["lm_head"] };
  const found = find({ quantization_config, text_config: { quantization_config } });
  expect(found).toMatchObject({ method: "fp8", skipped: { under: new Set(["lm_head"]) } });
});

test("settings are taken out at the top and in inner configs", () => {
  const settings = Object.fromEntries(settingsKeys.map((key) => [key, { quant_method: "fp8" }]));
  const inner = { hidden_size: 8 };
  expect(
    withoutSettings({ ...base, ...settings, text_config: { ...inner, ...settings }, list: [1] }),
  ).toEqual({ ...base, text_config: inner, list: [1] });
});
