import { describe, test } from "vitest";
import { castModel, editConfig, editSafetensors, smallest } from "../support/models.ts";
import { fewTuned, refusalScene, spoiled } from "../support/refusal.ts";

const scene = refusalScene();
const llama = smallest.llama!;
const hybrid = smallest.nemotron_h!;
const tuned = ["--method", "tuned", ...fewTuned];

describe("weights that are not finite are refused with their place", () => {
  const bits = { NaN: 0x7fc0, Inf: 0x7f80, "-Inf": 0xff80 } as const;
  /** A base (BF16) with one value of a tensor replaced. */
  const poisoned = (from: string, tensor: string, element: number, value: keyof typeof bits) =>
    spoiled(from, (at) =>
      editSafetensors(at, (header, data) => {
        data.writeUInt16LE(bits[value], header[tensor]!.data_offsets[0] + 2 * element);
      }),
    );

  const layer = "backbone.layers";
  const places = [
    [
      "a quantized tensor",
      hybrid,
      `${layer}.0.mixer.in_proj.weight`,
      300 * 128 + 7,
      "NaN",
      "[300, 7]",
    ],
    [
      "a quantized tensor",
      hybrid,
      `${layer}.3.mixer.o_proj.weight`,
      127 * 128 + 127,
      "-Inf",
      "[127, 127]",
    ],
    ["the embeddings", hybrid, "backbone.embeddings.weight", 5, "Inf", "[0, 5]"],
    [
      "embeddings that are the head",
      smallest.qwen3!,
      "model.embed_tokens.weight",
      383 * 128,
      "NaN",
      "[383, 0]",
    ],
    [
      "embeddings that every row reads",
      smallest.qwen3!,
      "model.embed_tokens.weight",
      71 * 128,
      "NaN",
      "[71, 0]",
    ],
    ["the head", hybrid, "lm_head.weight", 383 * 128 + 1, "NaN", "[383, 1]"],
    ["an expert", hybrid, `${layer}.1.mixer.experts.0.up_proj.weight`, 64, "Inf", "[0, 64]"],
    [
      "the last expert",
      hybrid,
      `${layer}.4.mixer.experts.7.down_proj.weight`,
      127 * 64 + 3,
      "NaN",
      "[127, 3]",
    ],
    ["an unquantized matrix", hybrid, `${layer}.1.mixer.gate.weight`, 7 * 128 + 2, "NaN", "[7, 2]"],
    ["an unquantized vector", hybrid, `${layer}.2.norm.weight`, 3, "-Inf", "[3]"],
    ["a convolution", hybrid, `${layer}.2.mixer.conv1d.weight`, 191 * 4 + 1, "NaN", "[191, 0, 1]"],
    ["an unquantized scalar per head", hybrid, `${layer}.0.mixer.A_log`, 7, "NaN", "[7]"],
  ] as const;
  const both = places.flatMap((place) =>
    (["tuned", "rounded"] as const).map((method) => [method, place[0], place] as const),
  );

  test.each(both)("%s: %s", (method, _, [, from, tensor, element, value, place]) => {
    const says = new RegExp(
      `tensor "${tensor}" holds 1 NaN or infinite values, the first at ${place}`.replace(
        /[[\].]/g,
        "\\$&",
      ),
    );
    const base = poisoned(from, tensor, element, value);
    return scene.expectRefused({
      base,
      args: [...fewTuned, "--method", method],
      code: "BAD_CHECKPOINT",
      says,
    });
  });

  test.each(["tuned", "rounded"])(
    "%s: an unquantized value beyond the range of the storage dtype",
    (method) => {
      const base = async () => {
        const copy = await castModel(llama, "F32", "wide");
        await editConfig(copy, (config) => {
          config.torch_dtype = "float16";
        });
        await editSafetensors(copy, (header, data) => {
          data.writeFloatLE(1e6, header["model.norm.weight"]!.data_offsets[0] + 4 * 100);
        });
        return copy;
      };
      const says = /"model\.norm\.weight" holds 1 .*beyond the range/;
      return scene.expectRefused({
        base,
        args: [...fewTuned, "--method", method],
        code: "BAD_CHECKPOINT",
        says,
      });
    },
  );

  test("activations that are not finite are named", () => {
    const base = spoiled(llama, (at) =>
      editSafetensors(at, (header, data) => {
        // Finite, but its squares are not.
        const [start, end] = header["model.layers.0.mlp.up_proj.weight"]!.data_offsets;
        for (let at = start; at < end; at += 2) data.writeUInt16LE(0x7e80, at);
      }),
    );
    const says = /activations of \d+ rows are not finite at layer \d+, [a-z.]+; at most 1 %/;
    return scene.expectRefused({ base, args: tuned, code: "BAD_CHECKPOINT", says });
  });
});
