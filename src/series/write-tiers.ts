import { createHash } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Base } from "../base/base.ts";
import { baseRows } from "../base/base-rows.ts";
import { writeCarried } from "../base/carry.ts";
import type { CalibrationIds } from "../calibration/calibration-ids.ts";
import { type Repository, readBytes } from "../checkpoint/repository.ts";
import { OqeError } from "../ground/errors.ts";
import type { Report } from "../ground/report.ts";
import { sum } from "../ground/sum.ts";
import type { Kernel } from "../kernel/kernel-types.ts";
import type { Bits, Rounding } from "../kernel/width.ts";
import { elements, modulePath, storedTensors } from "../mlx/format.ts";
import { indexText, layoutShards, layoutSidecar, type ShardLayout } from "../mlx/layout.ts";
import { mlxConfigText } from "../mlx/mlx-config.ts";
import { sidecars } from "../models/carried.ts";
import type { KeptWeights } from "../models/kept-weights.ts";
import type { KeepBytes } from "../models/reread-weights.ts";
import type { KeepStates } from "../models/rider.ts";
import type { TierPlan } from "../plan/plan-types.ts";
import { tierGroupSize, tiers } from "../plan/tiers.ts";
import { partFits } from "../quantize/part-fit.ts";
import { quantizeSeries } from "../quantize/round-series.ts";
import { tuneSeries, weightsToTune } from "../quantize/tune-series.ts";
import type { SeriesRiders } from "../quantize/tune-types.ts";
import type { Propagation, Repair, TuningRecord } from "../quantize/tuning-record.ts";
import type { TuningSettings } from "../quantize/tuning-settings.ts";
import type { AheadParts } from "./ahead-parts.ts";
import { saveBlocks } from "./save-blocks.ts";
import type { StagedTier } from "./staged-tier.ts";
import { openTierWork, type TierWork } from "./tier-work.ts";
import type { TimeLimit } from "./time-limit.ts";

/** Files of one finished tier, by path, without card and receipt. */
export type TierFiles = Readonly<
  Record<string, { readonly bytes: number; readonly sha256: string }>
>;

export interface WrittenTier {
  readonly files: TierFiles;
  readonly relativeError: number;
  /** null: rounded. */
  readonly tuning: TuningRecord | null;
  readonly warnings: readonly string[];
}

/** The inputs of tuning, besides the base. */
export interface Tuning {
  readonly calibration: CalibrationIds;
  readonly propagation: Propagation;
  readonly repair: readonly Repair[];
  readonly settings: TuningSettings;
  readonly keep?: KeepStates | undefined;
  readonly keepWeights?: KeepBytes | null;
  /** Riders of another purpose in the walk, and the weights that they share with it. */
  readonly company?: { readonly riders: SeriesRiders; readonly weights: KeptWeights };
}

export interface WriteRequest {
  readonly base: Base;
  readonly plans: readonly TierPlan[];
  /** One empty folder per plan. */
  readonly folders: readonly string[];
  /** Licence files of the base that are copied, beside those of the tokenizer. */
  readonly licences: readonly string[];
  readonly rounding: Rounding;
  /** null: round. */
  readonly tuning: Tuning | null;
  readonly kernel: Kernel;
  readonly report: Report;
  /** Whether the folders keep finished parts for the next run. Default: no. */
  readonly isDurable?: boolean;
  /** Default: none. Tuning throws TimeIsUp behind a block. */
  readonly timeLimit?: TimeLimit;
  /** Staging branches, one per plan. Default: none. */
  readonly staged?: readonly (StagedTier | null)[];
  /** What another job makes of each plan's tier. Default: none does. */
  readonly ahead?: readonly (AheadParts | null)[];
}

/** Files of the base that are copied unchanged: an MLX repository needs them beside its weights. */
const copied = [
  /^(tokenizer|tokenizer_config|special_tokens_map|added_tokens|generation_config)\.json$/,
  /^(tokenizer\.model|vocab\.(json|txt)|merges\.txt|chat_template\.(jinja|json))$/,
  /^[\w-]+\.py$/,
];

/** The same of a base with towers: how images and sound become their inputs. */
const ofProcessors = /^((video_|image_|audio_)?(pre)?processor|feature_extractor)_config\.json$/;

/** Throws MISSING_FILE if the base has no tokenizer that mlx-lm can load. */
export function requireTokenizer(repository: Repository): void {
  // An empty file does not count.
  const has = (name: string) => (repository.files.get(name) ?? 0) > 0;
  if (has("tokenizer.json") || has("tokenizer.model") || (has("vocab.json") && has("merges.txt")))
    return;
  throw new OqeError(
    "MISSING_FILE",
    `${repository.id ?? repository.name} has no tokenizer: ` +
      "expected tokenizer.json, tokenizer.model, or vocab.json with merges.txt",
    "Without it nobody can use the quantized model. Add the tokenizer's files to the base.",
  );
}

/**
 * Writes the MLX repository of every plan in one walk over the base: shards, index, config,
 * tokenizer and licence files.
 */
export async function writeTiers(request: WriteRequest): Promise<readonly WrittenTier[]> {
  const { base, plans, folders } = request;
  const layouts = plans.map((plan) => layoutTier(base, plan));
  const copiedFiles = await readCopied(base, request.licences);
  const works: TierWork[] = [];
  try {
    for (const [i, folder] of folders.entries()) {
      const { isDurable = false, report } = request;
      const staged = request.staged?.[i] ?? null;
      const fits = partFits(base, plans[i]!);
      const ahead = request.ahead?.[i] ?? null;
      const own = { folder, layouts: layouts[i]!, fits, isDurable, staged, ahead, report };
      works.push(await openTierWork({ ...own, notes: base.checkpoint }));
      tellRecalled(request, works[i]!, folder);
    }
    const outcome = await fill(request, works);
    const written: WrittenTier[] = [];
    for (const [i, plan] of plans.entries()) {
      const shards = await works[i]!.finish();
      const texts = { ...tierTexts(base, plan), ...copiedFiles };
      const small = await writeSmallFiles(folders[i]!, texts);
      written.push({ files: sortKeys({ ...shards, ...small }), ...outcome[i]! });
    }
    return written;
  } catch (error) {
    await Promise.allSettled(works.map((work) => work.abort()));
    throw error;
  }
}

/** Writes all files of a tier but its shards. */
export async function writeOtherFiles(
  { base, licences }: Pick<WriteRequest, "base" | "licences">,
  plan: TierPlan,
  folder: string,
): Promise<TierFiles> {
  const copiedFiles = await readCopied(base, licences);
  return writeSmallFiles(folder, { ...tierTexts(base, plan), ...copiedFiles });
}

export function layoutTier(base: Base, plan: TierPlan): readonly ShardLayout[] {
  const own = base.tensors.flatMap((tensor) =>
    storedTensors(tensor, plan.modules[modulePath(tensor)], base.storage).map((stored) => {
      return { ...stored, layer: tensor.layer };
    }),
  );
  const inside = base.carried.filter(({ part }) => sidecars[part] === null);
  return [...layoutShards([...own, ...inside]), ...layoutSidecars(base)];
}

/** By name, so that a base in FP8 gives the file of the same values in BF16. */
function layoutSidecars({ carried }: Base): readonly ShardLayout[] {
  const files = new Set(carried.flatMap(({ part }) => sidecars[part] ?? []));
  return [...files].map((file) =>
    layoutSidecar(
      file,
      carried
        .filter(({ part }) => sidecars[part] === file)
        .toSorted((a, b) => (a.name < b.name ? -1 : 1)),
    ),
  );
}

/** The texts that follow from a plan. */
function tierTexts(base: Base, plan: TierPlan): Readonly<Record<string, string>> {
  return {
    "model.safetensors.index.json": indexText(layoutTier(base, plan), parametersOf(base)),
    "config.json": configText(base, plan),
  };
}

/** Parameters of all tensors that the index names. */
function parametersOf({ parameters, carried }: Base): number {
  const inside = carried.filter(({ part }) => sidecars[part] === null);
  return parameters + sum(inside, ({ shape }) => elements(shape));
}

function tellRecalled({ report }: WriteRequest, { recalled }: TierWork, folder: string): void {
  if (recalled === 0) return;
  report.info(
    `${folder}: ${recalled} parts were finished by an earlier run and are not made again`,
  );
}

/** Walks over the base once and fills the shards. */
async function fill(
  { tuning, ...request }: WriteRequest,
  works: readonly TierWork[],
): Promise<readonly Omit<WrittenTier, "files">[]> {
  const { tensors, storage, checkpoint } = request.base;
  const sinks = works.map(({ sink }) => sink);
  await writeCarried(request.base, request.kernel, sinks);
  if (tuning !== null) {
    const { base, kernel, plans } = request;
    const { company, ...method } = tuning;
    const { riders, weights } = company ?? {
      riders: { base: [], tiers: plans.map(() => []) },
      weights: weightsToTune(base, kernel),
    };
    const logs = works.map(({ log }) => log);
    const onBlock = saveBlocks(request, works);
    return tuneSeries({ ...request, ...method, sinks, logs, onBlock, riders, weights });
  }
  const rounded = await quantizeSeries({
    ...request,
    tensors,
    storage,
    read: baseRows(checkpoint, request.kernel),
    sinks,
  });
  return rounded.map((tier) => ({ ...tier, tuning: null, warnings: [] }));
}

/** Tokenizer and licence files of the base. Read first, so that a failure costs no hours. */
async function readCopied(
  { checkpoint: { repository }, carried }: Base,
  licences: readonly string[],
): Promise<Record<string, Uint8Array>> {
  const hasTower = carried.some(({ part }) => part !== "mtp");
  const patterns = hasTower ? [...copied, ofProcessors] : copied;
  const files: Record<string, Uint8Array> = {};
  for (const name of repository.files.keys()) {
    if (patterns.some((pattern) => pattern.test(name)) || licences.includes(name))
      files[name] = await readBytes(repository, name);
  }
  return files;
}

async function writeSmallFiles(
  folder: string,
  texts: Readonly<Record<string, Uint8Array | string>>,
): Promise<TierFiles> {
  const files: Record<string, { bytes: number; sha256: string }> = {};
  for (const [name, content] of Object.entries(texts)) {
    const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
    await writeFile(join(folder, name), bytes);
    files[name] = {
      bytes: bytes.byteLength,
      sha256: createHash("sha256").update(bytes).digest("hex"),
    };
  }
  return files;
}

function configText(base: Base, plan: TierPlan): string {
  // The tier table has no custom tiers. Their default width is their smallest; config.json lists
  // the others.
  const least = Math.min(...Object.values(plan.modules).map((width) => width.bits)) as Bits;
  const bits = tiers.find((tier) => tier.name === plan.tier)?.bits ?? least;
  const config = base.architecture.mlxConfig(base.config);
  const defaults = { bits, groupSize: tierGroupSize } as const;
  return mlxConfigText(config, {
    defaults,
    modules: plan.modules,
    storage: base.storage,
    floatKeys: base.checkpoint.floatKeys,
    wrapper: base.wrapper,
  });
}

function sortKeys<T>(record: Record<string, T>): Record<string, T> {
  return Object.fromEntries(Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1)));
}
