import { isDeepStrictEqual } from "node:util";
import type { Base } from "../base/base.ts";
import type { Provable } from "../checkpoint/checkpoint.ts";
import type { Repository } from "../checkpoint/repository.ts";
import { OqeError } from "../ground/errors.ts";
import type { Kernel } from "../kernel/kernel-types.ts";
import { isMxfp4 } from "../kernel/width.ts";
import { modulePath } from "../mlx/format.ts";
import { type FinishedModel, type FinishedTensor, openFinished } from "../mlx/mlx-weights.ts";
import { keepsCodes } from "../models/source.ts";
import { probeWidth } from "./probe-width.ts";
import type { MeasuredModel } from "./sensitivity-request.ts";

/** A quantized repository of the base that is measured in its place. It has fewer bytes to read. */
export interface Proxy extends MeasuredModel, Provable {
  close(): Promise<void>;
}

/**
 * Opens any MLX repository of the base, such as the series' own oQ8e. Its weights are already
 * rounded to a grid, so narrower widths are forecast from the steps that tuning would use. Throws
 * BAD_INPUT if it is a repository of another model, or has too few bits.
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

/**
 * The width in bits of every quantized module that does not have the base's own codes. Throws
 * BAD_INPUT.
 */
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
      `${name} does not have the tensors of ${base.checkpoint.repository.name}: ` +
        "it is a quantization of another model, or is written for another loader",
      "Give a quantized repository of the base itself as the proxy.",
    );
  }
  // Codes of the base are the base.
  const exact = new Set(base.tensors.filter(keepsCodes).map(modulePath));
  const isExact = ({ name, width }: FinishedTensor) =>
    isMxfp4(width!) && exact.has(modulePath({ name }));
  const quantized = tensors.filter((one) => one.width !== undefined && !isExact(one));
  const ownBits = new Map(quantized.map((tensor) => [modulePath(tensor), tensor.width!.bits]));
  const coarse = [...ownBits].find(([, bits]) => bits <= probeWidth.bits);
  if (coarse === undefined) return ownBits;
  throw new OqeError(
    "BAD_INPUT",
    `${name} has ${coarse[0]} at ${coarse[1]} bits; a proxy must have more than ` +
      `${probeWidth.bits} bits throughout`,
    "Give a proxy with more bits, such as the series' oQ8e.",
  );
}
