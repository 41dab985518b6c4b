import { objectOf } from "../calibration/chat-template.ts";
import type { Checkpoint, Provable } from "../checkpoint/checkpoint.ts";
import { openCheckpoint } from "../checkpoint/checkpoint.ts";
import { storageDtype } from "../checkpoint/config.ts";
import { asObject, show } from "../checkpoint/json.ts";
import type { ModelConfig } from "../checkpoint/model-config.ts";
import type { Repository } from "../checkpoint/repository.ts";
import { OqeError } from "../ground/errors.ts";
import { decodeRows } from "../kernel/decode-rows.ts";
import { bytesPerElement, type FloatDtype, isFloat } from "../kernel/dtype.ts";
import type { Kernel } from "../kernel/kernel-types.ts";
import { asWeight, floatsOf, sharedBytes, type Weight } from "../kernel/matrix.ts";
import { mxfp4 } from "../kernel/routines/decode.ts";
import { toFloats } from "../kernel/to-floats.ts";
import { type Bits, type GroupSize, isMxfp4, mxfp4Width, type Width } from "../kernel/width.ts";
import type { Loader, PlannedTensor } from "../models/architecture.ts";
import { byRole } from "../models/by-role.ts";
import { sidecarsOf } from "../models/carried.ts";
import { expandTable } from "../models/expand.ts";
import { Ops } from "../models/ops.ts";
import { architectureFor, findWritten } from "../models/registry.ts";
import type { Model, WeightSource } from "../models/run.ts";
import { elements, isAligned, modulePath, storedTensors } from "./format.ts";

/** A tensor of a finished repository. */
export interface FinishedTensor extends PlannedTensor {
  /** By the repository's config. Undefined: the tensor is unquantized. */
  readonly width: Width | undefined;
}

/** A finished MLX repository, which the forward pass of its base can run. */
export interface FinishedModel extends Model, Provable {
  /** All tensors of the role table. `dtype` is that of scales and biases, or of the values. */
  readonly tensors: readonly FinishedTensor[];
  /** The files, with carried parts. */
  readonly checkpoint: Pick<Checkpoint, "tensors" | "read">;
  close(): Promise<void>;
}

/**
 * Opens a quantized repository that oqe-publisher or `mlx_lm.convert -q` made. Each tensor that the
 * role table and the config promise must be there, in the shape that its width gives.
 * Throws BAD_CHECKPOINT, MISSING_FILE, UNSUPPORTED_MODEL.
 */
export async function openFinished(repository: Repository, kernel: Kernel): Promise<FinishedModel> {
  const sidecars = (config: ModelConfig) => sidecarsOf(findWritten(config).carried);
  const checkpoint = await openCheckpoint(repository, { sidecars });
  try {
    const architecture = findWritten(checkpoint.config);
    const { config } = architecture.fold(checkpoint.config);
    // A language model inside another has its widths in the outer config.
    const { quantization, quantization_config } = checkpoint.config;
    const widths = { quantization: quantization ?? quantization_config };
    const tensors = expandTable(architecture, config).map((tensor) =>
      finishedTensor({ ...checkpoint, config: { ...config, ...widths } }, tensor),
    );
    const read = async (name: string, byteOffset: number, into: Uint8Array) => {
      await checkpoint.read(name, byteOffset, into.byteLength, into);
    };
    const weights = storedWeights(tensors, read, kernel);
    return {
      architecture,
      config,
      tensors,
      checkpoint,
      weights,
      ops: new Ops(kernel),
      prove: () => checkpoint.prove(),
      useOutside: (outside) => checkpoint.useOutside(outside),
      close: () => checkpoint.close(),
    };
  } catch (error) {
    await checkpoint.close();
    throw error;
  }
}

/** The program that a finished repository is written for, by the type in its config.json. */
export async function loaderOf(repository: Repository): Promise<Loader> {
  const { model_type } = await objectOf(repository, "config.json");
  if (architectureFor(model_type) === undefined) return "mlx-lm";
  return findWritten({ model_type }).loader ?? "mlx-lm";
}

/** The tensor with the dtype and the width that the files have. Throws BAD_CHECKPOINT. */
function finishedTensor(
  { tensors, config, repository }: Checkpoint,
  tensor: Omit<PlannedTensor, "dtype">,
): FinishedTensor {
  const path = modulePath(tensor);
  const scales = tensors.get(`${path}.scales`);
  const width = scales === undefined ? undefined : widthOf(config, path);
  const isPower = width !== undefined && isMxfp4(width);
  const stored = isPower ? undefined : (scales ?? tensors.get(tensor.name))?.dtype;
  const dtype = stored ?? storageDtype(config, []);
  const isQuantized = (config.quantization ?? config.quantization_config) !== undefined;
  const bad = (what: string) =>
    isQuantized
      ? new OqeError("BAD_CHECKPOINT", `${repository.name}: ${what}`, "Quantize the base again.")
      : new OqeError(
          "BAD_CHECKPOINT",
          `${repository.name} is not a quantized repository: ` +
            `its config.json names no quantization, and ${what}`,
          "Is it the base? Name a repository that was made from it.",
        );
  if (!isFloat(dtype)) throw bad(`"${tensor.name}" is ${dtype}, not a float`);
  if (width !== undefined && !isAligned(tensor.shape, width.groupSize))
    throw bad(`"${path}" has rows that are not whole groups of ${width.groupSize}`);
  for (const { name, shape, dtype: itsDtype } of storedTensors(
    { ...tensor, dtype },
    width,
    dtype,
  )) {
    const found = tensors.get(name);
    if (found === undefined) throw bad(`tensor "${name}" is missing`);
    if (isPower && found.dtype !== itsDtype)
      throw bad(`"${name}" is ${found.dtype}, but mxfp4 has ${itsDtype} there`);
    if (elements(found.shape) !== elements(shape) || found.shape.at(-1) !== shape.at(-1)) {
      const has = `${found.file}: tensor "${name}" has shape [${found.shape.join(", ")}]`;
      throw bad(`${has}, but config.json gives [${shape.join(", ")}]`);
    }
  }
  return { ...tensor, dtype, width };
}

/** Width of a module by the config's `quantization`: its own entry, else the default. */
function widthOf(config: ModelConfig, path: string): Width {
  const quantization = asObject(config.quantization ?? config.quantization_config);
  const own = asObject(quantization?.[path]) ?? quantization;
  const { bits, group_size: groupSize = 64, mode = "affine" } = own ?? {};
  const isKnown =
    [2, 3, 4, 5, 6, 8].includes(bits as number) && [32, 64, 128].includes(groupSize as number);
  if (isKnown && mode === "affine")
    return { bits: bits as Bits, groupSize: groupSize as GroupSize };
  if (mode === "mxfp4" && bits === mxfp4Width.bits && groupSize === mxfp4Width.groupSize)
    return mxfp4Width;
  throw new OqeError(
    "BAD_CHECKPOINT",
    `config.json: quantization of "${path}" is ${show(own)}; ` +
      "expected an affine width of MLX, or mxfp4",
  );
}

/** Reads `into.length` bytes of a stored tensor, from `byteOffset` within it on. */
type ReadBytes = (name: string, byteOffset: number, into: Uint8Array) => Promise<void>;

/** The weights of stored tensors, decoded when asked: code · scale + bias in float32. */
export function storedWeights(
  finished: readonly FinishedTensor[],
  readBytes: ReadBytes,
  kernel: Kernel,
): WeightSource {
  const tensors = byRole(finished);
  const read = async (tensor: FinishedTensor, start: number, end: number): Promise<Weight> => {
    const parts = await readRows(readBytes, tensor, start, end);
    const dtype = tensor.dtype as FloatDtype;
    const shape = { rows: end - start, columns: tensor.shape.at(-1)! };
    if (tensor.width === undefined) return { bytes: parts[0]!, dtype, ...shape };
    const [words, scales, biases] = parts;
    if (isMxfp4(tensor.width)) {
      const coded = { ...mxfp4, codes: words!, scales: scales!, firstRow: 0, ...shape };
      const { bytes } = await decodeRows(kernel, coded, "F32");
      return { bytes, dtype: "F32", ...shape };
    }
    const stored = { words: words!, scales: scales!, biases: biases!, store: dtype };
    const codes = { ...stored, ...shape, ...tensor.width };
    const values = (await kernel.dequantize(codes)) as Float32Array<SharedArrayBuffer>;
    return asWeight(values, shape.columns);
  };
  return {
    async unquantized(layer, role) {
      const tensor = tensors.find(layer, role);
      if (tensor === undefined) return null;
      const values = await read(tensor, 0, elements(tensor.shape.slice(0, -1)));
      if (values.dtype === "F32") return floatsOf(values);
      return toFloats(values.bytes, values.dtype, kernel);
    },
    async matrix(layer, role, expert = 0, range) {
      const tensor = tensors.get(layer, role);
      const rows = tensor.shape.at(-2)!;
      const [start, end] = range ?? [0, rows];
      return read(tensor, expert * rows + start, expert * rows + end);
    },
  };
}

/** Rows `[start, end)` of each tensor that the file holds of this one, counted over its stack. */
function readRows(
  readBytes: ReadBytes,
  tensor: FinishedTensor,
  start: number,
  end: number,
): Promise<Uint8Array<SharedArrayBuffer>[]> {
  const parts = storedTensors(tensor, tensor.width, tensor.dtype as FloatDtype);
  return Promise.all(
    parts.map(async ({ name, dtype, shape }) => {
      const rowBytes = shape.at(-1)! * bytesPerElement[dtype]!;
      const into = sharedBytes((end - start) * rowBytes);
      await readBytes(name, start * rowBytes, into);
      return into;
    }),
  );
}
