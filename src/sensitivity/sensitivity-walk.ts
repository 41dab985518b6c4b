import { columnsOf } from "../base/base-rows.ts";
import type { Matrix, Weight } from "../kernel/matrix.ts";
import { modulePath } from "../mlx/format.ts";
import type { PlannedTensor } from "../models/architecture.ts";
import { keepWeights } from "../models/kept-weights.ts";
import { type BlockPlace, passAll, type Rider } from "../models/rider.ts";
import { headRole, type Model, outerRole, plainContext } from "../models/run.ts";
import { isQuantizable } from "../plan/plan.ts";
import { decodeMatrix } from "../quantize/tuned-rows.ts";
import { tuningSettings } from "../quantize/tuning-settings.ts";
import { openTools } from "../quantize/tuning-tools.ts";
import { BlockCodes } from "./block-codes.ts";
import type { Outcome } from "./costs.ts";
import { LossTable } from "./loss-table.ts";
import { type Measuring, measureBlock, measureHead, measureTable } from "./measure-matrix.ts";
import type { ProbeRows } from "./probe-rows.ts";
import { type ProbedTensor, ProbeWalk, partsOf, usersOf } from "./probe-walk.ts";
import { isExpertMeasured, sampleOf } from "./sampling.ts";
import type { MeasureRequest } from "./sensitivity-request.ts";
import { type Lookups, measureTied, tuneLookups } from "./tied-table.ts";

/**
 * One pass over the blocks. The rows `others` of `rows` go through each block for its Hessians and
 * codes. The probes go through it at the same time, so each weight is read once.
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
  const probes = new ProbeWalk(model, rows);
  const table = find(outerRole(architecture, "embeddings"));
  const head = find(headRole(architecture, config));
  const lookups = table !== null && table === head ? await tuneLookups(measuring, table) : null;
  await probes.start(
    table && { ...namesOf(table), weight: await tableAtStart(measuring, table, lookups) },
  );
  const kinds = architecture.layers(config);
  for (const [layer, kind] of kinds.entries()) {
    const tensors = quantizable.filter((tensor) => tensor.layer === layer);
    x = await walkBlock(measuring, { place: { layer, kind }, tensors, probes }, x);
    progress(layer + 1, kinds.length + 1);
  }
  const last = await architecture.forward.finish(outer, x);
  const tied = lookups && (await measureTied(measuring, head!, { x: last, lookups, rows }));
  const weight = tied?.weight ?? (head && (await measureHead(measuring, head, last)));
  const found = await probes.finish(head && { ...namesOf(head), weight: weight! });
  progress(kinds.length + 1, kinds.length + 1);
  const { storage } = tools;
  return { tensors: quantizable, storage, losses, tied: tied?.measured ?? null, ...found };
}

/** The embeddings at the probe's width. `lookups`: those of a table that is also the head. */
async function tableAtStart(
  measuring: Measuring,
  table: PlannedTensor,
  lookups: Lookups | null,
): Promise<Weight> {
  if (lookups === null) return measureTable(measuring, table);
  const { kernel, storage: store } = measuring.tools;
  return decodeMatrix(kernel, lookups.parts, { columns: columnsOf(table), store });
}

interface BlockRequest {
  readonly place: BlockPlace;
  /** The block's quantizable tensors. */
  readonly tensors: readonly PlannedTensor[];
  readonly probes: ProbeWalk;
}

/** Takes all through a block. `x [tokens, hidden]` are those for Hessians; gives them after it. */
async function walkBlock(
  measuring: Measuring,
  { place, tensors, probes }: BlockRequest,
  x: Matrix,
): Promise<Matrix> {
  const { model, tools, losses } = measuring;
  const parts = partsOf(place.layer, tensors);
  const codes = new BlockCodes(tools, tensors, usersOf(parts));
  let after = x;
  const measurer: Rider = {
    embed: async () => {},
    async pass(own: Model) {
      try {
        const block = { place, quantizable: tensors, codes };
        after = await measureBlock({ ...measuring, model: own }, block, x);
      } catch (error) {
        codes.fail(error);
        throw error;
      }
    },
  };
  const block = probes.openBlock(place, parts, codes);
  await passAll(model, [measurer, ...block.riders], place);
  const last = tensors.findLast(({ role }) => role.routed === true);
  const gain = last === undefined ? 1 : losses.gain(modulePath(last));
  await block.finish((expert) => (isExpertMeasured(last!, expert) ? 1 : gain));
  return after;
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
