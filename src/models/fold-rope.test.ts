import { describe, expect, test } from "vitest";
import type { ModelConfig } from "../checkpoint/model-config.ts";
import { llama as architecture } from "./llama.ts";
import { qwen3 } from "./qwen3.ts";

const llama: ModelConfig = {
  model_type: "llama",
  hidden_size: 64,
  num_attention_heads: 4,
  max_position_embeddings: 4096,
};
const fold = (change: ModelConfig) => architecture.fold({ ...llama, ...change }).config;
/** `[theta, rope_scaling]` that mlx-lm will read. */
const rope = (change: ModelConfig) => {
  const { rope_theta, rope_scaling, ...rest } = fold(change);
  expect(rest).not.toHaveProperty("rope_parameters");
  return [rope_theta, rope_scaling];
};
const refuses = (change: ModelConfig, words: string | RegExp, code: string) => {
  expect(() => fold(change)).toThrow(words);
  expect(() => fold(change)).toThrow(expect.objectContaining({ code }));
};

const l3 = {
  factor: 8,
  low_freq_factor: 1,
  high_freq_factor: 4,
  original_max_position_embeddings: 64,
};

describe("the place of theta", () => {
  test.each<[string, ModelConfig, number]>([
    ["nowhere", {}, 10_000],
    ["beside", { rope_theta: 5e5 }, 5e5],
    ["in a default rope_scaling", { rope_scaling: { rope_type: "default", rope_theta: 5e5 } }, 5e5],
    ["in rope_parameters", { rope_parameters: { rope_theta: 5e5 } }, 5e5],
    ["in both, equal", { rope_theta: 5e5, rope_parameters: { rope_theta: 5e5 } }, 5e5],
    ["beside null", { rope_theta: 5e5, rope_scaling: { rope_theta: null } }, 5e5],
    [
      "in each of both objects",
      { rope_scaling: { rope_theta: 5e5 }, rope_parameters: { rope_theta: 5e5 } },
      5e5,
    ],
  ])("%s", (_, change, theta) => {
    expect(rope(change)).toEqual([theta, undefined]);
  });

  test("inside llama3's object", () => {
    const scaling = { rope_type: "llama3", ...l3 };
    expect(rope({ rope_scaling: { ...scaling, rope_theta: 5e5 } })).toEqual([5e5, scaling]);
  });

  test("in two places with two values is a contradiction", () => {
    refuses(
      { rope_theta: 1e4, rope_parameters: { rope_theta: 5e5 } },
      "config.json: rope_theta is 10000, but the rope's own rope_theta is 500000",
      "BAD_CHECKPOINT",
    );
    refuses({ rope_theta: -1 }, '"rope_theta" should be a positive number', "BAD_CHECKPOINT");
    refuses({ rope_theta: "1e4" }, '"rope_theta" should be a positive number', "BAD_CHECKPOINT");
  });
});

describe("both objects at once", () => {
  const linear = { rope_type: "linear", factor: 2 };
  test("may agree", () => {
    const older = { type: "linear", factor: 2 };
    const parameters = { ...linear, rope_theta: 1e4 };
    for (const rope_theta of [1e4, undefined])
      expect(rope({ rope_theta, rope_scaling: older, rope_parameters: parameters })).toEqual([
        1e4,
        linear,
      ]);
  });

  test("use the other if one is null or empty", () => {
    for (const nothing of [null, {}, undefined]) {
      expect(rope({ rope_scaling: nothing, rope_parameters: linear })).toEqual([1e4, linear]);
      expect(rope({ rope_scaling: linear, rope_parameters: nothing })).toEqual([1e4, linear]);
    }
  });

  test("may agree after their defaults", () => {
    const yarn = { type: "yarn", factor: 4 };
    const full = { ...yarn, original_max_position_embeddings: 4096, beta_fast: 32, beta_slow: 1 };
    expect(fold({ rope_scaling: yarn, rope_parameters: full })).toEqual(
      fold({ rope_scaling: full }),
    );
  });

  test("that differ are a contradiction", () => {
    refuses(
      { rope_scaling: { type: "linear", factor: 2 }, rope_parameters: { ...linear, factor: 4 } },
      /rope_scaling means theta 10000 with .*2.*, but rope_parameters theta 10000 with .*4/,
      "BAD_CHECKPOINT",
    );
    // transformers reads rope_scaling alone, and so takes its default of 10000.
    refuses(
      { rope_scaling: linear, rope_parameters: { ...linear, rope_theta: 5e5 } },
      /theta 10000 .*theta 500000/,
      "BAD_CHECKPOINT",
    );
  });
});

describe("the type", () => {
  test("is `type` or `rope_type`, written as the latter", () => {
    const linear = { rope_type: "linear", factor: 2 };
    expect(rope({ rope_scaling: { type: "linear", factor: 2 } })).toEqual([1e4, linear]);
    expect(rope({ rope_scaling: { type: "linear", ...linear } })).toEqual([1e4, linear]);
    expect(rope({ rope_scaling: { rope_type: null, type: "linear", factor: 2 } })).toEqual([
      1e4,
      linear,
    ]);
    refuses(
      { rope_scaling: { type: "linear", rope_type: "dynamic", factor: 2 } },
      'rope_type is "dynamic", but type is "linear" beside it',
      "BAD_CHECKPOINT",
    );
  });

  test("is plain if the config names none", () => {
    expect(rope({ rope_scaling: { factor: 2 } })).toEqual([1e4, undefined]);
    expect(rope({ rope_scaling: null })).toEqual([1e4, null]);
    expect(rope({ rope_parameters: null })).toEqual([1e4, undefined]);
  });

  test.each(["longrope", "su", "proportional", "mrope", "spiral", "toString", 7])(
    "%j is refused, with those that mlx-lm computes like transformers",
    (type) => {
      refuses(
        { rope_scaling: { type, factor: 2 } },
        `rope type ${JSON.stringify(type)}`,
        "UNSUPPORTED_MODEL",
      );
      refuses(
        { rope_scaling: { type } },
        /default, linear, llama3, yarn, dynamic/,
        "UNSUPPORTED_MODEL",
      );
    },
  );
});

describe("positions of pretraining", () => {
  const key = "original_max_position_embeddings";
  const yarn = { rope_type: "yarn", factor: 4 };
  const llama3 = { rope_type: "llama3", ...l3 };
  const { [key]: _, ...open } = llama3;
  test.each<[string, ModelConfig, number]>([
    ["yarn, inside", { rope_scaling: { ...yarn, [key]: 64 } }, 64],
    ["yarn, beside", { rope_scaling: yarn, [key]: 64 }, 64],
    ["yarn, beside before inside", { rope_scaling: { ...yarn, [key]: 128 }, [key]: 64 }, 64],
    ["yarn, in max_position_embeddings", { rope_scaling: yarn }, 4096],
    ["yarn, in LlamaConfig", { rope_scaling: yarn, max_position_embeddings: null }, 2048],
    ["llama3, inside", { rope_scaling: llama3 }, 64],
    ["llama3, beside", { rope_scaling: open, [key]: 64 }, 64],
    ["llama3, in max_position_embeddings", { rope_parameters: open }, 4096],
  ])("%s", (_, change, expected) => {
    expect(rope(change)[1]).toMatchObject({ [key]: expected });
  });

  test("are those of Qwen3Config by default", () => {
    const { config } = qwen3.fold({
      model_type: "qwen3",
      hidden_size: 64,
      num_hidden_layers: 2,
      rope_scaling: yarn,
    });
    expect(config.rope_scaling).toMatchObject({ [key]: 32_768 });
  });
});

describe("yarn", () => {
  const yarn = { rope_type: "yarn", factor: 4, original_max_position_embeddings: 64 };
  const scaling = (change: ModelConfig) => rope({ rope_scaling: { ...yarn, ...change } })[1];
  const plain = { ...yarn, beta_fast: 32, beta_slow: 1, mscale: 1, mscale_all_dim: 0 };
  /** 0.1 ln(4) + 1: what transformers takes without attention_factor and with a single mscale. */
  const usual = 0.1 * Math.log(4) + 1;
  /** What mlx-lm's YarnRoPE multiplies with. */
  const inMlx = ({ factor, mscale, mscale_all_dim }: ModelConfig) => {
    const m = (x: unknown) =>
      Number(factor) <= 1 ? 1 : 0.1 * Number(x) * Math.log(Number(factor)) + 1;
    return m(mscale) / m(mscale_all_dim);
  };

  test.each<[ModelConfig, number]>([
    [{}, usual],
    [{ mscale: 0.7 }, usual],
    [{ mscale_all_dim: 2 }, usual],
    [{ mscale: 0, mscale_all_dim: 1 }, usual],
    [{ mscale: 2, mscale_all_dim: 1 }, (0.2 * Math.log(4) + 1) / usual],
    [{ attention_factor: 1 }, 1],
    [{ attention_factor: 0.8 }, 0.8],
    [{ attention_factor: 1.5, mscale: 2, mscale_all_dim: 1 }, 1.5],
    [{ factor: 0.5 }, 1],
    [{ factor: 1, attention_factor: 1 }, 1],
  ])("with %j has the amplitude that transformers has", (change, expected) => {
    expect(inMlx(scaling(change) as ModelConfig)).toBeCloseTo(expected, 12);
  });

  test("has every default in words", () => {
    expect(scaling({})).toEqual(plain);
    expect(scaling({ beta_fast: 0, beta_slow: null, truncate: true, finetuned: true })).toEqual(
      plain,
    );
    expect(scaling({ beta_fast: 16, beta_slow: 2 })).toEqual({
      ...plain,
      beta_fast: 16,
      beta_slow: 2,
    });
  });

  test("gets an absent factor from the two lengths", () => {
    expect(scaling({ factor: null })).toMatchObject({ factor: 64 });
  });

  test("is refused where mlx-lm cannot follow", () => {
    const change = (more: ModelConfig) => ({ rope_scaling: { ...yarn, ...more } });
    refuses(change({ truncate: false }), "yarn's truncate is false", "UNSUPPORTED_MODEL");
    refuses(
      change({ factor: 1, attention_factor: 2 }),
      "attention_factor is 2 at factor 1",
      "UNSUPPORTED_MODEL",
    );
  });
});

describe("rope_parameters by kind of layer", () => {
  const full = { full_attention: { rope_type: "linear", factor: 2, rope_theta: 5e5 } };
  const sliding = { sliding_attention: { rope_type: "default", rope_theta: 1e4 } };
  const expected = [5e5, { rope_type: "linear", factor: 2 }];
  test("are those of full attention where all layers have it", () => {
    expect(rope({ rope_parameters: full })).toEqual(expected);
    const layer_types = ["full_attention", "full_attention"];
    expect(rope({ layer_types, rope_parameters: { ...full, ...sliding } })).toEqual(expected);
  });

  test("are refused if layers differ or no layer has full attention", () => {
    refuses({ rope_parameters: sliding }, /differ by kind of layer/, "UNSUPPORTED_MODEL");
    refuses(
      { layer_types: ["full_attention", "sliding_attention"], rope_parameters: full },
      /differ by kind of layer/,
      "UNSUPPORTED_MODEL",
    );
  });
});

test("a part of the head only is refused, wherever it is said", () => {
  refuses({ partial_rotary_factor: 0.5 }, "partial_rotary_factor is 0.5", "UNSUPPORTED_MODEL");
  const inside = { rope_parameters: { partial_rotary_factor: 0.5 } };
  refuses(inside, "partial_rotary_factor is 0.5", "UNSUPPORTED_MODEL");
  expect(rope({ rope_parameters: { partial_rotary_factor: 1 } })).toEqual([1e4, undefined]);
});

test.each<[unknown, RegExp]>([
  ["linear", /"rope_scaling" should be an object, got "linear"/],
  [[], /"rope_scaling" should be an object/],
  [{ rope_type: "linear" }, /"factor" should be a positive number, got nothing/],
  [{ rope_type: "linear", factor: 0 }, /"factor"/],
  [{ rope_type: "linear", factor: "2" }, /"factor"/],
  [{ rope_type: "dynamic" }, /"factor"/],
  [{ rope_type: "llama3", factor: 8, low_freq_factor: 1 }, /"high_freq_factor"/],
  [
    { rope_type: "yarn", factor: 2, original_max_position_embeddings: -1 },
    /"original_max_position/,
  ],
])("rope_scaling %j makes no sense", (rope_scaling, words) => {
  refuses({ rope_scaling }, words, "BAD_CHECKPOINT");
});
