import { inOrder } from "../kernel/in-order.ts";
import {
  asWeight,
  type Matrix,
  newMatrix,
  rowsOf,
  sharedIntegers,
  type Weight,
} from "../kernel/matrix.ts";
import type { Heads } from "../kernel/routines/attention.ts";
import type { RouterRules } from "../kernel/routines/route.ts";
import type { BlockContext, WalkContext } from "./forward.ts";
import { visitorsOf } from "./routing.ts";

/*
 * Parts of blocks that several architectures share. x is `[tokens, hidden]` and normed. The caller
 * may change their results.
 */

/** Rows of the embedding table in memory at once. */
export const tableRows = 8192;

/** `[tokens, hidden]` rows of the role `embeddings`. */
export async function embed(
  at: WalkContext,
  ids: Uint32Array,
  vocabulary: number,
  hidden: number,
): Promise<Matrix> {
  const x = newMatrix(ids.length, hidden);
  const shared = sharedIntegers(ids.length);
  shared.set(ids);
  for (let first = 0; first < vocabulary; first += tableRows) {
    const table = await at.rows("embeddings", first, Math.min(vocabulary, first + tableRows));
    await at.ops.embed(x, shared, table, first);
  }
  return x;
}

/** RMS norm by the weights of a role of kind norm. */
export async function norm(at: WalkContext, role: string, x: Matrix, eps: number): Promise<Matrix> {
  return at.ops.rmsNorm(x, await tensor(at, role), eps);
}

/** An unquantized tensor that every config has. Throws TypeError where the table lacks the role. */
export async function tensor(
  at: WalkContext,
  role: string,
): Promise<Float32Array<SharedArrayBuffer>> {
  const values = await at.unquantized(role);
  if (values === null) throw new TypeError(`the role table has no ${role}`);
  return values;
}

/** Causal self-attention with its projections: roles `attention.{q,k,v,o}`. */
export async function attention(at: BlockContext, x: Matrix, heads: Heads): Promise<Matrix> {
  const { ops, sequenceLength } = at;
  const roles = ["attention.q", "attention.k", "attention.v"] as const;
  const weights: Weight[] = [];
  for (const role of roles) weights.push(await at.weight(role, x));
  const biases = await Promise.all(roles.map((role) => at.unquantized(`${role}.bias`)));
  const y = newMatrix(x.rows, heads.queries * heads.valueSize);
  await ops.inBatches(x.rows, sequenceLength, async (start, end) => {
    const rows = rowsOf(x, start, end);
    const project = (i: number) => ops.linear(rows, weights[i]!, biases[i]!);
    const [q, k, v] = await Promise.all([project(0), project(1), project(2)]);
    await ops.attention({ q, k, v, length: sequenceLength, heads, y: rowsOf(y, start, end) });
  });
  return at.linear("attention.o", y);
}

/** down · relu(up · x)²: roles `<name>.{up,down}`. */
export async function squaredMlp(at: BlockContext, name: string, x: Matrix): Promise<Matrix> {
  const h = await at.ops.reluSquared(await at.linear(`${name}.up`, x));
  return at.linear(`${name}.down`, h);
}

/** down · (SiLU(gate · x) · (up · x)): roles `<name>.{gate,up,down}`. */
export async function gatedMlp(at: BlockContext, name: string, x: Matrix): Promise<Matrix> {
  const { ops } = at;
  const h = await at.linear(`${name}.gate`, x);
  const up = await at.weight(`${name}.up`, x);
  const bias = await at.unquantized(`${name}.up.bias`);
  await ops.inBatches(x.rows, at.sequenceLength, async (start, end) => {
    await ops.swiglu(rowsOf(h, start, end), await ops.linear(rowsOf(x, start, end), up, bias));
  });
  return at.linear(`${name}.down`, h);
}

/**
 * Output `[visits, in]` of an expert for the tokens that visit it. `rows [visits, in]`: their
 * hidden states. `near`: those of tokens for which the expert was among the next best.
 */
export type Expert = (expert: number, rows: Matrix, near: Matrix | undefined) => Promise<Matrix>;

export interface Mixture {
  /** `[tokens, hidden]`: input of the router. */
  readonly routed: Matrix;
  /**
   * `[tokens, in]`: input of the experts. Differs from `routed` where they work in a narrower
   * space.
   */
  readonly x: Matrix;
  readonly rules: RouterRules;
  readonly expert: Expert;
}

/**
 * Σ over each token's experts of weight · expert(x), in ascending order of the experts. An expert
 * without visits is run with no rows, because tuning must see each of its matrices.
 */
export async function mixture(
  at: BlockContext,
  { routed, x, rules, expert }: Mixture,
): Promise<Matrix> {
  const { ops } = at;
  const visitors = visitorsOf(await routes(at, routed, rules));
  await at.pool("experts.in", x);
  const y = newMatrix(x.rows, x.columns);
  const tasks = visitors.map(({ tokens, weights, near }, e) => async () => {
    const rows = await ops.gather(x, tokens);
    const out = await expert(e, rows, at.wantsNear(e) ? await ops.gather(x, near) : undefined);
    return { tokens, weights, out };
  });
  for await (const { tokens, weights, out } of inOrder(tasks, ops.kernel.workers + 1)) {
    await ops.accumulate(y, tokens, weights, out);
  }
  return y;
}

async function routes(at: BlockContext, x: Matrix, rules: RouterRules) {
  const logits = await at.ops.linear(x, asWeight(await at.router("router", x), x.columns));
  const own = await at.ops.route(logits, rules);
  const followed = await at.routes(own);
  return followed === own ? own : at.ops.reroute(own, followed, rules);
}
