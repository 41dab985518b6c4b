import type { Matrix, Weight } from "../kernel/matrix.ts";
import { behindExperts, leavesExpert } from "../models/architecture.ts";
import type { BlockPlace } from "../models/rider.ts";
import type { Routing } from "../models/routing.ts";
import { blockContext, type Model } from "../models/run.ts";

/** Results of running a block. */
export interface BlockPass {
  /** Hidden states after the block. */
  readonly after: Matrix;
  /** The choice of experts that was followed; null if the block has no router. */
  readonly routing: Routing | null;
  /**
   * Expert -> its output for its tokens, `[visits, out]`, before it is multiplied by the gate.
   * Empty unless wanted.
   */
  readonly outputs: ReadonlyMap<number, Matrix>;
  /**
   * The matrix `[hidden, out]` that takes outputs of experts to the residual stream; null if they
   * are added to it, or not wanted.
   */
  readonly behind: Weight | null;
}

export interface PassOptions {
  /** Tokens of a sequence. */
  readonly length: number;
  /** As BlockContext.routes. Default: the model's own choice. */
  readonly routes?: (own: Routing) => Routing | Promise<Routing>;
  readonly wantsOutputs?: boolean;
}

/** Runs a block on the hidden states `x [tokens, hidden]` of whole sequences. */
export async function passBlock(
  model: Model,
  { layer, kind }: BlockPlace,
  x: Matrix,
  { length, routes = (own) => own, wantsOutputs = false }: PassOptions,
): Promise<BlockPass> {
  const outputs = new Map<number, Matrix>();
  let routing: Routing | null = null;
  const follow = async (_: number, own: Routing) => {
    routing = await routes(own);
    return routing;
  };
  const context = blockContext(model, layer, kind, { length, routes: follow });
  const { architecture, config, ops } = model;
  const roles = architecture.roles(kind).filter((role) => role.when?.(config) ?? true);
  const last = roles.find(leavesExpert)?.role;
  const next = behindExperts(roles)?.role;
  let behind: Weight | null = null;
  const linear: typeof context.linear = async (role, rows, options) => {
    if (wantsOutputs && role === next) {
      behind = await context.weight(role, rows, options);
      return ops.linear(rows, behind, await context.unquantized(`${role}.bias`));
    }
    const y = await context.linear(role, rows, options);
    if (wantsOutputs && role === last) outputs.set(options!.expert!, y);
    return y;
  };
  const after = await architecture.forward.block({ ...context, linear }, x);
  return { after, routing, outputs, behind };
}
