import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import { openCheckpoint } from "../checkpoint/checkpoint.ts";
import { storageDtype } from "../checkpoint/config.ts";
import { asObject } from "../checkpoint/json.ts";
import type { ModelConfig } from "../checkpoint/model-config.ts";
import type { Repository } from "../checkpoint/repository.ts";
import { OqeError } from "../ground/errors.ts";
import { bytesPerElement, type FloatDtype, isFloat } from "../kernel/dtype.ts";
import type { Kernel } from "../kernel/kernel-types.ts";
import { floatsOf, sharedBytes, type Weight } from "../kernel/matrix.ts";
import { toFloats } from "../kernel/to-floats.ts";
import type { Bits, GroupSize, Width } from "../kernel/width.ts";
import type { PlannedTensor } from "../models/architecture.ts";
import { byRole } from "../models/by-role.ts";
import { expandTable } from "../models/expand.ts";
import { Ops } from "../models/ops.ts";
import { findArchitecture } from "../models/registry.ts";
import type { Model, WeightSource } from "../models/run.ts";
import { elements, isAligned, modulePath, storedTensors } from "./format.ts";

/** A tensor of a finished repository: as quantized as its config says. */
export interface FinishedTensor extends PlannedTensor {
  /** Undefined: kept as it is. */
  readonly width: Width | undefined;
}

/** A finished MLX repository that can be run by the same forward pass as its base. */
export interface FinishedModel extends Model {
  /** Every tensor of the role table; `dtype` is that of scales and biases, or of a kept tensor. */
  readonly tensors: readonly FinishedTensor[];
  close(): Promise<void>;
}

/**
 * Opens what oqe-publisher or `mlx_lm.convert -q` made, a folder or a repository on the Hub. Every tensor that the role table and the config promise must be
 * there, in the shape that its width gives. Throws BAD_CHECKPOINT, MISSING_FILE, UNSUPPORTED_MODEL.
 */
export async function openFinished(repository: Repository, kernel: Kernel): Promise<FinishedModel> {
  const checkpoint = await openCheckpoint(repository, { allowQuantized: true });
  try {
    const architecture = findArchitecture(checkpoint.config);
    const { config } = architecture.fold(checkpoint.config);
    const tensors = expandTable(architecture, config).map((tensor) =>
      holdAgainst({ ...checkpoint, config }, tensor),
    );
    const read = async (name: string, byteOffset: number, into: Uint8Array) => {
      await checkpoint.read(name, byteOffset, into.byteLength, into);
    };
    const weights = storedWeights(tensors, read, kernel);
    return {
      architecture,
      config,
      tensors,
      weights,
      ops: new Ops(kernel),
      close: () => checkpoint.close(),
    };
  } catch (error) {
    await checkpoint.close();
    throw error;
  }
}

/** The tensor with its dtype and width as the files have it. */
function holdAgainst(
  { tensors, config, repository }: Checkpoint,
  tensor: Omit<PlannedTensor, "dtype">,
): FinishedTensor {
  const path = modulePath(tensor);
  const scales = tensors.get(`${path}.scales`);
  const dtype = (scales ?? tensors.get(tensor.name))?.dtype ?? storageDtype(config, []);
  const width = scales === undefined ? undefined : widthOf(config, path);
  const bad = (what: string) =>
    new OqeError("BAD_CHECKPOINT", `${repository.name}: ${what}`, "Make it anew.");
  if (!isFloat(dtype)) throw bad(`"${tensor.name}" is ${dtype}, not a float`);
  if (width !== undefined && !isAligned(tensor.shape, width.groupSize))
    throw bad(`"${path}" has no whole groups`);
  for (const { name, shape } of storedTensors({ ...tensor, dtype }, width, dtype)) {
    const found = tensors.get(name);
    if (found === undefined) throw bad(`tensor "${name}" is missing`);
    if (elements(found.shape) !== elements(shape) || found.shape.at(-1) !== shape.at(-1)) {
      const has = `${found.file}: tensor "${name}" has shape [${found.shape.join(", ")}]`;
      throw bad(`${has}, but config.json gives [${shape.join(", ")}]`);
    }
  }
  return { ...tensor, dtype, width };
}

/** Width of a module by the config's `quantization`: its own, else the default. */
function widthOf(config: ModelConfig, path: string): Width {
  const quantization = asObject(config.quantization ?? config.quantization_config);
  const own = asObject(quantization?.[path]) ?? quantization;
  const { bits, group_size: groupSize = 64, mode = "affine" } = own ?? {};
  const isKnown =
    [2, 3, 4, 5, 6, 8].includes(bits as number) && [32, 64, 128].includes(groupSize as number);
  if (isKnown && mode === "affine")
    return { bits: bits as Bits, groupSize: groupSize as GroupSize };
  throw new OqeError(
    "BAD_CHECKPOINT",
    `config.json: quantization of "${path}" is ${JSON.stringify(own) ?? "missing"}, no affine width of MLX`,
  );
}

/** Weights decoded to float32 when asked: codes · scale + bias, as a reader in float32 gets them. `readBytes`: of a tensor as it is stored. */
export function storedWeights(
  finished: readonly FinishedTensor[],
  readBytes: (name: string, byteOffset: number, into: Uint8Array) => Promise<void>,
  kernel: Kernel,
): WeightSource {
  const tensors = byRole(finished);
  /** Rows `[start, end)` of everything that the tensor is stored as, all axes but the last being rows. */
  const read = (tensor: FinishedTensor, start: number, end: number) => {
    const parts = storedTensors(tensor, tensor.width, tensor.dtype as FloatDtype);
    return Promise.all(
      parts.map(async ({ name, dtype, shape }) => {
        const rowBytes = shape.at(-1)! * bytesPerElement[dtype]!;
        const into = sharedBytes((end - start) * rowBytes);
        await readBytes(name, start * rowBytes, into);
        return into;
      }),
    );
  };
  return {
    async unquantized(layer, role) {
      const tensor = tensors.find(layer, role);
      if (tensor === undefined) return null;
      if (tensor.width !== undefined)
        return floatsOf(await decode(tensor, tensor.width, 0, rowsIn(tensor)));
      const [bytes] = await read(tensor, 0, rowsIn(tensor));
      return toFloats(bytes!, tensor.dtype as FloatDtype, kernel);
    },
    async matrix(layer, role, expert = 0, range): Promise<Weight> {
      const tensor = tensors.get(layer, role);
      const [rows, columns] = tensor.shape.slice(-2) as [number, number];
      const [start, end] = (range ?? [0, rows]).map((row) => expert * rows + row) as [
        number,
        number,
      ];
      if (tensor.width !== undefined) return decode(tensor, tensor.width, start, end);
      const [bytes] = await read(tensor, start, end);
      return { bytes: bytes!, dtype: tensor.dtype as FloatDtype, rows: end - start, columns };
    },
  };

  async function decode(
    tensor: FinishedTensor,
    width: Width,
    start: number,
    end: number,
  ): Promise<Weight> {
    const columns = tensor.shape.at(-1)!;
    const [words, scales, biases] = (await read(tensor, start, end)) as [
      Uint8Array,
      Uint8Array,
      Uint8Array,
    ];
    const packed = {
      words,
      scales,
      biases,
      store: tensor.dtype as FloatDtype,
      rows: end - start,
      columns,
      ...width,
    };
    const values = (await kernel.dequantize(packed)) as Float32Array<SharedArrayBuffer>;
    const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    return { bytes, dtype: "F32", rows: end - start, columns };
  }
}

function rowsIn({ shape }: FinishedTensor): number {
  return elements(shape.slice(0, -1));
}
