import type { Matrix, Weight } from "../kernel/matrix.ts";
import type { PlannedTensor } from "../models/architecture.ts";
import type { BlockContext } from "../models/forward.ts";
import type { LayerKind } from "../models/layer-kind.ts";
import type { Input } from "../models/lazy-rows.ts";
import { blockContext, type Model, type RunOptions } from "../models/run.ts";
import type { Hessian } from "./hessian.ts";
import { type HessianWatch, InputHessians } from "./input-hessians.ts";
import type { TuningTools } from "./tuning-tools.ts";

/** A quantized matrix, visited when the forward pass asks for it. */
export interface VisitedMatrix {
  readonly tensor: PlannedTensor;
  /** Number in a stack of experts; 0 for a tensor that is not a stack. */
  readonly expert: number;
  /** The model's own matrix. */
  readonly weight: Weight;
  /** All rows that it multiplies: `[tokens, in]`. */
  readonly x: Input;
  /** The Hessian of `x`, valid until the visit is over. */
  readonly hessian: Hessian;
}

/** A matrix whose codes all tiers take from the base. */
export type CopiedMatrix = Omit<VisitedMatrix, "x" | "hessian">;

export interface BlockVisit {
  readonly model: Model;
  readonly layer: number;
  readonly kind: LayerKind;
  readonly run: RunOptions;
  readonly tools: TuningTools;
  /** The block's quantized tensors, but for those that are copied. */
  readonly quantized: readonly PlannedTensor[];
  /** Tensors whose matrices need no Hessian. Default: none. */
  readonly copied?: readonly PlannedTensor[];
  /** Called once for each of their matrices. */
  readonly copy?: (matrix: CopiedMatrix) => Promise<void>;
  readonly watch: HessianWatch;
  /** Called once for each quantized matrix. Returns the weight that the forward pass uses. */
  readonly visit: (matrix: VisitedMatrix) => Promise<Weight>;
  /** Experts that are not visited: they need no Hessian. Default: none. */
  readonly passes?: (expert: number) => boolean;
  /** Called in place of `visit` for these. */
  readonly pass?: (matrix: CopiedMatrix) => Promise<void>;
}

/**
 * Runs one block of a model on the hidden states `x [tokens, hidden]` of whole sequences. Gathers
 * the Hessian of every input on the way, and visits every quantized matrix before it is multiplied.
 * Returns the hidden states after the block.
 */
export async function visitBlock(request: BlockVisit, x: Matrix): Promise<Matrix> {
  const hessians = new InputHessians(request);
  const context = visitingContext(request, hessians);
  const y = await request.model.architecture.forward.block(context, x);
  await hessians.close();
  request.tools.hessianBuffers.clear();
  request.tools.resultBuffers.clear();
  return y;
}

function visitingContext(request: BlockVisit, hessians: InputHessians): BlockContext {
  const { model, layer, kind, run, tools, quantized, visit, watch, pass } = request;
  const { passes = () => false, copied = [], copy } = request;
  const plain = blockContext(model, layer, kind, run);
  const byRole = (list: readonly PlannedTensor[]) =>
    new Map(list.map((tensor) => [tensor.role.role, tensor]));
  const [tensors, copies] = [byRole(quantized), byRole(copied)];
  const weight: BlockContext["weight"] = async (role, x, options = {}) => {
    const own = await plain.weight(role, x, options);
    const tensor = tensors.get(role);
    const copiedTensor = copies.get(role);
    if (copiedTensor !== undefined) {
      const { expert } = options;
      if (expert !== undefined) watch.route(expert, x.rows);
      await copy?.({ tensor: copiedTensor, expert: expert ?? 0, weight: own });
    }
    if (tensor === undefined) return own;
    if (options.expert !== undefined && passes(options.expert)) {
      await pass?.({ tensor, expert: options.expert, weight: own });
      return own;
    }
    const shared = hessians.share(tensor, x, options);
    const hessian = await shared.hessian;
    const used = await visit({ tensor, expert: options.expert ?? 0, weight: own, x, hessian });
    shared.release(hessian);
    return used;
  };
  const linear: BlockContext["linear"] = async (role, x, options) => {
    const bias = options?.bias ?? (await plain.unquantized(`${role}.bias`));
    return model.ops.linear(x, await weight(role, x, options), bias);
  };
  const pool: BlockContext["pool"] = (fedBy, x) => hessians.pool(fedBy, x);
  const isRouted = quantized.some(({ role }) => role.routed === true);
  const wantsNear = (expert: number) =>
    isRouted && tools.settings.nearWeight > 0 && !passes(expert);
  return { ...plain, weight, linear, pool, wantsNear };
}
