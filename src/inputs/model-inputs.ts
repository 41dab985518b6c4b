import { parseDomainWeights } from "../calibration/domain-weights.ts";
import { loaders } from "../models/architecture.ts";
import { carriedParts } from "../models/carried.ts";
import { defaultFloors, parseFloors } from "../plan/floors.ts";
import { policies } from "../plan/plan.ts";
import { choice, optionalChoice, parsed, plain, several } from "./input-kinds.ts";
import { foreseeing, type InputRow, making, measuring } from "./input-row.ts";
import { parseProxy, parseSensitivityFile } from "./input-values.ts";

export const modelInputs = [
  {
    name: "base-model",
    group: "Model",
    commands: [],
    default: "",
    example: "Qwen/Qwen3-1.7B",
    required: true,
    ...plain("<model>"),
    doc: "Base model: `org/name` or `org/name@revision` on the Hub, or a folder",
  },
  {
    name: "revision",
    group: "Model",
    commands: measuring,
    default: "",
    example: "v1.0",
    ...plain("<revision>"),
    doc:
      "Branch, tag or commit of the base model. The run resolves it to a commit once and " +
      "reads every byte from that commit. Empty means `main`",
  },
  {
    name: "namespace",
    group: "Model",
    commands: measuring,
    ignoredBy: [...foreseeing, "quantize"],
    default: "",
    example: "your-name",
    required: true,
    ...plain("<name>"),
    doc: "User or organization on the Hub that owns the tier repositories",
  },
] as const satisfies readonly InputRow[];

export const tierInputs = [
  {
    name: "tiers",
    group: "Tiers",
    form: "list",
    commands: making,
    default: "",
    example: "oQ6e,oQ4e",
    ...plain("<tiers>"),
    doc:
      "Tiers to make, separated by commas or spaces: oQ8e, oQ6e, oQ5e, oQ4e, and custom tiers by " +
      "name, such as oQ4.25e. Empty means these four, or only the custom tiers below if there " +
      "are any",
  },
  {
    name: "target-bpw",
    group: "Tiers",
    form: "list",
    commands: making,
    default: "",
    example: "4.25",
    ...plain("<bits>"),
    doc: "Custom tiers by bits per weight (bpw), scales and biases included: `4.25` makes oQ4.25e",
  },
  {
    name: "target-size",
    group: "Tiers",
    form: "list",
    commands: making,
    default: "",
    example: "18GB",
    ...plain("<size>"),
    doc: "Custom tiers by the size of their tensors in GB, GiB, MB or MiB: `18GB` makes oQ18GBe",
  },
  {
    name: "carry",
    group: "Tiers",
    form: "list",
    commands: measuring,
    default: carriedParts.join(","),
    example: "vision",
    ...several(...carriedParts),
    doc:
      "Parts of the base that the tiers hold beside the language model, unquantized, as a list " +
      "or `none`: `vision` and `audio` towers, `mtp` (multi-token prediction). A base without a " +
      "part gives none",
  },
  {
    name: "loader",
    group: "Tiers",
    commands: measuring,
    default: "mlx-lm",
    example: "mlx-vlm",
    ...choice(...loaders),
    doc:
      "Program that the tiers are written for. Only Nemotron Omni differs: mlx-lm loads its " +
      "language model alone, `mlx-vlm` the whole model from a repository that mlx-lm does not load",
  },
  {
    name: "policy",
    group: "Tiers",
    commands: making,
    default: "",
    ...optionalChoice(...policies),
    doc:
      "How bit widths are chosen. `measured` spends bits where a measurement predicts the " +
      "largest gain; `oq` follows the fixed rules of the published series. Empty means " +
      "`measured` with method `tuned` or a sensitivity file, otherwise `oq`",
  },
  {
    name: "floors",
    group: "Tiers",
    form: "table",
    commands: making,
    default: defaultFloors,
    example: "attention=6",
    only: "measured",
    ...parsed("<role=bits,...>", parseFloors),
    doc: "Minimum bits by role. `none` means no minimum",
  },
  {
    name: "sensitivity",
    group: "Tiers",
    commands: making,
    default: "",
    example: "sensitivity.json",
    only: "measured",
    ...parsed("<file>", parseSensitivityFile),
    doc:
      "File that `oqe sensitivity` wrote, used instead of measuring. Empty means that the " +
      "run measures",
  },
  {
    name: "domain-weights",
    group: "Tiers",
    form: "table",
    commands: measuring,
    default: "",
    example: "code=2,ja=0.5",
    only: "measured",
    ...parsed("<domain=weight,...>", parseDomainWeights),
    doc: "Weights of errors by text domain, for example `code=2,ja=0.5`. Other domains weigh 1",
  },
  {
    name: "sensitivity-proxy",
    group: "Tiers",
    commands: measuring,
    default: "",
    example: "your-name/Qwen3-1.7B-oQ8e",
    only: "measured",
    ...parsed("<repo or folder>", parseProxy),
    doc:
      "Quantized MLX repository of the base with more than 4 bits everywhere, for example " +
      "its oQ8e. The run measures it instead of the base, which halves the reading",
  },
] as const satisfies readonly InputRow[];
