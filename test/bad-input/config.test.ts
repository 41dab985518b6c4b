import { describe, expect, test } from "vitest";
import { runCli } from "../support/cli-run.ts";
import { editConfig, embedded, smallest } from "../support/models.ts";
import { fewTuned, type Refusal, refusalScene, spoiled } from "../support/refusal.ts";

const scene = refusalScene();
const llama = smallest.llama!;
const tuned = ["--method", "tuned", ...fewTuned];

describe("a config", () => {
  type Config = Record<string, unknown>;
  const config = (from: string, edit: (config: Config) => void) =>
    spoiled(from, (at) => editConfig(at, edit));
  const rope = (scaling: unknown, from = llama) =>
    config(from, (c) => {
      c.rope_scaling = scaling;
    });
  const pattern = (text: string) =>
    config(embedded, (c) => {
      c.hybrid_override_pattern = text;
      c.num_hidden_layers = text.length;
    });

  test.each<readonly [what: string, base: Refusal["base"], code: string, says: RegExp]>([
    [
      "with an unknown rope type",
      rope({ rope_type: "spiral" }),
      "UNSUPPORTED_MODEL",
      /"spiral".*default, linear, llama3/,
    ],
    [
      "with rope type longrope",
      rope({ type: "longrope", factor: 4 }, smallest.qwen3_moe!),
      "UNSUPPORTED_MODEL",
      /rope type "longrope"/,
    ],
    [
      "with a rope type that is not a string",
      rope({ rope_type: 4 }),
      "UNSUPPORTED_MODEL",
      /rope type 4/,
    ],
    [
      "with a rope factor of 0",
      rope({ type: "linear", factor: 0 }),
      "BAD_CHECKPOINT",
      /"factor".*got 0/,
    ],
    [
      "with a rope that is not an object",
      rope("linear"),
      "BAD_CHECKPOINT",
      /"rope_scaling" should be an object/,
    ],
    [
      "with an unknown activation",
      config(llama, (c) => {
        c.hidden_act = "swish2";
      }),
      "UNSUPPORTED_MODEL",
      /"hidden_act" is "swish2"/,
    ],
    [
      "whose pattern names a block of another kind",
      pattern("MEME*MEMEME"),
      "BAD_CHECKPOINT",
      /backbone\.layers\.[45]\.mixer/,
    ],
    [
      "whose pattern is longer than the model",
      pattern("MEMEM*EMEMEM"),
      "BAD_CHECKPOINT",
      /backbone\.layers\.11/,
    ],
    [
      "whose pattern is shorter than the model",
      pattern("MEMEM*EMEM"),
      "UNSUPPORTED_MODEL",
      /backbone\.layers\.10.* is of layer 10, but config\.json gives 10 layers/,
    ],
    [
      "whose pattern differs from its number of layers",
      config(embedded, (c) => {
        c.num_hidden_layers = 10;
      }),
      "BAD_CHECKPOINT",
      /"hybrid_override_pattern" names 11 blocks, "num_hidden_layers" says 10/,
    ],
    [
      "whose heads do not fit its tensors",
      config(llama, (c) => {
        c.num_attention_heads = 8;
      }),
      "BAD_CHECKPOINT",
      /q_proj.*\[128, 128\].*\[256, 128\]/,
    ],
    [
      "whose heads do not divide into groups",
      config(embedded, (c) => {
        c.n_groups = 3;
      }),
      "BAD_CHECKPOINT",
      /n_groups|shape/,
    ],
  ])("%s", (_, base, code, says) => scene.expectRefused({ base, args: tuned, code, says }));

  const rounded = ["--tiers", "oQ4e", "--method", "rounded"];

  test("with an unknown rope type is not rounded, because mlx-lm cannot load it", async () => {
    const model = await rope({ rope_type: "spiral" })();
    const stderr = expect.stringMatching(/rope type "spiral"; mlx-lm computes .*UNSUPPORTED_MODEL/);
    const args = ["quantize", model, "--out", `${scene.folder}/spiral`, ...rounded];
    expect(await runCli(args)).toMatchObject({ code: 1, stderr });
  });

  test("with a sliding window is rounded, with a warning that mlx-lm ignores it", async () => {
    const model = await config(smallest.qwen3!, (c) => {
      Object.assign(c, { layer_types: null, use_sliding_window: true, sliding_window: 64 });
      c.max_window_layers = 0;
    })();
    const stderr = expect.stringMatching(
      /warning: .*"sliding_window" is 64; mlx-lm's "qwen3" attends to all positions/,
    );
    const args = ["quantize", model, "--out", `${scene.folder}/window`, ...rounded];
    expect(await runCli(args)).toMatchObject({ code: 0, stderr });
  });
});
