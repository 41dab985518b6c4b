import { asObject, quote, show } from "../checkpoint/json.ts";
import { everyModule, type Group } from "./groups.ts";
import {
  type Fields,
  floatScheme,
  isCount,
  oneScale,
  type Refuse,
  rowScales,
  type Scheme,
} from "./scheme.ts";

/** The algorithms of NVIDIA's ModelOpt that are decoded. Others need a second scale. */
const algorithms: Readonly<Record<string, (layer: Fields, refuse: Refuse) => Scheme>> = {
  FP8: () => floatScheme("fp8", oneScale),
  FP8_PER_CHANNEL_PER_TOKEN: () => floatScheme("fp8", rowScales),
  FP8_PB_WO: ({ group_size: size = null }, refuse) => {
    if (size !== null && !isCount(size)) refuse(`blocks of ${show(size)}`, "sizes above 0");
    const side = (size as number | null) ?? 128;
    return floatScheme("fp8", [side, side]);
  },
  MXFP8: () => floatScheme("fp8", [1, 32], true),
};
const known = `${Object.keys(algorithms).join(", ")} and a mixture of them`;

/** What ModelOpt says for a layer; some versions write it in small letters. */
function algorithmOf({ quant_algo: algorithm = null }: Fields): unknown {
  return typeof algorithm === "string" ? algorithm.toUpperCase() : algorithm;
}

/** The settings themselves: some files have them one level down. */
export function modelOptFields(settings: Fields): Fields {
  return asObject(settings.quantization) ?? settings;
}

/**
 * The groups of modules that a checkpoint of ModelOpt codes alike. `MIXED_PRECISION` names each
 * module or the one above it with its algorithm. Without an algorithm, weights are floats: only the
 * key-value cache is quantized.
 */
export function modelOptGroups(settings: Fields, refuse: Refuse): readonly Group[] {
  const fields = modelOptFields(settings);
  const algorithm = algorithmOf(fields);
  if (algorithm === null) return [];
  if (algorithm !== "MIXED_PRECISION") return everyModule([schemeOf(fields, "", refuse)]);
  const layers = Object.entries(asObject(fields.quantized_layers) ?? {});
  if (layers.length === 0) refuse(`quant_algo ${show(algorithm)} without quantized_layers`, known);
  const groups = new Map<string, { schemes: readonly Scheme[]; targets: string[] }>();
  for (const [module, layer] of layers) {
    const own = asObject(layer) ?? {};
    const key = JSON.stringify([algorithmOf(own), own.group_size ?? null]);
    const of = ` for ${quote(module)}`;
    const group = groups.get(key) ?? { schemes: [schemeOf(own, of, refuse)], targets: [] };
    groups.set(key, group);
    group.targets.push(module);
  }
  const sorted = [...groups].sort(([a], [b]) => (a < b ? -1 : 1));
  return sorted.map(([, { schemes, targets }]) => {
    return { schemes, targets: targets.sort(), isDeep: true };
  });
}

function schemeOf(layer: Fields, of: string, refuse: Refuse): Scheme {
  const algorithm = algorithmOf(layer);
  if (typeof algorithm === "string" && Object.hasOwn(algorithms, algorithm))
    return algorithms[algorithm]!(layer, refuse);
  return refuse(`quant_algo ${show(algorithm)}${of}`, known);
}
