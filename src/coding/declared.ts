import { isDeepStrictEqual } from "node:util";
import { asObject, parseJson, quote, show } from "../checkpoint/json.ts";
import type { ModelConfig } from "../checkpoint/model-config.ts";
import { type Repository, readText } from "../checkpoint/repository.ts";
import { OqeError } from "../ground/errors.ts";
import { type Group, type SchemesOf, schemesByModule } from "./groups.ts";
import { groupsByMethod } from "./methods.ts";
import { refuseQuantized } from "./refusal.ts";
import type { Fields, Refuse } from "./scheme.ts";
import { joinSkipped, type Skipped } from "./skipped.ts";
import { skippedBy } from "./skipped-by.ts";

/** What a base's files say about the coding of its weights. */
export interface Declared {
  /** `quant_method` of its config. */
  readonly method: string;
  /** Which modules are coded in which ways. Empty: all weights are floats. */
  readonly groups: readonly Group[];
  readonly schemesOf: SchemesOf;
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
  const contrary = others.find((other) => !isDeepStrictEqual(first.groups, other.groups));
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
  return { ...first, skipped };
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
  const named = fields.quant_method ?? usual ?? undefined;
  // `modelopt_fp4`, `modelopt_mixed` and the like are names of the same settings.
  const isModelOpt = typeof named === "string" && named.startsWith("modelopt");
  const method = isModelOpt ? "modelopt" : named;
  const place = `${file} has ${quote(key)}`;
  if (typeof method !== "string" || !Object.hasOwn(groupsByMethod, method)) {
    const how = method ?? fields.mode;
    return refuseQuantized(repository, how === undefined ? place : `${place} (${show(how)})`);
  }
  const refuse: Refuse = (found, known) =>
    refuseQuantized(
      repository,
      `${place} (${show(method)}) with ${found}; this program decodes ${known}`,
    );
  const groups = groupsByMethod[method]!(fields, refuse);
  const schemesOf = schemesByModule(groups, refuse);
  return { method, groups, schemesOf, skipped: skippedBy(method, fields, refuse) };
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
