import { createHash } from "node:crypto";
import { mkdir, readFile, rename, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Base } from "../base/base.ts";
import { finiteWeights } from "../base/base-weights.ts";
import { checkDomainWeights } from "../calibration/domain-weights.ts";
import type { Rows } from "../calibration/rows.ts";
import type { Repository } from "../checkpoint/repository.ts";
import { engine } from "../ground/engine.ts";
import { OqeError } from "../ground/errors.ts";
import type { Report } from "../ground/report.ts";
import type { Inputs } from "../inputs/inputs.ts";
import type { Kernel } from "../kernel/kernel-types.ts";
import { type Origin, requireOrigin } from "../plan/sensitivity-check.ts";
import type { Sensitivity } from "../plan/sensitivity-types.ts";
import { measure } from "../sensitivity/measure.ts";
import { openProxy } from "../sensitivity/proxy.ts";
import { parseSensitivity, writeSensitivity } from "../sensitivity/sensitivity-file.ts";
import type { MeasuredModel } from "../sensitivity/sensitivity-request.ts";
import { onDisk } from "./atomic-folder.ts";

/** Calibration rows that probes are run on. */
const probeSamples = 9;
/** A measurement of the largest models is some megabytes. */
const largestFile = 2 ** 28;

/** A measurement that was made before, and the hash of its file. */
export interface GivenSensitivity {
  readonly sensitivity: Sensitivity;
  readonly sha256: string;
}

/**
 * Reads the file that a run is told to plan by, and holds it against base and engine; null where the run shall measure itself.
 * Throws BAD_SENSITIVITY, DISK.
 */
export async function readGiven(
  { sensitivity: path }: Pick<Inputs, "sensitivity">,
  base: Base,
  kernel: Pick<Kernel, "sha256">,
): Promise<GivenSensitivity | null> {
  if (path === null) return null;
  const { size } = await onDisk(path, 0, () => stat(path));
  if (size > largestFile)
    throw new OqeError("BAD_SENSITIVITY", `${path} has ${size} bytes: no sensitivity is so large`);
  const text = await onDisk(path, 0, () => readFile(path, "utf8"));
  const sensitivity = parseSensitivity(text, path);
  requireOrigin(sensitivity, originOf(base, kernel.sha256));
  return { sensitivity, sha256: createHash("sha256").update(text).digest("hex") };
}

/** Whose measurement a run needs. */
function originOf({ checkpoint: { repository } }: Base, kernelSha256: string): Origin {
  const { id, name, revision } = repository;
  return { engine: { ...engine, kernelSha256 }, base: { id, name, revision } };
}

/**
 * Measures what the bits of every tensor are worth, or reads it from the work folder where an earlier run did so on the same base, rows,
 * weights of domains, engine and kernel. A base folder has no commit that could vouch for its weights, so it is always measured.
 */
export async function measureBase(
  base: Base,
  rows: Rows,
  proxy: Repository | null,
  { domainWeights, workDir }: Pick<Inputs, "domainWeights" | "workDir">,
  { kernel, report }: { readonly kernel: Kernel; readonly report: Report },
): Promise<Sensitivity> {
  checkDomainWeights(domainWeights, Object.keys(rows.domains));
  const identity = { ...originOf(base, kernel.sha256), proxy: proxy && proxyName(proxy) };
  const { repository } = base.checkpoint;
  const key = JSON.stringify([
    identity,
    rows.sha256,
    rows.samples,
    rows.length,
    probeSamples,
    domainWeights,
    base.storage,
  ]);
  const folder = join(workDir, "sensitivities");
  const place = join(
    folder,
    `${repository.name}-${createHash("sha256").update(key).digest("hex").slice(0, 16)}.json`,
  );
  const isPinned = repository.id !== null && (proxy === null || proxy.id !== null);
  const known = isPinned ? await readKnown(place, identity) : null;
  if (known !== null) {
    report.info(`measured before: ${place}`);
    return known;
  }
  const request = { rows, probeSamples, domainWeights, identity, kernel, report };
  const sensitivity = await withModel(base, proxy, kernel, (model) =>
    measure({ model, ...request }),
  );
  if (isPinned) {
    const text = writeSensitivity(sensitivity);
    await onDisk(folder, text.length, async () => {
      await mkdir(folder, { recursive: true });
      await writeFile(`${place}.${process.pid}.partial`, text);
      await rename(`${place}.${process.pid}.partial`, place);
    });
  }
  return sensitivity;
}

/** Its name and state, for recipe and measurement. */
export function proxyName({ id, name, revision }: Repository): string {
  return `${id ?? name}@${revision}`;
}

/** Opens what is measured, the base or its proxy, and closes the proxy whatever happens. */
async function withModel<T>(
  base: Base,
  proxy: Repository | null,
  kernel: Kernel,
  run: (model: MeasuredModel) => Promise<T>,
): Promise<T> {
  if (proxy === null)
    return run({ ...base, weights: finiteWeights(base, kernel), ownBits: new Map() });
  const model = await openProxy(proxy, base, kernel);
  try {
    return await run(model);
  } finally {
    await model.close();
  }
}

/** A file of ours that cannot be read is none: it is measured again. */
async function readKnown(place: string, origin: Origin): Promise<Sensitivity | null> {
  const text = await readFile(place, "utf8").catch(() => null);
  if (text === null) return null;
  try {
    const sensitivity = parseSensitivity(text, place);
    requireOrigin(sensitivity, origin);
    return sensitivity;
  } catch {
    return null;
  }
}
