import type { Matrix, Weight } from "../kernel/matrix.ts";
import { modulePath } from "../mlx/format.ts";
import type { PlannedTensor } from "../models/architecture.ts";
import { plainContext } from "../models/run.ts";
import { fewContexts } from "../quantize/head-groups.ts";
import { openHeadInputs, tuneGroups } from "../quantize/head-tuner.ts";
import type { Gram } from "../quantize/hessian.ts";
import { hessianOfTable, tableGram } from "../quantize/table-hessian.ts";
import { rowsOfWeight, tuneMatrix } from "../quantize/tune-matrix.ts";
import { copyOf, type TunedRows } from "../quantize/tuned-rows.ts";
import type { MeasuredTied } from "./costs.ts";
import { type LookupError, lookupErrorOf, lookupResult, lookupWeight } from "./lookup-errors.ts";
import { addHeadLosses, type Measuring, readerOf, roundedReader } from "./measure-matrix.ts";
import type { ProbeRows } from "./probe-rows.ts";
import { probeWidth, widths } from "./probe-width.ts";
import { type ProbedTensor, replaceOuter } from "./probed-outer.ts";
import type { ProbeResult } from "./probes.ts";

/** The mix whose losses at all widths stand for those of the others. */
const middle = 0.5;

/** How a tied table is looked up. */
export interface Lookups {
  /** See tableGram. `measureTied` releases it. */
  readonly gram: Gram | null;
  /** Codes at the probe's width that are tuned for it. */
  readonly parts: readonly TunedRows[];
  /**
   * The tables whose looked-up rows are probed from the first block on: tuned, and rounded, whose
   * errors are spread otherwise. Without a `gram` they are spread alike, and one is enough.
   */
  readonly probed: readonly ProbedTensor[];
}

/** Tunes a tied table for looking its rows up. */
export async function tuneLookups(
  { tools, tensors, model, kept }: Measuring,
  tensor: PlannedTensor,
): Promise<Lookups> {
  const gram = await tableGram(tools, tensors, kept);
  const { sweeps } = tools.settings;
  const hessian = gram && (await hessianOfTable(tools, gram));
  const { role } = tensor.role;
  const weight = await model.weights.matrix(null, role);
  const parts: TunedRows[] = [];
  const write = async (part: TunedRows) => void parts.push(copyOf(part));
  const options = { hessian, widths: [probeWidth], sweeps, alone: true, sampled: true, write };
  await tuneMatrix(tools, rowsOfWeight(weight), options);
  hessian?.release();
  const name = modulePath(tensor);
  const tuned = { name, role, read: readerOf(tools, parts, weight) };
  const rounded = { name: `${name}, rounded`, role, read: roundedReader(tools, weight) };
  return { gram, parts, probed: gram === null ? [tuned] : [tuned, rounded] };
}

/** A tied table as one mix of its two Hessians writes it. */
interface MixedTable {
  /** Share of the head. */
  readonly mix: number;
  /** The table as the head. */
  readonly head: ProbedTensor;
  /** Of its looked-up rows. */
  readonly error: LookupError;
}

/** What is known of a tied table when the walk is over. */
export interface TiedTables {
  readonly module: string;
  /** The even mix first. */
  readonly mixes: readonly MixedTable[];
  /** The probed lookups, by the names of their probes. */
  readonly lookups: readonly { readonly name: string; readonly error: LookupError }[];
}

interface TiedRequest {
  /** Input of the head `[positions, hidden]`. */
  readonly x: Matrix;
  readonly lookups: Lookups;
  readonly rows: ProbeRows;
}

/**
 * Tunes a tied table with mixes of its two Hessians: looking up alone, an even mix, the head alone.
 */
export async function measureTied(
  measuring: Measuring,
  tensor: PlannedTensor,
  { x, lookups, rows }: TiedRequest,
): Promise<TiedTables> {
  const { model, tools, losses } = measuring;
  const { gram, parts, probed } = lookups;
  const module = modulePath(tensor);
  const { role } = tensor.role;
  const table = await model.weights.matrix(null, role);
  const inputs = await openHeadInputs(tools, { head: table, x, contexts: fewContexts });
  const mixes = gram === null ? [1] : [middle, 1];
  const ways = mixes.map((mix, i) => ({
    widths: [probeWidth],
    sampledWidths: i === 0 ? widths : [],
    sampled: true,
    lookup: gram && { gram, mix },
  }));
  const results = await tuneGroups(tools, inputs, ways);
  addHeadLosses(losses, module, results[0]!);
  const codes = mixes.map((mix, i) => ({ mix, parts: results[i]!.parts }));
  if (gram !== null) codes.push({ mix: 0, parts });
  inputs.all.release();
  const heads = codes.map(({ mix, parts }) => {
    const name = `${module} as the head, mix ${mix}`;
    return { mix, head: { name, role, read: readerOf(tools, parts, table) } };
  });
  const weight = gram && lookupWeight(gram);
  gram?.release();
  const errors = await lookupErrors(measuring, [...heads.map(({ head }) => head), ...probed], {
    ...{ rows, weight },
  });
  return {
    module,
    mixes: heads.map((one, i) => ({ ...one, error: errors[i]! })),
    lookups: probed.map(({ name }, i) => ({ name, error: errors[heads.length + i]! })),
  };
}

/** Errors of the probe rows' tokens, looked up in some tables. */
async function lookupErrors(
  { model }: Measuring,
  tables: readonly ProbedTensor[],
  { rows, weight }: { readonly rows: ProbeRows; readonly weight: Weight | null },
): Promise<readonly LookupError[]> {
  const { architecture, ops } = model;
  const embed = (table: ProbedTensor | null) => {
    const context = plainContext(replaceOuter(model, table), null, { length: rows.length });
    return architecture.forward.embed(context, rows.ids);
  };
  const from = await embed(null);
  const errors: LookupError[] = [];
  for (const table of tables) {
    const x = await embed(table);
    await ops.kernel.run("subtract", { x, from });
    errors.push(await lookupErrorOf(ops, x, { weight, weights: rows.weights }));
  }
  return errors;
}

/**
 * What every mix costs in both uses: KL and flips of its looked-up rows, and KL of its head. Errors
 * of the two uses are independent, so their costs add up. `probes`: the results of the walk.
 */
export function tiedCosts(
  { module, mixes, lookups }: TiedTables,
  probes: ReadonlyMap<string, ProbeResult>,
): MeasuredTied {
  const [first, ...others] = lookups.map(({ name, error }) => {
    return { error, result: probes.get(name)! };
  });
  const tried = mixes.map(({ mix, head, error }) => {
    const { divergence, flipPower } = lookupResult(error, [first!, ...others]);
    const asHead = probes.get(head.name)!.divergence;
    return { mix, result: { divergence: divergence.map((kl, t) => kl + asHead[t]!), flipPower } };
  });
  return { module, tried };
}
