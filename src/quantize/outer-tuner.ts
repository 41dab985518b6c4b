import { columnsOf, memberRows } from "../base/base-rows.ts";
import { bytesPerElement } from "../kernel/dtype.ts";
import type { Matrix, Weight } from "../kernel/matrix.ts";
import type { PlannedTensor } from "../models/architecture.ts";
import { tuneHeadRows } from "./head-tuner.ts";
import { tuneForTiers } from "./matrix-tuner.ts";
import { tableHessian } from "./table-hessian.ts";
import type { MatrixRows } from "./tune-matrix.ts";
import type { TuneWalk } from "./tune-types.ts";

/** Tunes the embeddings. In a sequential walk it returns them as stored, in float32, else null. */
export async function tuneTable(walk: TuneWalk, tensor: PlannedTensor): Promise<Weight | null> {
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

/** Tunes the head. `x [tokens, hidden]` is what it multiplies. */
export async function tuneHead(walk: TuneWalk, tensor: PlannedTensor, x: Matrix): Promise<void> {
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
