import type { ModelConfig } from "../checkpoint/model-config.ts";
import { OqeError } from "../ground/errors.ts";
import type { Matrix } from "../kernel/matrix.ts";
import type { Heads } from "../kernel/routines/attention.ts";
import type { RouterRules } from "../kernel/routines/route.ts";
import { attention, embed, gatedMlp, mixture, norm, tensor } from "./blocks.ts";
import { divides, flag, has, headSize, integer, layerCount, number } from "./config-fields.ts";
import type { BlockContext, Forward } from "./forward.ts";
import { ropeOf } from "./rope.ts";

const eps = (c: ModelConfig) => number(c, "rms_norm_eps", 1e-6);
const queries = (c: ModelConfig) => integer(c, "num_attention_heads");

/** Causal attention with rotary positions, and norms of each head where the model has them. */
async function attend(at: BlockContext, x: Matrix): Promise<Matrix> {
  const { config: c, ops, sequenceLength } = at;
  const size = headSize(c);
  const { base, scaling } = ropeOf(c, sequenceLength);
  const query = await at.kept("norm.q");
  const heads: Heads = {
    queries: queries(c),
    keys: integer(c, "num_key_value_heads", queries(c)),
    size,
    norms: query && { query, key: await tensor(at, "norm.k"), eps: eps(c) },
    rotary: await ops.rotary(base, size, scaling, sequenceLength),
  };
  return attention(at, x, heads);
}

/** Experts of the Qwen3 kind: softmax router, no shared expert. */
async function moe(at: BlockContext, x: Matrix): Promise<Matrix> {
  const { ops, config: c } = at;
  const [routed, visited] = [integer(c, "num_experts"), integer(c, "num_experts_per_tok")];
  const rules: RouterRules = {
    score: "softmax",
    routed,
    visited,
    kept: Math.min(3 * visited, routed),
    groups: 1,
    openGroups: 1,
    correction: null,
    normalized: flag(c, "norm_topk_prob", false),
    scale: 1,
  };
  return mixture(at, x, x, rules, async (expert, rows, near) => {
    const gate = await at.weight("experts.gate", rows, { expert });
    const up = await at.weight("experts.up", rows, { expert });
    const hidden = async (x: Matrix) =>
      ops.swiglu(await ops.linear(x, gate), await ops.linear(x, up)); // [visits, F]
    const h = await hidden(rows);
    if (near === undefined) return at.linear("experts.down", h, { expert });
    return at.linear("experts.down", h, { expert, near: await hidden(near) });
  });
}

/** Pre-norm blocks: x + attention(norm(x)), then x + mlp(norm(x)) (transformers' modeling_{llama,qwen3,qwen3_moe}.py). */
export const llamaForward: Forward = {
  check(c) {
    divides(c, "num_key_value_heads", "num_attention_heads");
    refuseSlidingWindow(c);
  },
  embed: (at, ids) =>
    embed(at, ids, integer(at.config, "vocab_size"), integer(at.config, "hidden_size")),
  async block(at, x) {
    const y = await attend(at, await norm(at, "norm.attention", x, eps(at.config)));
    await at.ops.add(y, x);
    const n = await norm(at, "norm.mlp", y, eps(at.config));
    return at.ops.add(y, at.kind === "moe" ? await moe(at, n) : await gatedMlp(at, "mlp", n));
  },
  finish: (at, x) => norm(at, "final_norm", x, eps(at.config)),
};

/** Throws UNSUPPORTED_MODEL where a layer would see only a window of its past. */
function refuseSlidingWindow(c: ModelConfig): void {
  const named = Array.isArray(c.layer_types) && c.layer_types.includes("sliding_attention");
  const used = flag(c, "use_sliding_window", false) && has(c, "sliding_window");
  // Dense Qwen3 has windows from layer `max_window_layers` on, unless `layer_types` says each layer's kind.
  const none =
    c.model_type === "qwen3" &&
    (has(c, "layer_types") ||
      integer(c, "max_window_layers", 28) >= layerCount(c, "num_hidden_layers"));
  if (!named && (!used || none)) return;
  throw new OqeError(
    "UNSUPPORTED_MODEL",
    "config.json: attention within a sliding window is nothing that tuning can compute",
    "Quantize the model without tuning (method: rounded).",
  );
}
