import { modulePath } from "../mlx/format.ts";
import type { PlannedTensor } from "../models/architecture.ts";
import { keepWeights } from "../models/kept-weights.ts";
import { headRole, outerRole, plainContext } from "../models/run.ts";
import { isQuantizable } from "../plan/plan.ts";
import { tuningSettings } from "../quantize/tuning-settings.ts";
import { openTools } from "../quantize/tuning-tools.ts";
import type { Outcome } from "./costs.ts";
import { LossTable } from "./loss-table.ts";
import { type Measuring, measureBlock, measureHead, measureTable } from "./measure-matrix.ts";
import type { ProbeRows } from "./probe-rows.ts";
import { type ProbedTensor, ProbeWalk } from "./probe-walk.ts";
import { sampleOf, spread } from "./sampling.ts";
import type { MeasureRequest } from "./sensitivity-request.ts";

/** Number of depths at which noise is added. */
const noiseDepths = 9;

/**
 * One pass over the blocks. The rows `others` of `rows` go through each block first, for its
 * Hessians and codes. Then the probes go through it.
 */
export async function walkModel(
  request: MeasureRequest,
  rows: ProbeRows,
  progress: (done: number, total: number) => void,
): Promise<Outcome> {
  const { architecture, config } = request.model;
  const measuring = openMeasuring(request);
  const { model, tools, length, losses } = measuring;
  const quantizable = request.model.tensors.filter(isQuantizable);
  const outer = plainContext(model, null, { length });
  const find = (name: string) =>
    quantizable.find(({ layer, role }) => layer === null && role.role === name) ?? null;

  let x = await architecture.forward.embed(outer, rows.others);
  const probes = new ProbeWalk({ model, rows, length });
  const table = find(outerRole(architecture, "embeddings"));
  await probes.start(table && { ...namesOf(table), weight: await measureTable(measuring, table) });
  const kinds = architecture.layers(config);
  const depths = spread(kinds.length, noiseDepths);
  for (const [layer, kind] of kinds.entries()) {
    if (depths.includes(layer)) await probes.addNoise(layer);
    const tensors = quantizable.filter((tensor) => tensor.layer === layer);
    const { after, codes } = await measureBlock(measuring, { layer, kind }, tensors, x);
    x = after;
    await probes.throughBlock({ layer, kind }, tensors, codes);
    progress(layer + 1, kinds.length + 1);
  }
  const head = find(headRole(architecture, config));
  const found = await probes.finish(
    head && {
      ...namesOf(head),
      weight: await measureHead(measuring, head, await architecture.forward.finish(outer, x)),
    },
  );
  progress(kinds.length + 1, kinds.length + 1);
  return { tensors: quantizable, storage: tools.storage, losses, ...found };
}

function openMeasuring(request: MeasureRequest): Measuring {
  const { model, rows, kernel, settings = tuningSettings } = request;
  const { tensors, storage, ownBits, architecture, config, weights } = model;
  const tools = openTools({ kernel, settings, storage });
  const kept = keepWeights({ architecture, config, weights });
  return {
    model: { architecture, config, weights: kept, ops: tools.ops },
    kept,
    ...{ tensors, tools },
    length: rows.length,
    losses: new LossTable(ownBits),
    isSampled: sampleOf(tensors.filter(isQuantizable)),
  };
}

function namesOf(tensor: PlannedTensor): Omit<ProbedTensor, "weight"> {
  return { module: modulePath(tensor), role: tensor.role.role };
}
