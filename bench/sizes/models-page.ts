import { sum } from "../../src/ground/sum.ts";
import { elements } from "../../src/mlx/format.ts";
import { type Architecture, type PlannedTensor, parts } from "../../src/models/architecture.ts";
import { omniTowers } from "../../src/models/omni-towers.ts";
import type { PartTensor } from "../../src/models/part-tensors.ts";
import { towerTensors } from "../../src/models/qwen3-5-tower.ts";
import { architectures, baseTypesOf } from "../../src/models/registry.ts";
import { defaultFloors, parseFloors } from "../../src/plan/floors.ts";
import { isQuantizable } from "../../src/plan/plan.ts";
import type { Floors } from "../../src/plan/plan-types.ts";
import { floorBytes } from "../../src/plan/policy-measured.ts";
import { measuredBits } from "../../src/plan/sensitivity-types.ts";
import { tiers } from "../../src/plan/tiers.ts";
import { nemotron30b } from "../../test/support/nemotron-30b.ts";
import { families } from "./families.ts";
import { knownModels } from "./models.ts";
import { billions, gigabytes, type SizedModel, sizeModel } from "./needs.ts";

interface NamedModel extends SizedModel {
  readonly id: string;
}

const start = `# Models

This page lists the model types that can be quantized, what is quantized in them, the sizes of
well-known models, and what a run of them takes. It is made by \`node bench/models.ts\` from role
tables and configs alone; no weight is read. For a type that is missing see
[Adding a model](adding-a-model.md).

## Types

Norms and biases of matrices are unquantized in every type. What else stays unquantized is listed.
`;

const sizesStart = `
## Sizes

Bytes of all tensors of the language model, in GB of 10⁹ bytes. Towers and multi-token
prediction come on top ([carried parts](#carried-parts)). The base is counted as published: BF16,
but the experts of gpt-oss are mxfp4, 4.25 bits a weight ([what its tiers gain](gpt-oss.md)). Tiers
are those of the fixed rules; with method \`tuned\`, a tier takes no more, unless the floors need
more ([tiers](tiers.md)). *Smallest* is the least bits per weight of the quantizable matrices that a
custom tier can have: with the default floors, and with \`floors: none\`.
`;

const carriedStart = `
### Carried parts

What base and tier have beside the language model, unless \`carry\` leaves it out
([format.md](format.md#carried-parts)). No table of this page counts it. The vision tower of Qwen3.5
takes TOWER in BF16 with the default sizes of transformers. With the default sizes of mlx-vlm, the
vision tower of Nemotron Omni takes RADIO and its audio tower PARAKEET; only tiers for mlx-vlm have
them ([format.md](format.md#nemotron-h-with-towers-nemotron_h_omni)). One layer of multi-token
prediction takes in BF16, where a base is published with it:
`;

const runsStart = `
## What a run takes

All four tiers in one job with all defaults, on the first of GitHub's free runners that has the
disk, and of whose memory the run needs at most 80 %. Hours are arithmetic on the runner's threads
at 45 GF/s each, the speed of the machine of [the benchmarks](benchmarks.md); reading comes on top.
A job on GitHub ends after 6 hours: the workflow makes each tier in a job of its own, and goes on
after a stop. Without a runner: what a machine of 4 cores needs.
`;

/** docs/models.md. */
export function renderModelsPage(): string {
  const models = knownModels.map((model) => ({ id: model.id, ...sizeModel(model) }));
  // A type with bases of other types has the tensors of one that is listed.
  const listed = architectures.filter((one) => baseTypesOf(one).includes(one.modelType));
  const types = listed.map((one) => describeType(one, models));
  const sized = [sizesStart, sizes(models), carriedSizes(models)];
  return `${[start, ...types, ...sized, runsStart, runs(models)].join("\n")}\n`;
}

function describeType({ modelType, label }: Architecture, models: readonly NamedModel[]): string {
  const own = models.filter(({ shaped }) => shaped.architecture.modelType === modelType);
  const tensors = own.flatMap(({ shaped }) => shaped.tensors);
  const blocks = own.flatMap(({ shaped }) => shaped.architecture.layers(shaped.config));
  const kinds = blocks.map(({ mixer, mlp }) => [mixer, mlp].filter(Boolean).join(" and "));
  return lines([
    `### \`${modelType}\`, ${label}`,
    "",
    item(`*Families:* ${families[modelType] ?? ""}`),
    item(`*Blocks:* ${distinct(kinds).join("; ")}`),
    item(`*Quantized:* ${quantized(tensors)}`),
    item(`*Unquantized:* ${unquantized(tensors)}`),
    "",
  ]);
}

/** The quantized matrices by part, as `attention (q, k, v, o)`. */
function quantized(tensors: readonly PlannedTensor[]): string {
  const matrices = tensors.filter(isQuantizable);
  return parts
    .flatMap((part) => {
      const own = matrices.filter(({ role }) => role.part === part);
      const projections = distinct(own.flatMap(({ role }) => role.projection ?? []));
      if (own.length === 0) return [];
      return [projections.length === 0 ? part : `${part} (${projections.join(", ")})`];
    })
    .join("; ");
}

/** Other tensors but norms and biases of matrices, as names without numbers. */
function unquantized(tensors: readonly PlannedTensor[]): string {
  const isUsual = ({ name, role }: PlannedTensor) =>
    role.kind === "norm" || (role.kind === "bias" && name.endsWith(".bias"));
  const names = tensors.flatMap((tensor) =>
    isQuantizable(tensor) || isUsual(tensor) ? [] : [shortName(tensor.name)],
  );
  return (
    distinct(names)
      .map((name) => `\`${name}\``)
      .join(", ") || "nothing else"
  );
}

function shortName(name: string): string {
  return name.replace(/^.*\.layers\.\d+\./, "").replace(/\.weight$/, "");
}

function sizes(models: readonly NamedModel[]): string {
  const head = ["model", "parameters", "base", ...tiers.map(({ name }) => name), "smallest"];
  const rows = models.map((one) => [
    one.id,
    billions(one.parameters),
    gigabytes(one.bytes),
    ...one.plans.map(({ bytes }) => gigabytes(bytes)),
    `${smallest(one, parseFloors(defaultFloors))}, ${smallest(one, parseFloors("none"))}`,
  ]);
  return table(head, rows);
}

/** An Omni with the default sizes of its towers. */
const omniFile = { vision_config: { patch_size: 16 }, sound_config: { hidden_size: 1024 } };

function carriedSizes(models: readonly NamedModel[]): string {
  const rows = models.flatMap(({ id, shaped: { architecture, config } }) => {
    // A Nemotron's config says whether it has it. What is listed here of a Qwen's does not.
    if (architecture.modelType === "nemotron_h" && !(Number(config.num_nextn_predict_layers) > 0))
      return [];
    const needs = architecture.carried?.find(({ part }) => part === "mtp")?.needs;
    const tensors = needs?.({ file: {}, folded: config, names: new Set() });
    return tensors === undefined ? [] : [[id, gigabytes(bytesOf(tensors))]];
  });
  const [vision, sound] = omniTowers.map(({ needs }) =>
    gigabytes(bytesOf(needs!({ file: omniFile, folded: nemotron30b, names: new Set() }))),
  );
  // What a tower without a config belongs to: its width, and a vocabulary with its tokens.
  const folded = { hidden_size: 3584, vocab_size: 248_320 };
  const words = carriedStart
    .replace("TOWER", gigabytes(bytesOf(towerTensors({ file: {}, folded, names: new Set() }))))
    .replace("RADIO", vision!)
    .replace("PARAKEET", sound!);
  return `${words}\n${table(["model", "MTP"], rows)}`;
}

/** Bytes in BF16. Two roles may share one tensor of the base. */
function bytesOf(tensors: Iterable<PartTensor>): number {
  const byName = new Map([...tensors].map(({ name, shape }) => [name, shape]));
  return sum([...byName.values()], (shape) => 2 * elements(shape.map((size) => size ?? 0)));
}

/** Bits per weight of the smallest plan that these floors allow. */
function smallest({ shaped }: SizedModel, floors: Floors): string {
  const quantizable = shaped.tensors.filter(isQuantizable);
  const layers = shaped.architecture.layers(shaped.config);
  const { storage } = shaped;
  const context = { quantizable, storage, floors, layers, widths: measuredBits };
  const bytes = floorBytes({ ...context, unquantizedBytes: 0 });
  return ((8 * bytes) / sum(quantizable, ({ shape }) => elements(shape))).toFixed(2);
}

function runs(models: readonly NamedModel[]): string {
  const head = ["model", "reads", "memory", "disk", "hours", "runner"];
  const rows = models.map(({ id, needs }) => [
    id,
    gigabytes(needs.reads),
    gigabytes(needs.memory),
    gigabytes(needs.disk),
    needs.hours.toFixed(1),
    needs.runner === null ? "none" : `\`${needs.runner}\``,
  ]);
  return table(head, rows);
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  const rule = head.map((_, at) => (at === 0 ? "---" : "---:"));
  return lines([line(head), `|${rule.join("|")}|`, ...rows.map(line)]);
}

/** An item of a list, in lines of at most 100 columns. */
function item(text: string): string {
  return `- ${text.replace(/(.{1,98})(?: |$)/g, "$1\n  ").trimEnd()}`;
}

function distinct(words: readonly string[]): string[] {
  return [...new Set(words)];
}

function lines(all: readonly string[]): string {
  return all.join("\n");
}
