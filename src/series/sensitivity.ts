import { createHash } from "node:crypto";
import { readFile, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import type { Base } from "../base/base.ts";
import { finiteWeights } from "../base/base-weights.ts";
import { checkDomainWeights, type DomainWeights } from "../calibration/domain-weights.ts";
import type { Rows } from "../calibration/rows.ts";
import { AlteredBytes } from "../checkpoint/altered-bytes.ts";
import type { Provable } from "../checkpoint/checkpoint.ts";
import type { Repository } from "../checkpoint/repository.ts";
import { type DiskNeed, onDisk } from "../ground/disk.ts";
import { engine } from "../ground/engine.ts";
import { OqeError } from "../ground/errors.ts";
import { reasonOf } from "../ground/reasons.ts";
import type { Report } from "../ground/report.ts";
import type { Inputs } from "../inputs/inputs.ts";
import type { Kernel } from "../kernel/kernel-types.ts";
import { modulePath } from "../mlx/format.ts";
import { type Origin, requireOrigin } from "../plan/sensitivity-check.ts";
import { withModulesOf } from "../plan/sensitivity-modules.ts";
import type { Sensitivity } from "../plan/sensitivity-types.ts";
import { measure } from "../sensitivity/measure.ts";
import type { ProbeSize } from "../sensitivity/probe-rows.ts";
import { openProxy } from "../sensitivity/proxy.ts";
import { parseSensitivity, writeSensitivity } from "../sensitivity/sensitivity-file.ts";
import type { MeasuredModel } from "../sensitivity/sensitivity-request.ts";
import { writeAside } from "./atomic-folder.ts";
import { MeasurementBranches } from "./measurement-branches.ts";
import { proveReads, withWaitingBytes } from "./proven-reads.ts";
import { fewParameters } from "./rows.ts";
import type { StagedMeasurement } from "./staged-measurement.ts";
import { isUnreachable, type StagingPlace } from "./staging-claim.ts";
import { withStates } from "./state-store.ts";
import { TimeIsUp, type TimeLimit } from "./time-limit.ts";
import { WalkCheckpoint } from "./walk-checkpoint.ts";

/** Number of calibration rows that the probes run on. */
const probeSamples = 9;
/** Number of further rows on which the cost of flips is measured. */
const moreSamples = 18;
/**
 * Most tokens of each. Half as many for a model that takes minutes: there, most of the time and of
 * the memory is that of the probes (docs/sensitivity.md compares both).
 */
const [usualTokens, tokensOfLarge] = [128, 64];
/** Parameters up to which a measurement takes less. */
const fewToProbe = 1e8;
/**
 * Most rows that Hessians are made of, probed blocks of a kind, and tuned experts of a layer: costs
 * need less than tuning. Of a large model less than of others (docs/decisions/0017).
 */
const [usual, ofLarge] = [
  { others: 64, blocks: 5, experts: 16 },
  { others: 48, blocks: 3, experts: 8 },
];

/** The rows that a base's probes run on. */
export function probeSizeOf({
  parameters,
  architecture,
  config,
}: Pick<Base, "parameters" | "architecture" | "config">): Required<ProbeSize> {
  const longest = parameters > fewToProbe ? tokensOfLarge : usualTokens;
  const more = architecture.experts(config) === null ? 0 : moreSamples;
  const most = parameters > fewParameters ? ofLarge : usual;
  return { samples: probeSamples, longest, more, ...most };
}
/** Largest file that is read, in bytes. The largest models have some megabytes. */
const largestFile = 2 ** 28;

/** A sensitivity file, and the hash of its bytes. */
export interface GivenSensitivity {
  readonly sensitivity: Sensitivity;
  readonly sha256: string;
}

/**
 * Reads the sensitivity file of the inputs and checks that it fits base and engine; null: no file
 * is given, and the run measures. Throws BAD_SENSITIVITY, DISK.
 */
export async function readGiven(
  path: Inputs["sensitivity"],
  base: Base,
  kernel: Pick<Kernel, "sha256">,
): Promise<GivenSensitivity | null> {
  if (path === null) return null;
  const { size } = await onDisk(path, 0, () => stat(path));
  if (size > largestFile)
    throw new OqeError(
      "BAD_SENSITIVITY",
      `${path} has ${size} bytes; a sensitivity file is smaller`,
    );
  const text = await onDisk(path, 0, () => readFile(path, "utf8"));
  const sensitivity = parseSensitivity(text, path);
  requireOrigin(sensitivity, originOf(base, kernel.sha256));
  const spelled = withModulesOf(base.tensors.map(modulePath), sensitivity);
  return { sensitivity: spelled, sha256: createHash("sha256").update(text).digest("hex") };
}

/** The engine and the base that a sensitivity must belong to. */
export function originOf({ checkpoint: { repository } }: Base, kernelSha256: string): Origin {
  const { id, name, revision } = repository;
  return { engine: { ...engine, kernelSha256 }, base: { id, name, revision } };
}

/** The inputs of a measurement, besides engine and kernel. */
export interface MeasuringRequest {
  readonly base: Base;
  readonly rows: Rows;
  /** A quantized repository that is measured instead of the base; null: the base. */
  readonly proxy: Repository | null;
  readonly domainWeights: DomainWeights;
  /** Folder that results are saved in. */
  readonly workDir: string;
  readonly timeLimit: TimeLimit;
  /** Bytes of the base that may wait in files to be hashed. Default: none. */
  readonly mostWaiting?: number;
  /** Branches that it is saved on beside the disk, one per tier. Default: none. */
  readonly staging?: readonly StagingPlace[];
}

/**
 * Measures the sensitivity of every tensor. Reads the result from the work folder, or the staging
 * branch, if an earlier run made the same measurement. A commit pins the weights of a base; those
 * of a folder are pinned by its fingerprint. Throws BAD_INPUT, BAD_CHECKPOINT.
 */
export async function measureBase(
  request: MeasuringRequest,
  { kernel, report }: { readonly kernel: Kernel; readonly report: Report },
): Promise<Sensitivity> {
  const { base, rows, proxy, domainWeights } = request;
  checkDomainWeights(domainWeights, Object.keys(rows.domains));
  const identity = { ...originOf(base, kernel.sha256), proxy: proxy && proxyName(proxy) };
  const place = placeOf(request, identity);
  const known = readKnown(await readFile(place, "utf8").catch(() => null), place, identity);
  if (known !== null) {
    report.info(`measured before: ${place}`);
    return known;
  }
  const recipe = basename(place, ".json");
  const branches = await MeasurementBranches.open(request.staging ?? [], { recipe, report });
  const found = await branches.find();
  const onBranch = found && readKnown(found.text, place, identity);
  if (onBranch !== null) {
    report.info(`measured before: on the staging branch of ${found!.repository}`);
    await branches.finish(found!.text);
    await saveResult(place, found!.text, report);
    return onBranch;
  }
  const staged = branches.walk;
  const probeSize = probeSizeOf(base);
  const log = checkpointOf(request, { place, staged }, report);
  const kept = log === null ? {} : { log };
  const measuring = { rows, probeSize, domainWeights, identity, kernel, report, ...kept };
  const states = { folder: request.workDir, memory: 0, report };
  const run = (model: MeasuredModel, checkpoint: Provable) =>
    withStates(states, (_, keep) => {
      const waiting = { keep, most: request.mostWaiting ?? 0 };
      return withWaitingBytes([checkpoint], waiting, async () => {
        const sensitivity = await measure({ model, ...measuring });
        await proveReads(checkpoint, report);
        return sensitivity;
      });
    });
  const sensitivity = await withModel(base, proxy, kernel, run).catch(async (error) => {
    if (error instanceof AlteredBytes) {
      await branches.discard(); // no run may go on with it
      await log?.close();
    }
    await (isUnreachable(error) ? staged?.idle() : staged?.release());
    throw error;
  });
  const text = writeSensitivity(sensitivity);
  await branches.finish(text);
  await saveResult(place, text, report);
  await log?.close();
  return sensitivity;
}

/** The run has the result, so it does not end if the next one has to measure again. */
async function saveResult(place: string, text: string, report: Report): Promise<void> {
  await writeAside(place, text).catch((error) =>
    report.warn(`the sensitivity cannot be saved for other runs: ${reasonOf(error)}`),
  );
}

/**
 * The walk is saved behind each block, and stops when the time is up. null: that of a proxy is not
 * saved, because a proxy is small.
 */
function checkpointOf(
  { base, proxy, timeLimit }: MeasuringRequest,
  { place, staged }: { readonly place: string; readonly staged: StagedMeasurement | null },
  report: Report,
): WalkCheckpoint | null {
  if (proxy !== null) return null;
  const blocks = base.architecture.layers(base.config).length;
  const folder = place.replace(/\.json$/, ".walk");
  const stop = async (layer: number) => {
    if (!timeLimit.isUp()) return;
    await staged?.settle();
    throw new TimeIsUp(`while measuring, behind block ${layer + 1} of ${blocks}`);
  };
  return new WalkCheckpoint({ folder, notes: base.checkpoint, stop, staged, report });
}

/** Bytes of a tensor in a saved result, at most. */
const bytesPerTensor = 4096;

/** What a measurement will write. */
export function measuringNeed({ tensors }: Pick<Base, "tensors">, workDir: string): DiskNeed {
  return { folder: workDir, bytes: bytesPerTensor * tensors.length };
}

/** Most characters of a base's name in that of a file. */
const mostOfName = 64;

/** Path of the saved result; its name has a hash of everything that the result follows from. */
export function placeOf(
  {
    base,
    rows,
    domainWeights,
    workDir,
  }: Pick<MeasuringRequest, "base" | "rows" | "domainWeights" | "workDir">,
  identity: Origin,
): string {
  const { sha256, samples, length } = rows;
  const size = probeSizeOf(base);
  // Modules have other names in tiers for mlx-vlm alone.
  const { storage, architecture } = base;
  const key = [identity, sha256, samples, length, size, domainWeights, storage];
  if (architecture.loader !== undefined) key.push(architecture.loader);
  const hash = createHash("sha256").update(JSON.stringify(key)).digest("hex").slice(0, 16);
  const name = base.checkpoint.repository.name.slice(0, mostOfName);
  return join(workDir, "sensitivities", `${name}-${hash}.json`);
}

/** Name and state of a proxy, for recipe and sensitivity. */
export function proxyName({ id, name, revision }: Repository): string {
  return `${id ?? name}@${revision}`;
}

/** Opens the model to measure, and closes the proxy in any case. */
async function withModel<T>(
  base: Base,
  proxy: Repository | null,
  kernel: Kernel,
  run: (model: MeasuredModel, checkpoint: Provable) => Promise<T>,
): Promise<T> {
  if (proxy === null) {
    const own = { ...base, weights: finiteWeights(base, kernel), ownBits: new Map() };
    return run(own, base.checkpoint);
  }
  const model = await openProxy(proxy, base, kernel);
  try {
    return await run(model, model);
  } finally {
    await model.close();
  }
}

/** null if there is no such text, or one that cannot be used: the run then measures again. */
export function readKnown(text: string | null, place: string, origin: Origin): Sensitivity | null {
  if (text === null) return null;
  try {
    const sensitivity = parseSensitivity(text, place);
    requireOrigin(sensitivity, origin);
    return sensitivity;
  } catch {
    return null;
  }
}
