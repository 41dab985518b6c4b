import { isDeepStrictEqual } from "node:util";
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import { openCheckpoint } from "../checkpoint/checkpoint.ts";
import { storageDtype } from "../checkpoint/config.ts";
import type { ModelConfig } from "../checkpoint/model-config.ts";
import type { Repository } from "../checkpoint/repository.ts";
import type { BaseTensors } from "../coding/coding.ts";
import {
  type Declared,
  findDeclared,
  readModelOptSettings,
  withoutSettings,
} from "../coding/declared.ts";
import { checkPublisher } from "../coding/publisher.ts";
import { valueTensors } from "../coding/value-tensors.ts";
import { OqeError } from "../ground/errors.ts";
import { type FloatDtype, isFloat } from "../kernel/dtype.ts";
import { elements } from "../mlx/format.ts";
import { torchNames } from "../mlx/mlx-config.ts";
import type { Architecture, OutputTensor, PlannedTensor } from "../models/architecture.ts";
import { expand } from "../models/expand.ts";
import { findArchitecture, architectures as registered } from "../models/registry.ts";
import type { Source } from "../models/source.ts";
import { type CodedBase, describeCoding } from "./coded-base.ts";
import { untieOwnHead } from "./tied-head.ts";

/** A base model that was opened and compared with its role table. Planning needs no more. */
export interface Base {
  readonly checkpoint: Checkpoint;
  readonly architecture: Architecture;
  /** Folded (models/fold.ts). `checkpoint.config` is as the file has it. */
  readonly config: ModelConfig;
  /** Keys of `config` that the base leaves to transformers' defaults. */
  readonly assumed: readonly string[];
  /** Warnings about this base, one sentence each. */
  readonly warnings: readonly string[];
  /** Tensors of the MLX repo in order, with their dtype in the base. */
  readonly tensors: readonly PlannedTensor[];
  readonly storage: FloatDtype;
  readonly parameters: number;
  /** How the base is published, if its weights are codes; null: they are floats. */
  readonly coded: CodedBase | null;
}

export interface BaseOptions {
  /** Accept shards that end with their header, so that a plan needs no download. */
  readonly allowHeaderOnly: boolean;
  /** Default: all that are registered. */
  readonly architectures?: readonly Architecture[];
}

/**
 * Opens a base: reads headers and config, no weights.
 * Throws UNSUPPORTED_MODEL, ALREADY_QUANTIZED, BAD_CHECKPOINT, MISSING_FILE.
 */
export async function readBase(repository: Repository, options: BaseOptions): Promise<Base> {
  const { allowHeaderOnly, architectures = registered } = options;
  const ignores = (name: string, config: ModelConfig) => {
    const architecture = findArchitecture(config, architectures);
    return architecture.dropped(name, architecture.fold(config).config);
  };
  const modelOpt = await readModelOptSettings(repository);
  let declared: Declared | null = null;
  const checkConfig = (config: ModelConfig) => {
    declared = findDeclared(config, modelOpt, repository);
  };
  const checkpoint = await openCheckpoint(repository, { allowHeaderOnly, ignores, checkConfig });
  try {
    const architecture = findArchitecture(checkpoint.config, architectures);
    const values = valueTensors(checkpoint.tensors, declared, repository);
    const folded = await untieOwnHead(
      architecture,
      architecture.fold(withoutSettings(checkpoint.config)),
      { checkpoint, values },
    );
    const { config } = folded;
    const tensors = expand(architecture, config, values).map((tensor) => ({
      ...tensor,
      dtype: valueDtype(tensor, values),
    }));
    const coded = describeCoding(tensors, checkpoint.tensors);
    const unsure = coded === null ? null : await checkPublisher(repository);
    const parameters = tensors.reduce((sum, tensor) => sum + elements(tensor.shape), 0);
    return {
      checkpoint,
      architecture,
      ...folded,
      warnings: [
        ...folded.warnings,
        ...(coded === null ? [] : [coded.words]),
        ...(unsure === null ? [] : [unsure]),
      ],
      tensors,
      storage: storageDtype(config, floatsOf(values)),
      parameters,
      coded,
    };
  } catch (error) {
    await checkpoint.close();
    throw error;
  }
}

/** Dtype of a tensor's values as the reader gives them. */
function valueDtype({ sources }: OutputTensor, values: BaseTensors): FloatDtype {
  const [{ tensor, plus, coding }] = sources as readonly [Source];
  if (coding !== null) return "F32";
  const { dtype } = values.get(tensor)!;
  if (isFloat(dtype)) return plus === 0 ? dtype : "F32";
  throw new OqeError(
    "BAD_CHECKPOINT",
    `tensor "${tensor}" is ${dtype}; weights should be BF16, F16 or F32`,
  );
}

/** The tensors that the base stores as they are. */
function floatsOf(values: BaseTensors) {
  return [...values.values()].filter(({ coding }) => coding === undefined);
}

/**
 * Differences between config.json of the MLX repository and the base's, for the card. There is a
 * sentence for each changed value, and one for all defaults that are written out. The base's
 * warnings follow.
 */
export function describeConfigChanges(base: Base): string[] {
  const { architecture, config, storage, assumed, warnings } = base;
  const written: ModelConfig = {
    ...architecture.mlxConfig(config),
    torch_dtype: torchNames[storage],
  };
  const changed = Object.keys(written).filter(
    (key) => !isDeepStrictEqual(written[key], config[key]),
  );
  const sentences = changed.map((key) => {
    const before =
      config[key] === undefined ? "absent in the base" : `${show(config[key])} in the base`;
    const reason = key === "torch_dtype" ? dtypeReason : architecture.configReasons[key];
    const change = `\`${key}\` is ${show(written[key])} (${before})`;
    return reason === undefined ? change : `${change}: ${reason}`;
  });
  const defaults = assumed.map((key) => `\`${key}\` ${show(config[key])}`).join(", ");
  const stated = `absent in the base, written with transformers' defaults: ${defaults}`;
  return [...sentences, ...(assumed.length === 0 ? [] : [stated]), ...warnings];
}

const dtypeReason =
  "scales, biases and unquantized tensors are stored in it; a wider base was rounded to it";

/** Longest value in a sentence: a receipt takes no line of more than 4,096 characters. */
const longestShown = 1000;

/** JSON on one line, but with the numbers that JSON lacks; cut where it is long. */
function show(value: unknown): string {
  const text = jsonOf(value).replace(/\p{Cc}/gu, " ");
  return text.length > longestShown ? `${text.slice(0, longestShown)}…` : text;
}

function jsonOf(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(jsonOf).join(", ")}]`;
  return typeof value === "number" ? String(value) : JSON.stringify(value);
}
