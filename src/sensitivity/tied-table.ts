import type { Matrix } from "../kernel/matrix.ts";
import { modulePath } from "../mlx/format.ts";
import type { PlannedTensor } from "../models/architecture.ts";
import { openHeadInputs, tuneGroups } from "../quantize/head-tuner.ts";
import type { Gram } from "../quantize/hessian.ts";
import { hessianOfTable, tableGram } from "../quantize/table-hessian.ts";
import { rowsOfWeight, tuneMatrix } from "../quantize/tune-matrix.ts";
import { copyOf, type TunedRows } from "../quantize/tuned-rows.ts";
import type { MeasuredTied } from "./costs.ts";
import { addHeadLosses, type Measuring, type ReadProbed, readerOf } from "./measure-matrix.ts";
import type { ProbeRows } from "./probe-rows.ts";
import { probeWidth, widths } from "./probe-width.ts";
import { probeTied } from "./tied-probes.ts";

/** The mix whose losses at all widths stand for those of the others. */
const middle = 0.5;

/** How a tied table is looked up. */
export interface Lookups {
  /** See tableGram. `measureTied` releases it. */
  readonly gram: Gram | null;
  /** Codes at the probe's width that are tuned for it. */
  readonly parts: readonly TunedRows[];
}

/** Tunes a tied table for looking its rows up. */
export async function tuneLookups(
  { tools, tensors, model, kept }: Measuring,
  tensor: PlannedTensor,
): Promise<Lookups> {
  const gram = await tableGram(tools, tensors, kept);
  const { sweeps } = tools.settings;
  const hessian = gram && (await hessianOfTable(tools, gram));
  const weight = await model.weights.matrix(null, tensor.role.role);
  const parts: TunedRows[] = [];
  const write = async (part: TunedRows) => void parts.push(copyOf(part));
  const options = { hessian, widths: [probeWidth], sweeps, alone: true, write };
  await tuneMatrix(tools, rowsOfWeight(weight), options);
  hessian?.release();
  return { gram, parts };
}

/**
 * Tries mixes of the two Hessians of a tied table: looking up alone, an even mix, the head alone.
 * Every table is probed in both uses, as it would be written. `x [positions, hidden]` is the head's
 * input. Also returns the reader of the even mix.
 */
export async function measureTied(
  measuring: Measuring,
  tensor: PlannedTensor,
  given: { readonly x: Matrix; readonly lookups: Lookups; readonly rows: ProbeRows },
): Promise<{ readonly measured: MeasuredTied; readonly read: ReadProbed }> {
  const { model, tools, losses } = measuring;
  const { gram } = given.lookups;
  const module = modulePath(tensor);
  const head = await model.weights.matrix(null, tensor.role.role);
  const inputs = await openHeadInputs(tools, head, given.x);
  // Codes at all widths would be several times as large as those that are probed.
  const tune = (mix: number, tried: typeof widths) =>
    tuneGroups(tools, inputs, {
      ...{ widths: tried, stored: [probeWidth] },
      lookup: gram && { gram, mix },
    });
  const even = await tune(middle, widths);
  addHeadLosses(losses, module, even.sums);
  const codes: { mix: number; parts: readonly TunedRows[] }[] = [
    { mix: gram === null ? 1 : middle, parts: even.parts },
  ];
  if (gram !== null) {
    codes.push({ mix: 1, parts: (await tune(1, [probeWidth])).parts });
    codes.push({ mix: 0, parts: given.lookups.parts });
  }
  inputs.all.release();
  gram?.release();
  const tables = codes.map(({ parts }) => {
    return { module, role: tensor.role.role, read: readerOf(tools, parts, head) };
  });
  const results = await probeTied(model, tables, given.rows);
  const tried = codes.map(({ mix }, i) => ({ mix, result: results[i]! }));
  return { measured: { module, tried }, read: tables[0]!.read };
}
