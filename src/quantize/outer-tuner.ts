import { columnsOf, memberRows } from "../base/base-rows.ts";
import { collectShared } from "../kernel/collect.ts";
import { bytesPerElement } from "../kernel/dtype.ts";
import { joinRows, type Matrix, type Weight, weightRows } from "../kernel/matrix.ts";
import type { PlannedTensor } from "../models/architecture.ts";
import { tableRows } from "../models/blocks.ts";
import type { HeldStates } from "../models/rider.ts";
import { headRole, outerRole, plainContext, type WeightSource } from "../models/run.ts";
import { type Lookup, tuneHeadRows } from "./head-tuner.ts";
import type { Hessian } from "./hessian.ts";
import { tuneForTiers } from "./matrix-tuner.ts";
import { replaceMatrices } from "./replace-matrices.ts";
import { hessianOfTable, tableHessian } from "./table-hessian.ts";
import type { MatrixRows } from "./tune-matrix.ts";
import { tunePart } from "./tune-part.ts";
import type { TuneWalk } from "./tune-types.ts";
import type { TunedRows } from "./tuned-rows.ts";

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
 * The embeddings, if they are to be tuned with the blocks; null if they stay unquantized. A tied
 * table is tuned after the last block. Until then the base's is looked up.
 */
export function tableToTune(walk: TuneWalk): PlannedTensor | null {
  const { architecture, config } = walk.model;
  const role = outerRole(architecture, "embeddings");
  const table = outerTensor(walk, role);
  if (role === headRole(architecture, config) || !walk.writer.isQuantized(table)) return null;
  return table;
}

/** Tunes the head. `states` are the hidden states after the last block. */
export async function tuneLast(walk: TuneWalk, states: HeldStates): Promise<void> {
  const { architecture, config } = walk.model;
  const head = outerTensor(walk, headRole(architecture, config));
  if (!walk.writer.isQuantized(head)) return;
  const part = { name: "head", layer: null, tensors: [head] };
  await tunePart(walk, part, (own) => tuneHeadOf(own, head, states));
  walk.lookup?.release();
}

async function tuneHeadOf(walk: TuneWalk, head: PlannedTensor, states: HeldStates): Promise<void> {
  const { model, calibration, tools, lookup: gram } = walk;
  const { architecture } = model;
  const { length } = calibration;
  const { tiedMix: mix } = tools.settings;
  if (gram !== null && mix === 0) {
    await tuneRows(walk, head, {
      source: model.weights,
      hessian: await hessianOfTable(tools, gram),
    });
  } else {
    const finish = async () =>
      architecture.forward.finish(plainContext(model, null, { length }), await states.take());
    const last = await finish();
    collectShared(); // of the states
    await tuneHead(walk, head, { x: last, lookup: gram && { gram, mix } });
  }
}

/** The tensor of a role outside the blocks. */
function outerTensor({ base }: TuneWalk, role: string): PlannedTensor {
  return base.tensors.find((tensor) => tensor.layer === null && tensor.role.role === role)!;
}

/** Parts of a table that are in memory at once while it is tuned. */
const mostParts = 3;

/** Reads any rows of a table from parts of `tableRows` rows. Each part is read once. */
function readInParts(rows: number, readPart: MatrixRows["read"]): MatrixRows["read"] {
  const parts = new Map<number, Promise<Weight>>();
  const partAt = (row: number) => {
    const first = row - (row % tableRows);
    const part = parts.get(first) ?? readPart(first, Math.min(rows, first + tableRows));
    parts.set(first, part);
    if (parts.size > mostParts) parts.delete([...parts.keys()][0]!);
    return part;
  };
  return async (start, end) => {
    const pieces: Weight[] = [];
    for (let row = start; row < end; row += tableRows - (row % tableRows)) {
      const first = row - (row % tableRows);
      const last = Math.min(end, first + tableRows);
      pieces.push(weightRows(await partAt(row), row - first, last - first));
    }
    return joinRows(pieces);
  };
}

/**
 * Tunes the embeddings and returns them as stored in a sequential walk, else null. `source` gives
 * the rows in the parts that other riders look up, so that each part is read once.
 */
export async function tuneTable(
  walk: TuneWalk,
  tensor: PlannedTensor,
  source: WeightSource,
): Promise<Weight | null> {
  const { base, kept, tools } = walk;
  const hessian = await tableHessian(tools, base.tensors, kept);
  return tuneRows(walk, tensor, { source, hessian });
}

/** Tunes a table with a Hessian of looking its rows up, and frees that. */
async function tuneRows(
  walk: TuneWalk,
  tensor: PlannedTensor,
  { source, hessian }: { readonly source: WeightSource; readonly hessian: Hessian | null },
): Promise<Weight | null> {
  const { role, layer } = tensor;
  const rows = memberRows(tensor);
  const read = readInParts(rows, (start, end) =>
    source.matrix(layer, role.role, undefined, [start, end]),
  );
  const weight = { rows, columns: columnsOf(tensor), read };
  const stored = await tuneForTiers(walk, { tensor, expert: 0, hessian, weight, target: null });
  hessian?.release();
  return stored;
}

/**
 * Codes of the head that stay in memory until all are found. Beyond, each row's are written as soon
 * as they are there. That takes longer, because rows that are tuned together are not neighbours.
 */
export const mostCodes = 256 << 20;

/** `x [tokens, hidden]` is the input of the head. */
async function tuneHead(
  walk: TuneWalk,
  tensor: PlannedTensor,
  { x, lookup }: { readonly x: Matrix; readonly lookup: Lookup | null },
): Promise<void> {
  const { model, tools, writer, ledger, calibration } = walk;
  const head = await model.weights.matrix(null, tensor.role.role);
  const widths = writer.widthsOf(tensor);
  const { dropped } = await tools.kernel.run("screen", { x });
  ledger.drop(dropped, calibration.ids.length, { layer: null, input: "the input of the head" });
  const { rows, columns, dtype } = head;
  const codes = widths.reduce((sum, { bits }) => sum + (rows * columns * bits) / 8, 0);
  const writeCodes = (part: TunedRows) => writer.write(tensor, 0, part);
  const { parts, sums, hessian } = await tuneHeadRows(tools, head, x, {
    ...{ widths, lookup },
    ...(codes > mostCodes && { writeCodes }),
  });
  for (const part of parts) await writer.write(tensor, 0, part);
  ledger.add({ tensor, expert: 0, hessian, widths, sums });
  walk.progress(rows * columns * bytesPerElement[dtype]! * writer.tiers.length);
}
