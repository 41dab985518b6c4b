import type { Pending } from "../ground/pending.ts";
import type { PlannedTensor } from "../models/architecture.ts";
import type { BlockPart } from "./block-parts.ts";
import type { BlockPass } from "./block-pass.ts";
import type { Probe } from "./probes.ts";

/** What the riders of a ProbeWalk find in one block. */
export interface BlockResults {
  readonly base: Pending<BlockPass>;
  /** Probes that start in this block, by part, and the outputs of their experts. */
  readonly started: Map<BlockPart, { probe: Probe; outputs: BlockPass["outputs"] }>;
  /** Probes in which one tensor of a part alone has its codes. */
  readonly alone: Map<PlannedTensor, Probe>;
}
