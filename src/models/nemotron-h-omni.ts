import { show } from "../checkpoint/json.ts";
import type { ModelConfig } from "../checkpoint/model-config.ts";
import { OqeError } from "../ground/errors.ts";
import type { Architecture, Role } from "./architecture.ts";
import type { Carried } from "./carried.ts";
import { type Folded, objectAt } from "./fold.ts";
import { foldNemotronH } from "./fold-nemotron-h.ts";
import { foldNested } from "./fold-nested.ts";
import { nemotronH } from "./nemotron-h.ts";
import { omniConfig } from "./omni-config.ts";
import { omniTowers } from "./omni-towers.ts";

/*
 * Nemotron-H with towers for images, videos and sound. No repository serves both loaders. mlx-lm
 * 0.32.2 has no such type, and its `nemotron_h` refuses tensors that it does not know. mlx-vlm
 * 0.7.10 runs the whole model, from names with `language_model.` in front.
 */

/** Where the language model lies in the base, and in a repository for mlx-vlm. */
const prefix = "language_model.";
/** Type of a repository for mlx-vlm. */
const vlmType = "nemotron_h_nano_omni";

const inBase = (role: Role): Role => ({ ...role, base: prefix + role.base });

/** Multi-token prediction, under either of two prefixes. A tier keeps the base's names. */
const mtp = nemotronH.carried!.flatMap((one): Carried[] => [
  { ...one, names: [["mtp."]] },
  { ...one, names: [[`${prefix}mtp.`]] },
]);

/** Folds the language model's config, and keeps the one around it. */
function foldOmni(raw: ModelConfig): Folded {
  // Published configs have the older key; transformers writes the other.
  const [older, newer] = ["llm_config", "text_config"].map((key) => objectAt(raw, key));
  const key = older === undefined || newer !== undefined ? "text_config" : "llm_config";
  return foldNested((text) => {
    const { model_type: type = nemotronH.modelType } = text;
    if (type !== nemotronH.modelType)
      throw new OqeError(
        "UNSUPPORTED_MODEL",
        `config.json: "model_type" in "${key}" is ${show(type)}, and should be ` +
          `"${nemotronH.modelType}"`,
        "Its language model is another one. See docs/adding-a-model.md.",
      );
    return foldNemotronH({ ...text, model_type: type });
  }, key)(raw);
}

const shared: Architecture = {
  ...nemotronH,
  baseTypes: [
    "nemotron_h_omni",
    "NemotronH_Omni_Reasoning_V3",
    "NemotronH_Nano_Omni_Reasoning_V3",
    vlmType,
  ],
  label: "Nemotron-H Omni",
  outer: nemotronH.outer.map(inBase),
  roles: (kind) => nemotronH.roles(kind).map(inBase),
  carried: [...omniTowers, ...mtp],
};

const inMlx = (role: Role): Role => ({ ...role, mlx: prefix + role.mlx });

/** The whole model, for mlx-vlm (models/nemotron_h_nano_omni). */
const omniInMlxVlm: Architecture = {
  ...shared,
  modelType: vlmType,
  loader: "mlx-vlm",
  fold(raw) {
    const { wrapper, ...folded } = foldOmni(raw);
    const config = { ...omniConfig(wrapper!.config), model_type: vlmType };
    return { ...folded, wrapper: { key: "text_config", config } };
  },
  outer: shared.outer.map(inMlx),
  roles: (kind) => shared.roles(kind).map(inMlx),
};

/** The language model alone, a plain `nemotron_h` for mlx-lm. */
export const nemotronHOmni: Architecture = {
  ...shared,
  // The earlier vision-language model, which mlx-vlm 0.7.10 lacks.
  baseTypes: [...shared.baseTypes!, "NemotronH_Nano_VL_V2"],
  inMlxVlm: omniInMlxVlm,
  fold(raw) {
    const { wrapper: _, ...folded } = foldOmni(raw);
    return { ...folded, warnings: [...folded.warnings, languageAlone] };
  },
  carried: [
    {
      part: "vision",
      names: [["vision_model."], ["vision_projector."], ["mlp1."]],
      isRefused: true,
    },
    { part: "audio", names: [["sound_encoder."], ["sound_projection."]], isRefused: true },
    ...mtp,
  ],
};

const languageAlone =
  "the tiers are the language model alone: mlx-lm has no towers for images, videos and sound of " +
  "this model. With the input loader as mlx-vlm the tiers are the whole model, and mlx-vlm alone " +
  "loads them";
