import { expect, test } from "vitest";
import { nemotron30b } from "../../test/support/nemotron-30b.ts";
import { describedBase } from "../../test/support/shaped-base.ts";
import { describeModel } from "./model-facts.ts";

/** Two dense blocks of one head, whose every matrix is counted below. */
const small = {
  ...{ architectures: ["Qwen3ForCausalLM"], model_type: "qwen3", num_hidden_layers: 2 },
  ...{ hidden_size: 64, intermediate_size: 128, head_dim: 64, vocab_size: 512 },
  ...{ num_attention_heads: 1, num_key_value_heads: 1, hidden_act: "silu", rms_norm_eps: 1e-6 },
  ...{ max_position_embeddings: 128, rope_theta: 10_000 },
};
const block = 4 * 64 * 64 + 3 * 64 * 128 + 4 * 64;

test("a token uses one row of a table that is only looked up", () => {
  const { parameters, activeParameters } = describeModel(
    describedBase({ ...small, tie_word_embeddings: false }),
  );
  expect(parameters).toBe(2 * 512 * 64 + 2 * block + 64);
  expect(activeParameters).toBe(64 + 512 * 64 + 2 * block + 64);
});

test("and all of a table that is the head too", () => {
  const { parameters, activeParameters } = describeModel(
    describedBase({ ...small, tie_word_embeddings: true }),
  );
  expect(activeParameters).toBe(parameters);
  expect(parameters).toBe(512 * 64 + 2 * block + 64);
});

test("of routed experts it uses those that it visits", () => {
  const { parameters, activeParameters } = describeModel(describedBase(nemotron30b));
  const experts = 23 * 128 * 2 * 2688 * 1856;
  const table = 131_072 * 2688;
  expect(parameters).toBe(31_577_940_288);
  expect(activeParameters).toBe(parameters - (experts * 122) / 128 - table + 2688);
});
