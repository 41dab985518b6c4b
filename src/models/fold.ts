import { isDeepStrictEqual } from "node:util";
import { asObject, show } from "../checkpoint/json.ts";
import type { ModelConfig } from "../checkpoint/model-config.ts";
import { OqeError } from "../ground/errors.ts";

/**
 * A config in one canonical spelling, with every default made explicit. Canonical keys are those
 * that mlx-lm reads; default values are those of transformers' config class for the model_type.
 */
export interface Folded {
  readonly config: ModelConfig;
  /** Keys that the base leaves to transformers' defaults. */
  readonly assumed: readonly string[];
  /** Differences between mlx-lm's and transformers' computation, one sentence each. */
  readonly warnings: readonly string[];
  /** The config around this one. Default: there is none. */
  readonly wrapper?: Wrapper;
}

/** The config of a model around its language model: towers and token numbers. */
export interface Wrapper {
  /** Key of the language model's config in it, for example `text_config`. */
  readonly key: string;
  /** All other keys, as the base has them. */
  readonly config: ModelConfig;
}

/** Values of absent keys. A function sees the keys before it; null is a value of its own there. */
export type Defaults = Readonly<Record<string, unknown | ((config: ModelConfig) => unknown)>>;

/** A config that is being folded. The functions of this file and of fold-rope.ts change it. */
export interface Folding {
  readonly config: ModelConfig;
  readonly assumed: string[];
  readonly warnings: string[];
}

/** Starts to fold a copy of `raw`: transformers 5 writes `dtype` for `torch_dtype`. */
export function beginFolding(raw: ModelConfig): Folding {
  const folding = { config: { ...raw }, assumed: [], warnings: [] };
  rename(folding.config, "dtype", "torch_dtype");
  return folding;
}

/** Sets each absent or null key to its default, in the order of the table. */
export function fillDefaults({ config, assumed }: Folding, defaults: Defaults): void {
  for (const [key, fallback] of Object.entries(defaults)) {
    if (config[key] !== undefined && config[key] !== null) continue;
    const value = typeof fallback === "function" ? fallback(config) : fallback;
    if (value !== null) assumed.push(key);
    config[key] = value;
  }
}

/** Moves a value to its canonical key. Throws BAD_CHECKPOINT where that has another value. */
export function rename(config: ModelConfig, from: string, to: string): void {
  if (!Object.hasOwn(config, from)) return;
  place(config, to, config[from], from);
  delete config[from];
}

/**
 * Sets a canonical key from the value that `source` gives; null and undefined set nothing.
 * Throws BAD_CHECKPOINT where the key has another value: two readers would run two models.
 */
export function place(config: ModelConfig, key: string, value: unknown, source: string): void {
  if (value === undefined || value === null) return;
  const present = config[key];
  if (present !== undefined && present !== null && !isDeepStrictEqual(present, value))
    throw contradiction(`${key} is ${show(present)}`, `${source} says ${show(value)}`);
  config[key] = value;
}

export function contradiction(one: string, other: string): OqeError {
  return new OqeError(
    "BAD_CHECKPOINT",
    `config.json: ${one}, but ${other}`,
    "Readers of the config would run different models. Correct the base's config.json.",
  );
}

/** Throws UNSUPPORTED_MODEL unless the value is one that mlx-lm assumes without reading it. */
export function requireOneOf(config: ModelConfig, key: string, known: readonly unknown[]): void {
  const value = config[key];
  if (value === undefined || value === null || known.includes(value)) return;
  throw new OqeError(
    "UNSUPPORTED_MODEL",
    `config.json: "${key}" is ${show(value)}; mlx-lm's ${show(config.model_type)} ` +
      `computes only ${known.map(show).join(", ")}`,
    "mlx-lm would run another model than this one. It needs an architecture that mlx-lm supports.",
  );
}

/** An object under `key`; undefined where it is absent, null or empty. Throws BAD_CHECKPOINT. */
export function objectAt(
  config: ModelConfig,
  key: string,
): Readonly<Record<string, unknown>> | undefined {
  const value = config[key];
  if (value === undefined || value === null) return undefined;
  const object = asObject(value);
  if (object === undefined) {
    throw new OqeError(
      "BAD_CHECKPOINT",
      `config.json: "${key}" should be an object, got ${show(value)}`,
      "Compare it with the config of the model that this one derives from.",
    );
  }
  return Object.keys(object).length === 0 ? undefined : object;
}
