import type { ModelConfig } from "../checkpoint/model-config.ts";
import { type Matrix, newMatrix, rowsOf, type Weight } from "../kernel/matrix.ts";
import { type DeltaMixer, deltaWidths } from "../kernel/routines/gated-delta.ts";
import type { Role } from "./architecture.ts";
import { tensor } from "./blocks.ts";
import { integer, number } from "./config-fields.ts";
import type { BlockContext } from "./forward.ts";
import type { LazyRows } from "./lazy-rows.ts";
import { rolesUnder } from "./roles.ts";
import { transpose } from "./transforms.ts";

/*
 * Gated DeltaNet, the linear attention of Qwen3-Next and Qwen3.5. In: one projection of queries,
 * keys, values and gates by key head, and one of writes and decays (Qwen3-Next), or a projection
 * for each (Qwen3.5).
 */

const hidden = (c: ModelConfig) => integer(c, "hidden_size");
const keyHeads = (c: ModelConfig) => integer(c, "linear_num_key_heads");
const valueHeads = (c: ModelConfig) => integer(c, "linear_num_value_heads");
const inner = (c: ModelConfig) => valueHeads(c) * integer(c, "linear_value_head_dim");
const taps = (c: ModelConfig) => integer(c, "linear_conv_kernel_dim");
/** C: channels through the convolution. */
const convolved = (c: ModelConfig) =>
  2 * keyHeads(c) * integer(c, "linear_key_head_dim") + inner(c);

const whyState = "sets the decay of the recurrence, where an error compounds over time";
const whyConvolution = "depthwise convolution: tiny, and MLX does not quantize it";

/** How the input projections are cut. */
export type DeltaInputs = "by head" | "apart";

/**
 * Rows of the mixer; `names`: the module in the base and in the MLX repository. mlx-lm's
 * qwen3_5 does not cast `A_log`, its qwen3_next does.
 */
export function deltaRoles(prefix: string, inputs: DeltaInputs): readonly Role[] {
  const mixer = rolesUnder(prefix);
  const input = (role: `delta.${"in" | "z" | "b" | "a" | "ba"}`, name: string, rows: Rows) =>
    mixer.linear(role, name, [rows, hidden], { fedBy: "block.in" });
  const projections =
    inputs === "by head"
      ? [
          input("delta.in", "in_proj_qkvz", (c) => convolved(c) + inner(c)),
          input("delta.ba", "in_proj_ba", (c) => 2 * valueHeads(c)),
        ]
      : [
          input("delta.in", "in_proj_qkv", convolved),
          input("delta.z", "in_proj_z", inner),
          input("delta.b", "in_proj_b", valueHeads),
          input("delta.a", "in_proj_a", valueHeads),
        ];
  const state = { kind: "state", why: whyState } as const;
  return [
    ...projections,
    mixer.linear("delta.out", "out_proj", [hidden, inner], { fedBy: "delta.y", residual: true }),
    mixer.unquantized("delta.conv", "conv1d.weight", [convolved, 1, taps], {
      kind: "convolution",
      why: whyConvolution,
      from: () => [transpose],
    }),
    mixer.unquantized("delta.A_log", "A_log", [valueHeads], {
      ...state,
      ...(inputs === "apart" && { exemptFromCast: true }),
    }),
    mixer.unquantized("delta.dt_bias", "dt_bias", [valueHeads], state),
    mixer.norm("delta.norm", "norm", (c) => integer(c, "linear_value_head_dim")),
  ];
}

type Rows = (c: ModelConfig) => number;

/** Input projections -> convolution, recurrence, norm, gate -> out_proj. */
export async function deltaNet(
  at: BlockContext,
  x: LazyRows,
  inputs: DeltaInputs,
): Promise<Matrix> {
  const { ops, sequenceLength } = at;
  const mixer = await mixerOf(at, inputs);
  const widths = deltaWidths(mixer);
  const roles =
    inputs === "by head" ? ["delta.in", "delta.ba"] : ["delta.in", "delta.z", "delta.b", "delta.a"];
  const weights: Weight[] = [];
  for (const role of roles) weights.push(await at.weight(role, x));
  const lefts = weights.map((_, i) => weights.slice(0, i).reduce((sum, { rows }) => sum + rows, 0));
  const y = newMatrix(x.rows, widths.inner);
  await ops.inBatches(x.rows, sequenceLength, async (start, end) => {
    const rows = await x.range(start, end);
    const projected = newMatrix(end - start, widths.columns);
    await Promise.all(
      weights.map((weight, i) =>
        ops.linearInto(rows, weight, null, { y: projected, left: lefts[i]! }),
      ),
    );
    await ops.gatedDelta(projected, sequenceLength, mixer, rowsOf(y, start, end));
  });
  return at.linear("delta.out", y);
}

async function mixerOf(at: BlockContext, inputs: DeltaInputs): Promise<DeltaMixer> {
  const c = at.config;
  return {
    keys: keyHeads(c),
    key: integer(c, "linear_key_head_dim"),
    values: valueHeads(c),
    value: integer(c, "linear_value_head_dim"),
    byHead: inputs === "by head",
    taps: taps(c),
    convolution: await tensor(at, "delta.conv"), // [C, 1, taps]
    stepBias: await tensor(at, "delta.dt_bias"),
    decayLog: await tensor(at, "delta.A_log"),
    norm: await tensor(at, "delta.norm"),
    eps: number(c, "rms_norm_eps"),
  };
}
