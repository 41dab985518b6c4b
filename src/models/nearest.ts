import { asObject } from "../checkpoint/json.ts";
import type { ModelConfig } from "../checkpoint/model-config.ts";
import type { Architecture, Role } from "./architecture.ts";
import { partOf } from "./carried.ts";
import { layerKinds } from "./layer-kind.ts";

/** The supported architecture whose tensors a checkpoint resembles most, and what differs. */
export interface Nearest {
  readonly architecture: Architecture;
  /** Of the checkpoint's names, layers and experts counted once: how many the role table has. */
  readonly known: number;
  readonly names: number;
  /** Names that the role table lacks, `*` for numbers. */
  readonly unknown: readonly string[];
  /** Names that every block of that architecture needs and the checkpoint lacks. */
  readonly missing: readonly string[];
  /** Keys of the config that change a model's arithmetic, and what they stand for. */
  readonly features: readonly string[];
}

/** Below this share of known names no architecture counts as near. */
const leastShare = 0.5;

/** Keys that configs of transformers have for parts that not every model has. */
const features: Readonly<Record<string, string>> = {
  attn_logit_softcapping: "soft caps of attention scores",
  final_logit_softcapping: "a soft cap of logits",
  first_k_dense_replace: "dense first layers",
  kv_lora_rank: "latent attention",
  layer_types: "layers of several kinds",
  linear_num_value_heads: "linear attention",
  mamba_d_state: "Mamba layers",
  n_group: "groups of experts",
  n_shared_experts: "shared experts",
  num_kv_shared_layers: "layers that share keys and values",
  num_nextn_predict_layers: "multi-token prediction",
  partial_rotary_factor: "rotary embedding of some channels",
  q_lora_rank: "queries of low rank",
  query_pre_attn_scalar: "its own scale of attention",
  routed_scaling_factor: "scaled expert weights",
  sliding_window: "a sliding window",
  llm_config: "a text model inside another",
  text_config: "a text model inside another",
  audio_config: "an audio tower",
  vision_config: "a vision tower",
};

/** Keys of the config of a text model inside another. */
const innerKeys = ["text_config", "llm_config"];

/** The nearest architecture by names of tensors; null if none has half of them. */
export function findNearest(
  config: ModelConfig,
  tensors: Iterable<string>,
  among: readonly Architecture[],
): Nearest | null {
  const all = [...new Set([...tensors].map(patternOf))].sort();
  let nearest: Nearest | null = null;
  let least = Number.POSITIVE_INFINITY;
  for (const architecture of among) {
    // Parts that are only copied say nothing about the language model.
    const names = all.filter((name) => partOf(architecture.carried ?? [], name) === null);
    const table = tableOf(architecture);
    const unknown = names.filter((name) => !table.has(name));
    const known = names.length - unknown.length;
    if (known < leastShare * names.length) continue;
    const missing = [...table].flatMap(([name, always]) =>
      always && !names.includes(name) ? [name] : [],
    );
    const distance = unknown.length + missing.length + absentParts(architecture, new Set(names));
    if (distance >= least) continue;
    least = distance;
    const found = { known, names: names.length, unknown, missing };
    nearest = { architecture, ...found, features: featuresOf(config) };
  }
  return nearest;
}

/** How many parts of the model, such as a shared expert, have no tensor among the names. */
function absentParts({ outer, roles }: Architecture, names: ReadonlySet<string>): number {
  const rows = [...outer, ...layerKinds.flatMap(roles)];
  const present = rows.filter(({ base }) => names.has(patternOf(base)));
  const partsOf = (some: readonly Role[]) => new Set(some.map(({ part }) => part)).size;
  return partsOf(rows) - partsOf(present);
}

/** Names of the role table, and whether every config and every kind of block has them. */
function tableOf({ outer, roles }: Architecture): Map<string, boolean> {
  const tables = layerKinds.flatMap((kind) => {
    const rows = roles(kind);
    return rows.length > 0 ? [rows] : [];
  });
  const table = new Map<string, boolean>();
  for (const rows of [outer, ...tables]) {
    for (const role of rows) {
      const inAll = rows === outer || tables.every((one) => one.some((r) => r.base === role.base));
      table.set(patternOf(role.base), inAll && role.when === undefined);
    }
  }
  return table;
}

/** Numbers, and the places of numbers in a role's name, as `*`. */
function patternOf(name: string): string {
  return name.replace(/\{[ie]\}/g, "*").replace(/(?<=^|\.)\d+(?=\.|$)/g, "*");
}

function featuresOf(config: ModelConfig): string[] {
  const isSet = (value: unknown) =>
    value !== undefined && value !== null && value !== false && value !== 0;
  const inner = innerKeys.map((key) => asObject(config[key]) ?? {});
  return Object.entries(features).flatMap(([key, what]) =>
    [config, ...inner].some((fields) => isSet(fields[key])) ? [`${key} (${what})`] : [],
  );
}
