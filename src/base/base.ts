import { isDeepStrictEqual } from "node:util";
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import { storageDtype } from "../checkpoint/config.ts";
import type { ModelConfig } from "../checkpoint/model-config.ts";
import type { Repository } from "../checkpoint/repository.ts";
import type { BaseTensors } from "../coding/coding.ts";
import { withoutSettings } from "../coding/declared.ts";
import { openCoded } from "../coding/open-coded.ts";
import { checkPublisher } from "../coding/publisher.ts";
import { OqeError } from "../ground/errors.ts";
import { type FloatDtype, isFloat } from "../kernel/dtype.ts";
import { elements, storedNames } from "../mlx/format.ts";
import { torchNames } from "../mlx/mlx-config.ts";
import type { Architecture, Loader, OutputTensor, PlannedTensor } from "../models/architecture.ts";
import {
  type Carried,
  type CarriedPart,
  type CarriedTensor,
  carryTensors,
  keptParts,
  partOf,
  partsAmong,
  refuseCollisions,
  sidecarsOf,
  splitCarried,
} from "../models/carried.ts";
import { expand } from "../models/expand.ts";
import type { Folded, Wrapper } from "../models/fold.ts";
import { architectureFor, forLoader, architectures as registered } from "../models/registry.ts";
import type { Source } from "../models/source.ts";
import { checkCarried } from "../models/whole-parts.ts";
import { type CodedBase, describeCarried, describeCoding } from "./coded-base.ts";
import { missingProcessor } from "./processor-files.ts";
import { refuseStray } from "./stray-files.ts";
import { untieOwnHead } from "./tied-head.ts";
import { architectureOf } from "./unknown-model.ts";

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
  /** Tensors of the MLX repo that have the values of the base. */
  readonly carried: readonly CarriedTensor[];
  /** Parts of the base that the MLX repo lacks. */
  readonly leftOut: readonly CarriedPart[];
  /** The config around `config`, without the towers that are left out; null: there is none. */
  readonly wrapper: Wrapper | null;
  readonly storage: FloatDtype;
  /** Of the language model. */
  readonly parameters: number;
  /** How the base is published, if its weights are codes; null: they are floats. */
  readonly coded: CodedBase | null;
}

export interface BaseOptions {
  /** Accept shards that end with their header, so that a plan needs no download. */
  readonly allowHeaderOnly: boolean;
  /** Default: all that are registered. */
  readonly architectures?: readonly Architecture[];
  /** Parts that the tiers hold beside the language model. Default: all that the base has. */
  readonly carry?: readonly CarriedPart[];
  /** The program that the tiers are written for. Default: mlx-lm. */
  readonly loader?: Loader;
}

/**
 * Opens a base: reads headers and config, no weights.
 * Throws UNSUPPORTED_MODEL, ALREADY_QUANTIZED, BAD_CHECKPOINT, MISSING_FILE.
 */
export async function readBase(repository: Repository, options: BaseOptions): Promise<Base> {
  const { allowHeaderOnly, architectures = registered, loader = "mlx-lm" } = options;
  const keptOf = (own: Architecture) => keptParts(own.carried, options.carry);
  const find = (config: ModelConfig) => {
    const own = architectureFor(config.model_type, architectures);
    return own && forLoader(own, loader, config.model_type);
  };
  const leavesOut = (name: string, config: ModelConfig) => {
    const own = find(config);
    const part = partOf(own?.carried ?? [], name)?.carried.part;
    return own !== undefined && part !== undefined && !keptOf(own).has(part);
  };
  const ignores = (name: string, config: ModelConfig) => {
    const own = find(config);
    if (own === undefined || leavesOut(name, config)) return true;
    return own.dropped(name, own.fold(config).config);
  };
  const { checkpoint, values } = await openCoded(repository, {
    allowHeaderOnly,
    ignores,
    leavesOut,
    sidecars: (config) => {
      const own = find(config);
      return own === undefined ? [] : sidecarsOf(own.carried, keptOf(own));
    },
  });
  try {
    const named = architectureOf({ ...checkpoint, tensors: values }, architectures);
    const known = forLoader(named, loader, checkpoint.config.model_type);
    const { carried: declared = [] } = known;
    const kept = keptOf(known);
    const { own, beside } = splitCarried(declared, values);
    const architecture = known.inLayoutOf?.(own.keys()) ?? known;
    const folded = await untieOwnHead(
      architecture,
      architecture.fold(withoutSettings(checkpoint.config)),
      { checkpoint, values },
    );
    const { config } = folded;
    await refuseStray(repository, checkpoint);
    const storage = storageDtype(config, floatsOf(own));
    const carried = carryTensors(declared, beside, storage);
    const tensors = expand(architecture, config, own).map((tensor) => ({
      ...tensor,
      dtype: valueDtype(tensor, values),
    }));
    // After the language model: where the config is of another checkpoint, that says it best.
    checkCarried(
      declared.filter(({ part }) => kept.has(part)),
      { config: checkpoint.config, folded: config },
      carried,
    );
    refuseCollisions(carried, new Set(tensors.flatMap(storedNames)));
    const coded = describeCoding(tensors, checkpoint.tensors);
    const carriedCodes = describeCarried(carried);
    const isCoded = coded !== null || carriedCodes !== null;
    const unsure = isCoded ? await checkPublisher(repository) : null;
    const parameters = tensors.reduce((sum, tensor) => sum + elements(tensor.shape), 0);
    return {
      checkpoint,
      architecture,
      ...folded,
      warnings: [
        ...folded.warnings,
        ...[coded?.words, carriedCodes, unsure, missingProcessor(repository, carried)].filter(
          (words) => typeof words === "string",
        ),
      ],
      tensors,
      carried,
      leftOut: partsAmong(declared, checkpoint.tensors.keys()).filter((part) => !kept.has(part)),
      wrapper: wrapperOf(folded, declared, kept),
      storage,
      parameters,
      coded,
    };
  } catch (error) {
    await checkpoint.close();
    throw error;
  }
}

/** The outer config, without the keys of the parts that are left out. */
function wrapperOf(
  { wrapper }: Folded,
  declared: readonly Carried[],
  kept: ReadonlySet<CarriedPart>,
): Wrapper | null {
  if (wrapper === undefined) return null;
  const left = declared
    .filter(({ part }) => !kept.has(part))
    .flatMap(({ configKeys = [] }) => configKeys);
  const entries = Object.entries(wrapper.config).filter(([key]) => !left.includes(key));
  return { ...wrapper, config: Object.fromEntries(entries) };
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
