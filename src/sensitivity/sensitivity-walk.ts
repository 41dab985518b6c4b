import type { Matrix } from "../kernel/matrix.ts";
import { modulePath } from "../mlx/format.ts";
import type { PlannedTensor } from "../models/architecture.ts";
import { type KeptWeights, keepWeights } from "../models/kept-weights.ts";
import { withReadAhead } from "../models/read-ahead.ts";
import { type BlockPlace, passAll, type Rider } from "../models/rider.ts";
import { headRole, type Model, outerRole, plainContext, type WeightSource } from "../models/run.ts";
import { isQuantizable } from "../plan/plan.ts";
import { replaceMatrices } from "../quantize/replace-matrices.ts";
import { tuningSettings } from "../quantize/tuning-settings.ts";
import { openTools } from "../quantize/tuning-tools.ts";
import { BlockCodes } from "./block-codes.ts";
import { partsOf, usersOf } from "./block-parts.ts";
import type { WalkResults } from "./costs.ts";
import { LossTable } from "./loss-table.ts";
import { type Measuring, measureBlock, measureHead, measureTable } from "./measure-matrix.ts";
import { type ProbeRows, sampleOf } from "./probe-rows.ts";
import { ProbeWalk } from "./probe-walk.ts";
import type { ProbedTensor } from "./probed-outer.ts";
import { isExpertMeasured, roleSample } from "./sampling.ts";
import { fitsWalk, type WalkLog } from "./saved-walk.ts";
import type { MeasureRequest } from "./sensitivity-request.ts";
import { type Lookups, measureTied, tiedCosts, tuneLookups } from "./tied-table.ts";

/**
 * One pass over the blocks. The rows `others` of `rows` go through each block for its Hessians and
 * codes. The probes go through it at the same time, so each weight is read once.
 */
export function walkModel(
  request: MeasureRequest,
  rows: ProbeRows,
  progress: (done: number, total: number) => void,
): Promise<WalkResults> {
  const kept = keepWeights(request.model);
  // A quantized model in place of the base is decoded when it is asked for.
  const tensors = request.model.ownBits.size === 0 ? request.model.tensors : [];
  return withReadAhead({ weights: kept, tensors }, (weights) => {
    const measuring = openMeasuring(request, kept, weights);
    return walkThrough(measuring, { request, rows, progress });
  });
}

interface Walk {
  readonly request: MeasureRequest;
  readonly rows: ProbeRows;
  readonly progress: (done: number, total: number) => void;
}

async function walkThrough(
  measuring: Measuring,
  { request, rows, progress }: Walk,
): Promise<WalkResults> {
  const { architecture, config } = request.model;
  const { tools, losses } = measuring;
  const quantizable = request.model.tensors.filter(isQuantizable);
  const find = (name: string) =>
    quantizable.find(({ layer, role }) => layer === null && role.role === name) ?? null;

  const probes = new ProbeWalk(measuring.model, rows, sampleOf(request.probeSize).blocks);
  const table = find(outerRole(architecture, "embeddings"));
  const head = find(headRole(architecture, config));
  const isTied = table !== null && table === head;
  const { x, lookups } = await startWalk(measuring, probes, { table, isTied });
  const blocks = architecture.layers(config).length; // the head is one more
  const walk = { quantizable, probes, x, log: request.log ?? null };
  const last = await walkBlocks(measuring, walk, (done) => progress(done, blocks + 1));
  await probes.leaveBlocks();
  const tied = lookups && (await measureTied(measuring, head!, { x: last, lookups, rows }));
  const own = tied || head === null ? [] : [await probedHead(measuring, head, last)];
  const found = await probes.finish(tied?.mixes.map((mix) => mix.head) ?? own);
  progress(blocks + 1, blocks + 1);
  const { storage } = tools;
  const costs = tied && tiedCosts(tied, found.probes);
  const { mostExperts } = measuring;
  return { tensors: quantizable, storage, losses, mostExperts, tied: costs, ...found };
}

/**
 * Looks all tokens up and measures the embeddings. The table is read once for that, and then freed.
 * Returns the hidden states of the rows `others`, and of a table that is also the head how it is
 * looked up.
 */
async function startWalk(
  measuring: Measuring,
  probes: ProbeWalk,
  { table, isTied }: { readonly table: PlannedTensor | null; readonly isTied: boolean },
): Promise<{ readonly x: Matrix; readonly lookups: Lookups | null }> {
  const { length, model } = measuring;
  const { architecture, weights } = model;
  const role = outerRole(architecture, "embeddings");
  const whole = await weights.matrix(null, role);
  const replaced = replaceMatrices(weights, (layer, asked) =>
    layer === null && asked === role ? whole : null,
  );
  const own = { ...measuring, model: { ...model, weights: replaced } };
  const lookups = isTied ? await tuneLookups(own, table!) : null;
  const untied = isTied || table === null ? [] : [await probedTable(own, table, probes.rows)];
  await probes.start(own.model, lookups?.probed ?? untied);
  const context = plainContext(own.model, null, { length });
  return { x: await architecture.forward.embed(context, probes.rows.others), lookups };
}

interface BlocksRequest {
  readonly quantizable: readonly PlannedTensor[];
  readonly probes: ProbeWalk;
  /** Hidden states of the rows for Hessians. */
  readonly x: Matrix;
  readonly log: WalkLog | null;
}

/**
 * Takes the rows `x` and the probes through all blocks, from where an earlier run stopped. Gives
 * the head's input of these rows.
 */
async function walkBlocks(
  measuring: Measuring,
  { quantizable, probes, x: start, log }: BlocksRequest,
  progress: (done: number) => void,
): Promise<Matrix> {
  const { model, length, losses } = measuring;
  const { architecture, config } = model;
  const layers = architecture.layers(config);
  const tensorsOf = (layer: number) => quantizable.filter((tensor) => tensor.layer === layer);
  let x = start;
  const all = layers.flatMap((_, layer) => partsOf(layer, tensorsOf(layer)));
  const parts = new Map(all.map((part) => [part.name, part]));
  const tokens = { ...probes.tokens, hessians: x.rows };
  const walk = { layers: layers.length, parts: new Set(parts.keys()), hidden: x.columns, tokens };
  const found = (await log?.load()) ?? null;
  const saved = found !== null && fitsWalk(found, walk) ? found : null;
  if (saved !== null) {
    const [own, ...states] = saved.states;
    probes.restore({ values: saved.values.probes, states }, parts);
    losses.restore(saved.values.losses);
    x = own!;
  }
  for (const [layer, kind] of layers.entries()) {
    if (saved !== null && layer <= saved.layer) continue;
    const place = { layer, kind };
    x = await walkBlock(measuring, { place, tensors: tensorsOf(layer), probes }, x);
    progress(layer + 1);
    const { values, states } = probes.save();
    const found = { losses: losses.save(), probes: values };
    await log?.save({ layer, values: found, states: [x, ...states] });
  }
  return architecture.forward.finish(plainContext(model, null, { length }), x);
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
  const { model, tools, losses, mostExperts } = measuring;
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
  await block.finish((expert) => (isExpertMeasured(last!, expert, mostExperts) ? 1 : gain));
  return after;
}

function openMeasuring(
  { model, rows, probeSize, kernel, settings = tuningSettings }: MeasureRequest,
  kept: KeptWeights,
  weights: WeightSource,
): Measuring {
  const { tensors, storage, ownBits, architecture, config } = model;
  const tools = openTools({ kernel, settings, storage });
  return {
    model: { architecture, config, weights, ops: tools.ops },
    kept,
    ...{ tensors, tools },
    length: rows.length,
    losses: new LossTable(ownBits),
    isSampled: roleSample(tensors.filter(isQuantizable)),
    mostExperts: sampleOf(probeSize).experts,
  };
}

/** `rows`: those that are looked up in the table. */
async function probedTable(
  measuring: Measuring,
  tensor: PlannedTensor,
  { ids, more }: ProbeRows,
): Promise<ProbedTensor> {
  return { ...namesOf(tensor), read: await measureTable(measuring, tensor, [ids, more]) };
}

async function probedHead(
  measuring: Measuring,
  tensor: PlannedTensor,
  x: Matrix,
): Promise<ProbedTensor> {
  return { ...namesOf(tensor), read: await measureHead(measuring, tensor, x) };
}

function namesOf(tensor: PlannedTensor): Omit<ProbedTensor, "read"> {
  return { name: modulePath(tensor), role: tensor.role.role };
}
