import type { Base } from "../base/base.ts";
import type { Repository } from "../checkpoint/repository.ts";
import { OqeError } from "../ground/errors.ts";
import type { Report } from "../ground/report.ts";
import type { Hub } from "../hub/hub-types.ts";
import type { Inputs } from "../inputs/inputs.ts";
import type { Kernel } from "../kernel/kernel-types.ts";
import type { Sensitivity } from "../plan/sensitivity-types.ts";
import { openRepository } from "./recipes.ts";
import type { Calibration } from "./rows.ts";
import { type GivenSensitivity, measureBase, proxyName, readGiven } from "./sensitivity.ts";

/**
 * The sources of a measured plan besides the base. Both null: the plan follows fixed rules, or the
 * run measures the base.
 */
export interface Sources {
  /** A sensitivity that the inputs name. */
  readonly given: GivenSensitivity | null;
  /** A quantized repository to measure instead of the base. */
  readonly proxy: Repository | null;
}

export type SourceInputs = Pick<Inputs, "policy" | "sensitivity" | "proxy">;

export async function openSources(
  base: Base,
  inputs: SourceInputs,
  { kernel, connect }: { readonly kernel: Kernel; readonly connect: () => Hub },
): Promise<Sources> {
  if (inputs.policy === "oq") return { given: null, proxy: null };
  const given = await readGiven(inputs.sensitivity, base, kernel);
  return { given, proxy: inputs.proxy && (await openRepository(inputs.proxy, connect)) };
}

/** The sources as a recipe names them. */
export function sourceNames({ given, proxy }: Sources) {
  return { sensitivitySha256: given?.sha256 ?? null, proxyName: proxy && proxyName(proxy) };
}

export interface SensitivityRequest {
  readonly base: Base;
  readonly inputs: Pick<Inputs, "policy" | "domainWeights" | "workDir">;
  /** null: no rows were drawn, because a sensitivity is given. */
  readonly rows: Calibration | null;
  readonly sources: Sources;
  readonly kernel: Kernel;
  readonly report: Report;
}

/** The sensitivity to plan by: given or measured; null: the plan follows fixed rules. */
export async function obtainSensitivity(request: SensitivityRequest): Promise<Sensitivity | null> {
  const { inputs, sources } = request;
  if (inputs.policy === "oq") return null;
  return sources.given === null ? measureNow(request) : sources.given.sensitivity;
}

/** Measures the base, or its proxy, on the calibration rows. Throws BAD_INPUT without rows. */
export async function measureNow({
  base,
  inputs: { domainWeights, workDir },
  rows: calibration,
  sources: { proxy },
  ...dependencies
}: SensitivityRequest): Promise<Sensitivity> {
  const rows = calibration?.tuning?.rows;
  if (rows === undefined) {
    throw new OqeError(
      "BAD_INPUT",
      "measuring needs calibration text, but method rounded reads none",
      "Leave method out.",
    );
  }
  return dependencies.report.stage("Measure", () =>
    measureBase({ base, rows, proxy, domainWeights, workDir }, dependencies),
  );
}
