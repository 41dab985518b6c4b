import type { ModelConfig } from "../checkpoint/model-config.ts";
import { type Matrix, newMatrix, rowsOf, sharedFloats } from "../kernel/matrix.ts";
import { plainHeads } from "../kernel/routines/attention.ts";
import type { Mixer } from "../kernel/routines/mamba.ts";
import type { RouterRules } from "../kernel/routines/route.ts";
import {
  addSquaredMlp,
  attention,
  type Expert,
  embed,
  mixture,
  type NormedRows,
  norm,
  normed,
  squaredMlp,
  tensor,
} from "./blocks.ts";
import { divides, flag, has, headSize, integer, number, positive } from "./config-fields.ts";
import type { BlockContext, Forward } from "./forward.ts";
import type { LazyRows } from "./lazy-rows.ts";
import { ranksOf } from "./routing.ts";

/** Largest step. Softplus never reaches it; every JSON reader knows it, unlike Infinity. */
const endlessStep = 1e6;

/** Limits of the step of the recurrence, as transformers clamps it (docs/decisions/0005). */
export function stepLimits(c: ModelConfig): readonly [number, number] {
  return [number(c, "time_step_min"), endlessStep];
}

const eps = (c: ModelConfig) => number(c, "layer_norm_epsilon");
const queries = (c: ModelConfig) => integer(c, "num_attention_heads");
const keys = (c: ModelConfig) => integer(c, "num_key_value_heads");

/** Mamba-2: x -> in_proj -> convolution, recurrence, gate, norm -> out_proj. */
async function mamba(at: BlockContext, x: LazyRows): Promise<Matrix> {
  const { ops, sequenceLength } = at;
  const mixer = await mixerOf(at);
  const weight = await at.weight("mamba.in", x);
  const bias = await at.unquantized("mamba.in.bias");
  const y = newMatrix(x.rows, mixer.heads * mixer.head);
  await ops.inBatches(x.rows, sequenceLength, async (start, end) => {
    // [batch, gate I | x I, B GN, C GN | step H]
    const z = await ops.linear(await x.range(start, end), weight, bias);
    await ops.mamba(z, sequenceLength, mixer, rowsOf(y, start, end));
  });
  return at.linear("mamba.out", y);
}

async function mixerOf(at: BlockContext): Promise<Mixer> {
  const c = at.config;
  const convolution = await tensor(at, "mamba.conv"); // [C, 1, taps]
  const taps = integer(c, "conv_kernel");
  return {
    heads: integer(c, "mamba_num_heads"),
    head: integer(c, "mamba_head_dim"),
    groups: integer(c, "n_groups"),
    state: integer(c, "ssm_state_size"),
    taps,
    convolution,
    convolutionBias:
      (await at.unquantized("mamba.conv.bias")) ?? sharedFloats(convolution.length / taps),
    stepBias: await tensor(at, "mamba.dt_bias"),
    decayLog: await tensor(at, "mamba.A_log"),
    skip: await tensor(at, "mamba.D"),
    norm: await tensor(at, "mamba.norm"),
    eps: eps(c),
    limits: stepLimits(c),
  };
}

/**
 * Routed experts, in a narrower space if the config has one, and one shared expert for all tokens.
 */
async function moe(at: BlockContext, x: NormedRows): Promise<Matrix> {
  const { ops, config: c } = at;
  const narrow = has(c, "moe_latent_size");
  const entering = narrow ? { narrow: await at.linear("latent.in", await x.whole()) } : {};
  const own: Expert = async (expert, rows, near) => {
    const up = await at.weight("experts.up", rows, { expert });
    const h = await ops.squaredLinear(rows, up); // [visits, F]
    if (near === undefined) return at.linear("experts.down", h, { expert });
    return at.linear("experts.down", h, {
      expert,
      near: await ops.squaredLinear(near, up),
    });
  };
  const rules = await rulesOf(at);
  const mixed = await mixture(at, { routed: x, ...entering, rules, expert: own });
  const y = narrow ? await at.linear("latent.out", mixed) : mixed;
  if (has(c, "n_shared_experts")) await addSquaredMlp(at, "shared", x, y);
  return y;
}

async function rulesOf(at: BlockContext): Promise<RouterRules> {
  const c = at.config;
  const [routed, visited] = [integer(c, "n_routed_experts"), integer(c, "num_experts_per_tok")];
  return {
    score: "sigmoid",
    routed,
    visited,
    candidates: ranksOf({ perToken: visited, routed }),
    groups: integer(c, "n_group"),
    openGroups: integer(c, "topk_group"),
    correction: await tensor(at, "router.bias"),
    normalized: flag(c, "norm_topk_prob"),
    scale: number(c, "routed_scaling_factor"),
  };
}

/** Attention without a rotary embedding: the order of the tokens comes from the Mamba blocks. */
function attend(at: BlockContext, x: LazyRows): Promise<Matrix> {
  const { config: c } = at;
  return attention(at, x, {
    queries: queries(c),
    keys: keys(c),
    size: headSize(c),
    valueSize: headSize(c),
    ...plainHeads,
  });
}

/** The one part that a block has: a mixer or an MLP. */
function part(at: BlockContext, x: NormedRows): Promise<Matrix> {
  const { mixer, mlp } = at.kind;
  if (mixer !== null) return mixer === "mamba" ? mamba(at, x) : attend(at, x);
  return mlp === "moe" ? moe(at, x) : squaredMlp(at, "mlp", x);
}

/** x + part(norm(x)), block by block (transformers' modeling_nemotron_h.py). */
export const nemotronHForward: Forward = {
  check(c) {
    divides(c, "n_groups", "mamba_num_heads");
    divides(c, "num_key_value_heads", "num_attention_heads");
    positive(c, "layer_norm_epsilon");
    if (has(c, "n_routed_experts")) divides(c, "n_group", "n_routed_experts");
    stepLimits(c);
  },
  embed: (at, ids) =>
    embed(at, ids, integer(at.config, "vocab_size"), integer(at.config, "hidden_size")),
  async block(at, x) {
    const y = await part(at, await normed(at, "norm", x, eps(at.config)));
    return at.ops.add(y, x);
  },
  finish: (at, x) => norm(at, "final_norm", x, eps(at.config)),
};
