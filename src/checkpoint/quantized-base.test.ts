import { expect, it } from "vitest";
import { quantizationKeys } from "./quantized-base.ts";

it.each([{}, null, false, undefined])("a config with %j as its quantization has none", (value) => {
  const config = { quantization: value, quantization_config: value, compression_config: value };
  expect(quantizationKeys({ model_type: "llama", ...config })).toEqual([]);
});

it.each([{ bits: 4 }, { quant_method: "fp8" }, [], "fp8", true])(
  "%j is a quantization",
  (value) => {
    expect(quantizationKeys({ model_type: "llama", quantization: value })).toEqual([
      "quantization",
    ]);
  },
);
