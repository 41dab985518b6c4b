import { readdir, readFile } from "node:fs/promises";
import { basename, dirname } from "node:path";
import type { Base } from "../base/base.ts";
import { openCalibration } from "../calibration/reference.ts";
import type { Rows } from "../calibration/rows.ts";
import { fitRun, secondsOf } from "../estimate/run-estimate.ts";
import { measureSpeed } from "../estimate/speed.ts";
import { decorate } from "../ground/decoration.ts";
import { byteSize, duration } from "../ground/digits.ts";
import { machineMemory, usualMemory } from "../ground/memory.ts";
import { sum } from "../ground/sum.ts";
import type { Hub } from "../hub/hub-types.ts";
import type { Inputs } from "../inputs/inputs.ts";
import { sharedIntegers } from "../kernel/matrix.ts";
import type { Sensitivity } from "../plan/sensitivity-types.ts";
import type { Calibration } from "./rows.ts";
import { foreseeMeasuring } from "./run-needs.ts";
import { originOf, placeOf, proxyName, readKnown } from "./sensitivity.ts";
import type { Outside, Sources } from "./sources.ts";

/** A plan that is asked for without a measurement. */
export interface ForeseenRequest {
  readonly base: Base;
  readonly sources: Sources;
  readonly inputs: Inputs;
  readonly connect: () => Hub;
  /** Draws the rows of a run. Asked only if a kept measurement may be of them. */
  readonly drawRows: () => Promise<Calibration>;
}

/**
 * The sensitivity that is given, or that an earlier run kept. null: there is none, and the report
 * has what measuring would cost.
 */
export async function foresee(
  request: ForeseenRequest,
  outside: Outside,
): Promise<Sensitivity | null> {
  const { given } = request.sources;
  if (given !== null) return given.sensitivity;
  const kept = await findKept(request, outside);
  if (kept !== null) return kept;
  const { report } = outside;
  const words = await decorate(report, {
    what: "an estimate of the measurement",
    make: () => measuringWords(request, outside),
    placeholder: null,
  });
  report.info("nothing is measured: this plan follows the fixed rules (policy oq)");
  if (words !== null) report.info(`${words}: --measure does it`);
  return null;
}

/**
 * The sensitivity that an earlier run left in the work folder, for just this base and these inputs.
 * null: there is none. Reads the tokenizer only if a file may be it, and never a weight.
 */
async function findKept(
  { base, sources: { proxy }, inputs, drawRows }: ForeseenRequest,
  { kernel, report }: Outside,
): Promise<Sensitivity | null> {
  const identity = { ...originOf(base, kernel.sha256), proxy: proxy && proxyName(proxy) };
  const { domainWeights, workDir } = inputs;
  const asked = { base, domainWeights, workDir };
  // The hash in the name is of the rows too; the name before it is not.
  const like = placeOf({ ...asked, rows: foreseenRows(inputs, ["text"]) }, identity);
  const prefix = basename(like).replace(/[0-9a-f]{16}\.json$/, "");
  const names = await readdir(dirname(like)).catch(() => []);
  if (!names.some((name) => name.startsWith(prefix) && name.endsWith(".json"))) return null;
  const { tuning } = await drawRows();
  if (tuning === null) return null;
  const place = placeOf({ ...asked, rows: tuning.rows }, identity);
  const text = await readFile(place, "utf8").catch(() => null);
  const kept = readKnown(text, place, identity);
  if (kept !== null) report.info(`measured before: ${place}`);
  return kept;
}

/**
 * What measuring would read, and the memory and time that it would take on this machine, in a
 * sentence. From headers alone: rows of any text have the same size.
 */
async function measuringWords(
  { base, sources, inputs, connect }: ForeseenRequest,
  { kernel }: Outside,
): Promise<string> {
  const { kind } = inputs.calibration;
  const texts =
    kind === "bundled" ? (await openCalibration(inputs.calibration, connect)).texts : [];
  const rows = foreseenRows(inputs, kind === "bundled" ? texts.map(nameOf) : ["text"]);
  const { workers } = kernel;
  const estimate = foreseeMeasuring({ base, rows, sources }, workers);
  const { reads, least, sideBySide, held, stages } = estimate;
  const speed = await measureSpeed(
    kernel,
    sum(stages, ({ operations }) => operations),
  );
  const seconds = sum(stages, (stage) => secondsOf(stage, speed));
  const fit = fitRun(estimate, [], {
    given: inputs.memoryLimit,
    usual: usualMemory(),
    memory: machineMemory(),
    ...{ folder: inputs.workDir, free: null },
  });
  const memory = Math.min(fit.limit, Math.max(least.bytes, sideBySide + held));
  return (
    `measuring would read ${byteSize(sum(reads, ({ bytes }) => bytes))} and take about ` +
    `${byteSize(memory)} of memory and ${duration(seconds)} of arithmetic on ${workers} threads`
  );
}

const nameOf = ({ domain }: { readonly domain: string }) => domain;

/** Rows of the size that a run would draw, evenly over the domains, without tokens. */
function foreseenRows(inputs: Inputs, domains: readonly string[]): Rows {
  const { calibrationSamples: samples, calibrationLength: length } = inputs;
  const rows = Array.from({ length: samples }, (_, row) => ({
    domain: domains[Math.floor((row * domains.length) / samples)]!,
  }));
  const counts = domains.map((name) => rows.filter(({ domain }) => domain === name).length);
  return {
    ids: sharedIntegers(samples * length),
    ...{ samples, length, rows, tokens: samples * length, sha256: "" },
    domains: Object.fromEntries(domains.map((name, at) => [name, counts[at]!])),
  };
}
