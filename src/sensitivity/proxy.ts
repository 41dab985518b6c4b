import { isDeepStrictEqual } from "node:util";
import type { Base } from "../base/base.ts";
import type { Repository } from "../checkpoint/repository.ts";
import { OqeError } from "../ground/errors.ts";
import type { Kernel } from "../kernel/kernel-types.ts";
import { modulePath } from "../mlx/format.ts";
import { type FinishedModel, openFinished } from "../mlx/mlx-weights.ts";
import { probeWidth } from "./probe-width.ts";
import type { MeasuredModel } from "./sensitivity-request.ts";

/** A quantized repository of the base, to be measured in its place: half the bytes to read. */
export interface Proxy extends MeasuredModel {
  close(): Promise<void>;
}

/**
 * Opens any MLX repository of the base, such as the series' own oQ8e. Its weights already lie on a
 * grid; what further rounding to each width would do is told from the steps that tuning would take,
 * and not from how the codes happen to fit. Throws BAD_INPUT where it is of another model.
 */
export async function openProxy(
  repository: Repository,
  base: Base,
  kernel: Kernel,
): Promise<Proxy> {
  const finished = await openFinished(repository, kernel);
  try {
    return { ...finished, ownBits: checkProxy(repository, finished, base), storage: base.storage };
  } catch (error) {
    await finished.close();
    throw error;
  }
}

/** The bits of every quantized module. Throws BAD_INPUT. */
function checkProxy(
  { name }: Repository,
  { architecture, tensors }: FinishedModel,
  base: Base,
): Map<string, number> {
  const shapesOf = (list: Base["tensors"]) => list.map(({ name, shape }) => [name, shape]);
  const isSame =
    architecture.modelType === base.architecture.modelType &&
    isDeepStrictEqual(shapesOf(tensors), shapesOf(base.tensors));
  if (!isSame) {
    throw new OqeError(
      "BAD_INPUT",
      `${name} has not the tensors of ${base.checkpoint.repository.name}: it is a quantization of another model`,
      "Name a quantized repository of the base itself as its proxy.",
    );
  }
  const quantized = tensors.filter(({ width }) => width !== undefined);
  const ownBits = new Map(quantized.map((tensor) => [modulePath(tensor), tensor.width!.bits]));
  const coarse = [...ownBits].find(([, bits]) => bits <= probeWidth.bits);
  if (coarse === undefined) return ownBits;
  throw new OqeError(
    "BAD_INPUT",
    `${name} holds ${coarse[0]} at ${coarse[1]} bits: probing at ${probeWidth.bits} bits would change nothing there`,
    "Name a proxy of more bits, such as the series' oQ8e.",
  );
}
