import { isDeepStrictEqual } from "node:util";
import { asObject, parseJson, quote, show } from "../checkpoint/json.ts";
import type { ModelConfig } from "../checkpoint/model-config.ts";
import { type Repository, readText } from "../checkpoint/repository.ts";
import { OqeError } from "../ground/errors.ts";
import { schemesByMethod } from "./methods.ts";
import { refuseQuantized } from "./refusal.ts";
import type { Fields, Scheme } from "./scheme.ts";
import { joinSkipped, type Skipped } from "./skipped.ts";

/** What a base's files say about the coding of its weights. */
export interface Declared {
  /** `quant_method` of its config. */
  readonly method: string;
  /** The ways in which a matrix may be coded. Empty: all weights are floats. */
  readonly schemes: readonly Scheme[];
  /** Modules that are named as not quantized. */
  readonly skipped: Skipped;
}

/** NVIDIA's ModelOpt writes its settings here, and in newer versions into config.json too. */
const modelOptFile = "hf_quant_config.json";
/**
 * Keys of config.json and of its `text_config` in which MLX, transformers and older versions of
 * compressed-tensors have the settings.
 */
export const settingsKeys = ["quantization", "quantization_config", "compression_config"] as const;
/** Keys that list modules which are not quantized, each with its whole name. */
const moduleKeys = ["ignored_layers", "ignore"];
/** Keys of transformers and ModelOpt, whose entries stand for the modules below them too. */
const underKeys = ["modules_to_not_convert", "exclude_modules"];

interface Place {
  readonly file: string;
  readonly key: string;
  readonly settings: unknown;
  /** The method where the settings name none. */
  readonly usual: string | null;
}

/** The settings of ModelOpt; null where the base has no such file. */
export async function readModelOptSettings(repository: Repository): Promise<unknown> {
  if (!repository.files.has(modelOptFile)) return null;
  const where = `${repository.name}/${modelOptFile}`;
  const document = parseJson(await readText(repository, modelOptFile), where);
  return asObject(document)?.quantization ?? null;
}

/**
 * Finds what the base says about the coding of its weights, in every place where readers look.
 * Null: it says nothing.
 * Throws ALREADY_QUANTIZED for a coding that is not decoded, BAD_CHECKPOINT for two places that
 * contradict each other.
 */
export function findDeclared(
  config: ModelConfig,
  modelOpt: unknown,
  repository: Repository,
): Declared | null {
  const found = placesOf(config, modelOpt)
    .filter(({ settings }) => !isEmpty(settings))
    .map((place) => ({ ...place, ...declaredAt(place, repository) }));
  const [first, ...others] = found;
  if (first === undefined) return null;
  const contrary = others.find((other) => !isDeepStrictEqual(first.schemes, other.schemes));
  if (contrary !== undefined) {
    const [one, other] = [first, contrary].map(
      ({ file, key, method }) => `"${key}" of ${file} (${method})`,
    );
    throw new OqeError(
      "BAD_CHECKPOINT",
      `${repository.name} declares two codings of its weights: ${one} and ${other} contradict ` +
        "each other",
      "Readers would decode different weights. Ask the model's authors which one is meant.",
    );
  }
  const skipped = joinSkipped(found.map((one) => one.skipped));
  return { method: first.method, schemes: first.schemes, skipped };
}

function placesOf(config: ModelConfig, modelOpt: unknown): Place[] {
  const inner = asObject(config.text_config);
  const usual = (key: string) => (key === "compression_config" ? "compressed-tensors" : null);
  const file = "config.json";
  return [
    ...settingsKeys.map((key) => ({ file, key, settings: config[key], usual: usual(key) })),
    ...settingsKeys.map((key) => {
      return { file, key: `text_config.${key}`, settings: inner?.[key], usual: usual(key) };
    }),
    { file: modelOptFile, key: "quantization", settings: modelOpt, usual: "modelopt" },
  ];
}

/**
 * Whether settings say nothing. Some exporters write null, false or an empty object.
 */
function isEmpty(value: unknown): boolean {
  const fields = asObject(value);
  return (value ?? false) === false || (fields !== undefined && Object.keys(fields).length === 0);
}

function declaredAt({ file, key, settings, usual }: Place, repository: Repository): Declared {
  const fields: Fields = asObject(settings) ?? {};
  const method = fields.quant_method ?? usual ?? undefined;
  const place = `${file} has ${quote(key)}`;
  if (typeof method !== "string" || !Object.hasOwn(schemesByMethod, method)) {
    const how = method ?? fields.mode;
    return refuseQuantized(repository, how === undefined ? place : `${place} (${show(how)})`);
  }
  const refuse = (found: string, known: string): never =>
    refuseQuantized(
      repository,
      `${place} (${show(method)}) with ${found}; this program decodes ${known}`,
    );
  // Of some checkpoints of ModelOpt, only the key-value cache is quantized.
  const isFloat = method === "modelopt" && (fields.quant_algo ?? null) === null;
  const schemes = isFloat ? [] : schemesByMethod[method]!(fields, refuse);
  const under = underKeys.flatMap((list) => namesIn(fields[list]));
  const skipped = {
    modules: new Set(moduleKeys.flatMap((list) => namesIn(fields[list]))),
    under: new Set(under.filter((name) => !name.includes("*"))),
    patterns: under.filter((name) => name.includes("*")),
  };
  return { method, schemes, skipped };
}

function namesIn(list: unknown): string[] {
  const names = Array.isArray(list) ? list : [];
  return names.filter((name): name is string => typeof name === "string");
}

/** A copy of a config without any settings of a coding, at its top level and in its objects. */
export function withoutSettings(config: ModelConfig): ModelConfig {
  const entries = Object.entries(without(config)).map(([key, value]) => {
    const inner = asObject(value);
    return [key, inner === undefined ? value : without(inner)];
  });
  return Object.fromEntries(entries);
}

function without(fields: ModelConfig): ModelConfig {
  const copy = { ...fields };
  for (const key of settingsKeys) delete copy[key];
  return copy;
}
