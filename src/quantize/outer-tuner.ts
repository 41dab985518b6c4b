import { columnsOf, memberRows } from "../base/base-rows.ts";
import { bytesPerElement } from "../kernel/dtype.ts";
import type { Matrix, Weight } from "../kernel/matrix.ts";
import type { PlannedTensor } from "../models/architecture.ts";
import { headRole, outerRole, plainContext } from "../models/run.ts";
import { tuneHeadRows } from "./head-tuner.ts";
import { tuneForTiers } from "./matrix-tuner.ts";
import { replaceMatrices } from "./replace-matrices.ts";
import { tableHessian } from "./table-hessian.ts";
import type { MatrixRows } from "./tune-matrix.ts";
import type { TuneWalk } from "./tune-types.ts";

/**
 * Hidden states of the calibration rows before the first block, looked up in `table` or, if it is
 * null, in the base's embeddings.
 */
export function embedTokens(
  { model, calibration }: TuneWalk,
  table: Weight | null,
): Promise<Matrix> {
  const { architecture } = model;
  const role = outerRole(architecture, "embeddings");
  const weights = replaceMatrices(model.weights, (layer, asked) =>
    layer === null && asked === role ? table : null,
  );
  const { ids, length } = calibration;
  return architecture.forward.embed(plainContext({ ...model, weights }, null, { length }), ids);
}

/**
 * Tunes the embeddings; returns them as stored in a sequential walk, else null. A tied table is
 * tuned as the head instead. Until then the base's is looked up.
 */
export async function tuneFirst(walk: TuneWalk): Promise<Weight | null> {
  const { architecture, config } = walk.model;
  const role = outerRole(architecture, "embeddings");
  const table = outerTensor(walk, role);
  if (role === headRole(architecture, config) || !walk.writer.isQuantized(table)) return null;
  return tuneTable(walk, table);
}

/** Tunes the head. `x` are the hidden states after the last block. */
export async function tuneLast(walk: TuneWalk, x: Matrix): Promise<void> {
  const { model, calibration, writer } = walk;
  const { architecture, config } = model;
  const { length } = calibration;
  const last = await architecture.forward.finish(plainContext(model, null, { length }), x);
  const head = outerTensor(walk, headRole(architecture, config));
  if (writer.isQuantized(head)) await tuneHead(walk, head, last);
}

/** The tensor of a role outside the blocks. */
function outerTensor({ base }: TuneWalk, role: string): PlannedTensor {
  return base.tensors.find((tensor) => tensor.layer === null && tensor.role.role === role)!;
}

async function tuneTable(walk: TuneWalk, tensor: PlannedTensor): Promise<Weight | null> {
  const { base, model, tools } = walk;
  const { role, layer } = tensor;
  const hessian = await tableHessian(tools, base.tensors, model.weights);
  // The table can be large: its rows are read in ranges.
  const read: MatrixRows["read"] = (start, end) =>
    model.weights.matrix(layer, role.role, 0, [start, end]);
  const weight = { rows: memberRows(tensor), columns: columnsOf(tensor), read };
  const stored = await tuneForTiers(walk, { tensor, expert: 0, hessian, weight, target: null });
  hessian?.release();
  return stored;
}

/** `x [tokens, hidden]` is the input of the head. */
async function tuneHead(walk: TuneWalk, tensor: PlannedTensor, x: Matrix): Promise<void> {
  const { model, tools, writer, ledger, calibration } = walk;
  const head = await model.weights.matrix(null, tensor.role.role);
  const widths = writer.widthsOf(tensor);
  const { dropped } = await tools.kernel.run("screen", { x });
  ledger.drop(dropped, calibration.ids.length, "head.in");
  const { parts, sums, hessian } = await tuneHeadRows(tools, head, x, widths);
  for (const part of parts) await writer.write(tensor, 0, part);
  ledger.add({ tensor, expert: 0, hessian, widths, sums });
  const { rows, columns, dtype } = head;
  walk.progress(rows * columns * bytesPerElement[dtype]! * writer.tiers.length);
}
