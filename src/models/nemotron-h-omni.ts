import { show } from "../checkpoint/json.ts";
import { OqeError } from "../ground/errors.ts";
import type { Architecture, Role } from "./architecture.ts";
import { objectAt } from "./fold.ts";
import { foldNemotronH } from "./fold-nemotron-h.ts";
import { foldNested } from "./fold-nested.ts";
import { nemotronH } from "./nemotron-h.ts";

/** Where the language model lies in the base. */
const prefix = "language_model.";
/**
 * The towers and what joins them to the language model: RADIO for images and videos, Parakeet for
 * sound (transformers' conversion_mapping.py, mlx-vlm's nemotron_h_nano_omni).
 */
const towers = [
  "vision_model.",
  "vision_projector.",
  "mlp1.",
  "sound_encoder.",
  "sound_projection.",
];

const inBase = (role: Role): Role => ({ ...role, base: prefix + role.base });

/**
 * Nemotron-H with towers for images, videos and sound. mlx-lm 0.32.2 has no such type, and its
 * `nemotron_h` refuses tensors that it does not know. So the tiers are the language model alone,
 * a plain `nemotron_h`. mlx-vlm runs the whole, from other names, which mlx-lm does not load.
 */
export const nemotronHOmni: Architecture = {
  ...nemotronH,
  baseTypes: [
    "nemotron_h_omni",
    "NemotronH_Omni_Reasoning_V3",
    "NemotronH_Nano_Omni_Reasoning_V3",
    "NemotronH_Nano_VL_V2",
  ],
  label: "Nemotron-H Omni",
  fold(raw) {
    // Published configs have the older key; transformers writes the other.
    const [older, newer] = ["llm_config", "text_config"].map((key) => objectAt(raw, key));
    const key = older === undefined || newer !== undefined ? "text_config" : "llm_config";
    const { wrapper: _, ...folded } = foldNested((text) => {
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
    return { ...folded, warnings: [...folded.warnings, languageAlone] };
  },
  outer: nemotronH.outer.map(inBase),
  roles: (kind) => nemotronH.roles(kind).map(inBase),
  carried: nemotronH.carried!.map((one) => ({ ...one, names: [["mtp."], [`${prefix}mtp.`]] })),
  dropped: (name) => towers.some((tower) => name.startsWith(tower)),
};

const languageAlone =
  "the tiers are the language model alone: mlx-lm has no towers for images, videos and sound of " +
  "this model";
