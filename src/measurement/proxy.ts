import { isDeepStrictEqual } from "node:util";
import type { Repository } from "../checkpoint/repository.ts";
import { OqeError } from "../errors.ts";
import type { Kernel } from "../kernel/kernel-types.ts";
import type { Base } from "../quant/base.ts";
import { modulePath } from "../quant/format.ts";
import { openFinished } from "../quant/mlx-weights.ts";
import { probeWidth } from "./block-meter.ts";
import type { MeasuredModel } from "./measure-request.ts";

/** A quantized repository of the base, to be measured in its place: half the bytes to read. */
export interface Proxy extends MeasuredModel {
  /** Its name and commit, for the measurement. */
  readonly name: string;
  close(): Promise<void>;
}

/**
 * Opens any MLX repository of the base, such as the series' own oQ8e. Its weights already lie on a grid; what further rounding to each width
 * would do is told from the steps that tuning would take, and not from how the codes happen to fit.
 * Throws BAD_INPUT where it is of another model.
 */
export async function openProxy(repository: Repository, base: Base, kernel: Kernel): Promise<Proxy> {
  const finished = await openFinished(repository, kernel);
  const shapesOf = (tensors: Base["tensors"]) => tensors.map(({ name, shape }) => [name, shape]);
  const same =
    finished.architecture.modelType === base.architecture.modelType &&
    isDeepStrictEqual(shapesOf(finished.tensors), shapesOf(base.tensors));
  if (!same) {
    await finished.close();
    throw new OqeError(
      "BAD_INPUT",
      `${repository.name} has not the tensors of ${base.checkpoint.repository.name}: it is a quantization of another model`,
      "Name a quantized repository of the base itself as its proxy.",
    );
  }
  const ownBits = new Map<string, number>();
  for (const tensor of finished.tensors) {
    if (tensor.width !== undefined) ownBits.set(modulePath(tensor), tensor.width.bits);
  }
  const coarse = [...ownBits].find(([, bits]) => bits <= probeWidth.bits);
  if (coarse !== undefined) {
    await finished.close();
    throw new OqeError(
      "BAD_INPUT",
      `${repository.name} holds ${coarse[0]} at ${coarse[1]} bits: probing at ${probeWidth.bits} bits would change nothing there`,
      "Name a proxy of more bits, such as the series' oQ8e.",
    );
  }
  return {
    ...finished,
    ownBits,
    storage: base.storage,
    name: `${repository.id ?? repository.name}@${repository.revision}`,
  };
}
