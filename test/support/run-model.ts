import { type Matrix, newMatrix } from "../../src/kernel/matrix.ts";
import { rideAll, TextRider, type TextRiderOptions } from "../../src/models/rider.ts";
import { type Model, openHead, partsOfHead } from "../../src/models/run.ts";

/** Input of the head, `[tokens, hidden]`, for the ids of whole sequences. */
export async function runModel(
  model: Model,
  ids: Uint32Array,
  options: Omit<TextRiderOptions, "ids">,
): Promise<Matrix> {
  const rider = new TextRider({ ids, ...options });
  await rideAll([{ model, riders: [rider] }]);
  return rider.finish(model, 0, ids.length);
}

/** Logits `[tokens, vocabulary]` of the input of the head. */
export async function logitsOf(model: Model, x: Matrix): Promise<Matrix> {
  const head = await openHead(model);
  const y = newMatrix(x.rows, head.vocabulary);
  for (const [left, end] of partsOfHead(head)) {
    const { weight, bias } = await head.read(left, end);
    await model.ops.linearInto(x, weight, bias, { y, left });
  }
  return y;
}
