import { rowsOf } from "../kernel/matrix.ts";
import { firstTokens, type Routing } from "../models/routing.ts";
import { blockContext, type Model, plainContext } from "../models/run.ts";
import { addMargins, boundaryOf } from "./margins.ts";
import type { ProbeRows } from "./probe-rows.ts";
import { type ProbedTensor, replaceOuter } from "./probed-outer.ts";
import { divergences, follow, join, type ProbeResult } from "./probes.ts";

/**
 * Probes whole tables that are embeddings and head at once: each is looked up before the first
 * block and makes the logits after the last one. All run through the blocks beside the base, with
 * its routes, so that each weight is read once. A table is decoded in ranges of rows, for each use.
 */
export async function probeTied(
  model: Model,
  tables: readonly ProbedTensor[],
  rows: ProbeRows,
): Promise<readonly ProbeResult[]> {
  const { architecture, config, ops } = model;
  const { length } = rows;
  const { forward } = architecture;
  const embed = (own: Model) => forward.embed(plainContext(own, null, { length }), rows.ids);
  const states = [await embed(model)];
  for (const table of tables) states.push(await embed(replaceOuter(model, table)));
  const flips = states.map(() => ({ flipPower: 0 }));
  const routes = (_: number, own: Routing) => {
    const base = firstTokens(own, own.tokens / states.length);
    addMargins(boundaryOf(base, rows.weights), own, flips);
    return follow(base, own, new Array<boolean>(states.length).fill(false));
  };
  let x = join(states);
  for (const [layer, kind] of architecture.layers(config).entries())
    x = await forward.block(blockContext(model, layer, kind, { length, routes }), x);
  const judge = async (i: number, head: Model) => {
    const own = rowsOf(x, i * rows.ids.length, (i + 1) * rows.ids.length);
    return { x: await ops.gather(own, rows.compared), head };
  };
  const base = await judge(0, model);
  const results: ProbeResult[] = [];
  for (const [i, table] of tables.entries()) {
    const probe = await judge(i + 1, replaceOuter(model, table));
    const [divergence] = await divergences(base, [probe], length);
    results.push({ divergence: divergence!, flipPower: flips[i + 1]!.flipPower });
  }
  return results;
}
