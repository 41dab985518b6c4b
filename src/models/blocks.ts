import { inOrder } from "../kernel/in-order.ts";
import {
  asWeight,
  clear,
  type Floats,
  type Matrix,
  newMatrix,
  rowsOf,
  sharedIntegers,
  type Weight,
} from "../kernel/matrix.ts";
import type { Heads } from "../kernel/routines/attention.ts";
import type { RouterRules } from "../kernel/routines/route.ts";
import type { BlockContext, WalkContext } from "./forward.ts";
import { cheapRows, type LazyRows, madeRows } from "./lazy-rows.ts";
import { visitorsOf } from "./routing.ts";

/*
 * Parts of blocks that several architectures share. x are rows `[tokens, hidden]`, normed. The
 * caller may change their results.
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
  return (await normed(at, role, x, eps)).whole();
}

/** The same rows, made when they are asked for: x must not change meanwhile. */
export async function normed(
  at: WalkContext,
  role: string,
  x: Matrix,
  eps: number,
): Promise<NormedRows> {
  const { ops } = at;
  const factors = await tensor(at, role);
  const rows = cheapRows({
    ...{ rows: x.rows, columns: x.columns },
    make: (start, end, y) => ops.rmsNorm(rowsOf(x, start, end), factors, eps, y),
  });
  const gather = async (numbers: Uint32Array<SharedArrayBuffer>) => {
    const some = await ops.gather(x, numbers);
    await ops.rmsNorm(some, factors, eps, some);
    return some;
  };
  return { ...rows, gather };
}

/** Normed hidden states. All matrices are in memory of their own. */
export interface NormedRows extends LazyRows {
  /** Rows by number. */
  gather(numbers: Uint32Array<SharedArrayBuffer>): Promise<Matrix>;
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
export async function attention(at: BlockContext, x: LazyRows, heads: Heads): Promise<Matrix> {
  const { ops, sequenceLength } = at;
  const roles = ["attention.q", "attention.k", "attention.v"] as const;
  const weights: Weight[] = [];
  for (const role of roles) weights.push(await at.weight(role, x));
  const biases = await Promise.all(roles.map((role) => at.unquantized(`${role}.bias`)));
  const y = newMatrix(x.rows, heads.queries * heads.valueSize);
  await ops.inBatches(x.rows, sequenceLength, async (start, end) => {
    const rows = await x.range(start, end);
    const project = (i: number) => ops.linear(rows, weights[i]!, biases[i]!);
    const [q, k, v] = await Promise.all([project(0), project(1), project(2)]);
    await ops.attention({ q, k, v, length: sequenceLength, heads, y: rowsOf(y, start, end) });
  });
  return at.linear("attention.o", y);
}

/** down · relu(up · x)²: roles `<name>.{up,down}`. */
export async function squaredMlp(at: BlockContext, name: string, x: LazyRows): Promise<Matrix> {
  return multiply(at, `${name}.down`, await squaredHidden(at, name, x));
}

/** The same, added to y. */
export async function addSquaredMlp(
  at: BlockContext,
  name: string,
  x: LazyRows,
  y: Matrix,
): Promise<void> {
  await addProduct(at, `${name}.down`, await squaredHidden(at, name, x), y);
}

async function squaredHidden(at: BlockContext, name: string, x: LazyRows): Promise<LazyRows> {
  return madeRows(at.ops, at.sequenceLength, await product(at, `${name}.up`, x, true));
}

/** down · (SiLU(gate · x) · (up · x)): roles `<name>.{gate,up,down}`. */
export async function gatedMlp(at: BlockContext, name: string, x: LazyRows): Promise<Matrix> {
  return multiply(at, `${name}.down`, await gatedHidden(at, name, x));
}

/**
 * The same, added to y, with each token's output times the sigmoid of share · x. The hidden rows
 * are scaled in place of the output, so that tuning sees what each token counts.
 */
export async function addSharedMlp(
  at: BlockContext,
  name: string,
  x: LazyRows,
  y: Matrix,
): Promise<void> {
  const share = asWeight(await tensor(at, `${name}.share`), x.columns);
  await addProduct(at, `${name}.down`, await gatedHidden(at, name, x, share), y);
}

/** `share`: see addSharedMlp. */
async function gatedHidden(
  at: BlockContext,
  name: string,
  x: LazyRows,
  share?: Weight,
): Promise<LazyRows> {
  const { ops, sequenceLength } = at;
  const gate = await product(at, `${name}.gate`, x);
  const up = await product(at, `${name}.up`, x);
  const make: Product["make"] = async (start, end, y) => {
    const by = newMatrix(end - start, up.columns);
    await Promise.all([gate.make(start, end, y), up.make(start, end, by)]);
    await ops.swiglu(y, by);
    if (share) await ops.gateRows(y, await ops.linear(await x.range(start, end), share));
  };
  return madeRows(ops, sequenceLength, { ...gate, make });
}

async function multiply(at: BlockContext, role: string, x: LazyRows): Promise<Matrix> {
  const { rows, columns, make } = await product(at, role, x);
  const y = newMatrix(rows, columns);
  await at.ops.inBatches(rows, at.sequenceLength, (start, end) =>
    make(start, end, rowsOf(y, start, end)),
  );
  return y;
}

/** The product with a role, added to y. */
async function addProduct(at: BlockContext, role: string, x: LazyRows, y: Matrix): Promise<void> {
  const { ops, sequenceLength } = at;
  const { columns, make } = await product(at, role, x);
  await ops.inBatches(y.rows, sequenceLength, async (start, end) => {
    const some = newMatrix(end - start, columns);
    await make(start, end, some);
    await ops.add(rowsOf(y, start, end), some);
  });
}

/** `x · Wᵀ + bias` of a role, `[rows, columns]`, made some rows at a time. */
interface Product {
  readonly rows: number;
  readonly columns: number;
  readonly make: (start: number, end: number, y: Matrix) => Promise<void>;
}

/** With `squared`: max(…, 0)² of it. */
async function product(
  at: BlockContext,
  role: string,
  x: LazyRows,
  squared = false,
): Promise<Product> {
  const weight = await at.weight(role, x);
  const bias = await at.unquantized(`${role}.bias`);
  return {
    ...{ rows: x.rows, columns: weight.rows },
    make: async (start, end, y) =>
      at.ops.linearInto(await x.range(start, end), weight, bias, { y, left: 0, squared }),
  };
}

/**
 * Output `[visits, in]` of an expert for the tokens that visit it. `rows [visits, in]`: their
 * hidden states. `near`: those of tokens for which the expert was among the next best.
 */
export type Expert = (expert: number, rows: Matrix, near: Matrix | undefined) => Promise<Matrix>;

export interface Mixture {
  /** `[tokens, hidden]`: input of the router, and of the experts unless they have `narrow`. */
  readonly routed: NormedRows;
  /** `[tokens, in]`: input of experts that work in a narrower space. */
  readonly narrow?: Matrix;
  readonly rules: RouterRules;
  /** `[routed]`: added to the router's logits. Default: nothing. */
  readonly bias?: Floats;
  readonly expert: Expert;
}

/**
 * Σ over each token's experts of weight · expert(x), in ascending order of the experts. An expert
 * without visits is run with no rows, because tuning must see each of its matrices.
 */
export async function mixture(
  at: BlockContext,
  { routed, narrow, rules, bias, expert }: Mixture,
): Promise<Matrix> {
  const { ops } = at;
  const all = await routed.whole();
  const visitors = visitorsOf(await routes(at, all, rules, bias));
  await at.pool("experts.in", narrow ?? all);
  const gather = (tokens: Uint32Array<SharedArrayBuffer>) =>
    narrow === undefined ? routed.gather(tokens) : ops.gather(narrow, tokens);
  // The rows of all tokens are large, and were needed for the router and the pool alone.
  const y = narrow === undefined ? clear(all) : newMatrix(narrow.rows, narrow.columns);
  const visits = visitors.map(({ tokens, weights, near }, e) => async () => {
    const rows = await gather(tokens);
    const out = await expert(e, rows, at.wantsNear(e) ? await gather(near) : undefined);
    return { tokens, weights, out };
  });
  for await (const { tokens, weights, out } of inOrder(visits, ops.kernel.workers + 1)) {
    await ops.accumulate(y, tokens, weights, out);
  }
  return y;
}

async function routes(at: BlockContext, x: Matrix, rules: RouterRules, bias?: Floats) {
  const gate = asWeight(await at.router("router", x), x.columns);
  const logits = await at.ops.linear(x, gate, bias);
  const own = await at.ops.route(logits, rules);
  const followed = await at.routes(own);
  return followed === own ? own : at.ops.reroute(own, followed, rules);
}
