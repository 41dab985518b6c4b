import type { Sensitivity } from "../plan/sensitivity-types.ts";
import { costsOf } from "./costs.ts";
import { criticalExperts } from "./damage.ts";
import { probeRowsOf } from "./probe-rows.ts";
import { probeWidth } from "./probe-width.ts";
import type { MeasureRequest } from "./sensitivity-request.ts";
import { MeasuringWalk } from "./sensitivity-walk.ts";

/**
 * The measuring walk: one pass over the blocks with all calibration rows for the Hessians, and beside it the probes, a copy of some
 * rows for every quantizable tensor. The same request gives the same measurement, whatever the number of workers.
 * Throws BAD_CHECKPOINT for weights or activations that are not finite.
 */
export async function measure(request: MeasureRequest): Promise<Sensitivity> {
  const { rows, report } = request;
  const probe = probeRowsOf(rows, request.probeSamples, request.domainWeights);
  const walk = new MeasuringWalk(request, probe);
  const outcome = await walk.run((done, total) => report.tick(done, total, "blocks"));
  return {
    format: 1,
    ...request.identity,
    calibration: { sha256: rows.sha256, samples: rows.samples, length: rows.length },
    probe: { samples: probe.samples, length: rows.length, bits: probeWidth.bits },
    domains: probe.domains,
    domainWeights: probe.domainWeights,
    ...costsOf(outcome, probe),
    experts: outcome.experts,
    critical: criticalExperts(outcome.experts, probe.domains),
  };
}
