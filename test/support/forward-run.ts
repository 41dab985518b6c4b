import { readFileSync } from "node:fs";
import { type Base, type BaseOptions, readBase } from "../../src/base/base.ts";
import { baseWeights } from "../../src/base/base-weights.ts";
import { openFolder } from "../../src/checkpoint/folder.ts";
import type { Kernel } from "../../src/kernel/kernel-types.ts";
import { Ops } from "../../src/models/ops.ts";
import type { Routing } from "../../src/models/routing.ts";
import type { Model } from "../../src/models/run.ts";
import { logitsOf, runModel } from "./run-model.ts";

/** Opens a base to run it. `close` it afterwards. */
export async function openBase(
  folder: string,
  kernel: Kernel,
  options: Pick<BaseOptions, "loader"> = {},
): Promise<Model & Pick<Base, "wrapper"> & { close(): Promise<void> }> {
  const base = await readBase(await openFolder(folder), { allowHeaderOnly: false, ...options });
  base.architecture.forward.check(base.config);
  return {
    ...base,
    weights: baseWeights(base, kernel),
    ops: new Ops(kernel),
    close: base.checkpoint.close,
  };
}

export interface Outcome {
  /** `[tokens, vocabulary]` */
  readonly logits: Float32Array;
  readonly vocabulary: number;
  /** By layer. */
  readonly routes: ReadonlyMap<number, Routing>;
}

/** Logits of whole sequences of `length` ids, and the routing by layer. */
export async function run(model: Model, ids: Uint32Array, length: number): Promise<Outcome> {
  const routes = new Map<number, Routing>();
  const hidden = await runModel(model, ids, {
    length,
    routes: (layer, own) => {
      routes.set(layer, own);
      return own;
    },
  });
  const { data, columns } = await logitsOf(model, hidden);
  return { logits: data, vocabulary: columns, routes };
}

/** Token ids without a pattern, the same every time. */
export function someIds(count: number, vocabulary: number): Uint32Array {
  return Uint32Array.from({ length: count }, (_, i) => (7 * i * i + 3 * i + 5) % vocabulary);
}

/** The float32 or int32 data of a .npy file. */
export function readNpy<T extends Float32Array | Int32Array>(
  path: string,
  as: new (bytes: ArrayBuffer) => T,
): T {
  const file = readFileSync(path);
  const start = 10 + file.readUInt16LE(8);
  return new as(file.buffer.slice(file.byteOffset + start, file.byteOffset + file.length));
}

/** Relative L2 distance in float64, and where the two differ most, in words. */
export function difference(ours: Float32Array, theirs: Float32Array, columns: number) {
  if (ours.length !== theirs.length)
    throw new Error(`${ours.length} values, expected ${theirs.length}`);
  let [error, energy, worst] = [0, 0, 0];
  for (let i = 0; i < ours.length; i++) {
    error += (ours[i]! - theirs[i]!) ** 2;
    energy += theirs[i]! ** 2;
    if (!(Math.abs(ours[i]! - theirs[i]!) <= Math.abs(ours[worst]! - theirs[worst]!))) worst = i;
  }
  const relative = Math.sqrt(error / energy);
  const place = `token ${Math.floor(worst / columns)}, logit ${worst % columns}`;
  return {
    relative,
    text: `relative L2 ${relative.toExponential(2)}; most at ${place}: ${ours[worst]}, expected ${theirs[worst]}`,
  };
}
