import { sum } from "../ground/sum.ts";
import { quantizedBytes } from "../mlx/format.ts";
import { SHARD_LIMIT } from "../mlx/layout.ts";
import type { PlannedTensor } from "../models/architecture.ts";
import { widthOf } from "../plan/plan-widths.ts";
import type { BlockShape } from "./model-shape.ts";
import type { PlannedTier, RunWork } from "./work.ts";

/**
 * Bytes of each tier that are on the disk at once. With a staging branch these are: the tensors
 * outside the blocks, the block that is made, the one before it that is sent meanwhile, and a shard
 * that is not full enough to end with its block; what was made of such a shard is copied to be
 * sent. Without a branch they are all. A run that makes later parts only has no embeddings, and the
 * head when the blocks have left.
 */
export function tiersOnDisk({ plans, shape, staged, makes, ahead }: RunWork): number[] {
  return plans.map((plan) => {
    if (!makes) return 0;
    if (!staged) return plan.bytes;
    const blocks = shape.blocks.map((block) => blockBytes(block, plan));
    const outer = new Set([shape.table, shape.head]);
    const tables = ahead === undefined ? 0 : sum([...outer], (one) => tensorBytes(one, plan));
    const outside = plan.bytes - sum(blocks, Number) - tables;
    const most = Math.max(0, ...blocks, ahead === undefined ? 0 : tensorBytes(shape.head, plan));
    const open = SHARD_LIMIT / 4;
    const copied = Math.min(open, Math.max(most, outside));
    return Math.min(plan.bytes, outside + 2 * most + open) + copied;
  });
}

function blockBytes({ matrices }: BlockShape, plan: PlannedTier): number {
  return sum(matrices, ({ tensor }) => tensorBytes(tensor, plan));
}

function tensorBytes(tensor: PlannedTensor, plan: PlannedTier): number {
  const width = widthOf(plan, tensor);
  return width === undefined ? 0 : quantizedBytes(tensor.shape, width, "BF16");
}
