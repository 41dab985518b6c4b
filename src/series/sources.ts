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
import type { StagingPlace } from "./staging-claim.ts";
import type { TimeLimit } from "./time-limit.ts";

/** The sources of a plan besides the base. */
export interface Sources {
  /** Whether the run measures. If it does not and none is given, the plan follows fixed rules. */
  readonly measures: boolean;
  /** A sensitivity that the inputs name. */
  readonly given: GivenSensitivity | null;
  /** A quantized repository to measure instead of the base. */
  readonly proxy: Repository | null;
}

export type SourceInputs = Pick<Inputs, "policy" | "sensitivity" | "proxy">;

export async function openSources(
  base: Base,
  { policy, sensitivity, proxy }: SourceInputs,
  { kernel, connect }: { readonly kernel: Kernel; readonly connect: () => Hub },
): Promise<Sources> {
  if (policy === "oq") return { measures: false, given: null, proxy: null };
  const given = await readGiven(sensitivity, base, kernel);
  const measured = proxy && (await openRepository(proxy, connect));
  return { measures: given === null, given, proxy: measured };
}

/** The sources as a recipe names them. */
export function sourceNames({ given, proxy }: Sources) {
  return { sensitivitySha256: given?.sha256 ?? null, proxyName: proxy && proxyName(proxy) };
}

export interface SensitivityRequest {
  readonly base: Base;
  readonly domainWeights: Inputs["domainWeights"];
  readonly workDir: string;
  /** null: no rows were drawn, because a sensitivity is given. */
  readonly rows: Calibration | null;
  readonly sources: Sources;
  /** See MeasuringRequest. */
  readonly mostWaiting?: number;
  readonly timeLimit: TimeLimit;
  /** See MeasuringRequest. */
  readonly staging?: readonly StagingPlace[];
}

/** What a step uses beside its values. */
export interface Outside {
  readonly kernel: Kernel;
  readonly report: Report;
}

/** The sensitivity to plan by: given or measured; null: the plan follows fixed rules. */
export async function obtainSensitivity(
  request: SensitivityRequest,
  outside: Outside,
): Promise<Sensitivity | null> {
  const { measures, given } = request.sources;
  return measures ? measureNow(request, outside) : (given?.sensitivity ?? null);
}

/** Measures the base, or its proxy, on the calibration rows. Throws BAD_INPUT without rows. */
export async function measureNow(
  { base, domainWeights, workDir, rows: drawn, sources: { proxy }, ...rest }: SensitivityRequest,
  { kernel, report }: Outside,
): Promise<Sensitivity> {
  const rows = drawn?.tuning?.rows;
  if (rows === undefined) {
    throw new OqeError(
      "BAD_INPUT",
      "measuring needs calibration text, but method rounded reads none",
      "Leave method out.",
    );
  }
  const request = { base, rows, proxy, domainWeights, workDir, ...rest };
  return report.stage("Measure", () => measureBase(request, { kernel, report }));
}
