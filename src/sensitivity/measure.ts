import { BlockTimes } from "../ground/block-times.ts";
import type { Sensitivity } from "../plan/sensitivity-types.ts";
import { costsOf } from "./costs.ts";
import { criticalExperts } from "./damage.ts";
import { probeRowsOf } from "./probe-rows.ts";
import { probeWidth } from "./probe-width.ts";
import type { MeasureRequest } from "./sensitivity-request.ts";
import { walkModel } from "./sensitivity-walk.ts";

/**
 * Measures how much the precision of every quantizable tensor affects the model's output, in one
 * pass over the blocks. The same request gives the same sensitivity with any number of workers.
 * Throws BAD_CHECKPOINT for weights or activations that are not finite.
 */
export async function measure(request: MeasureRequest): Promise<Sensitivity> {
  const { rows, report } = request;
  const probe = probeRowsOf(rows, request.probeSize, request.domainWeights);
  const { architecture, config } = request.model;
  const times = new BlockTimes(architecture.layers(config).length);
  const progress = (done: number, total: number) => {
    report.tick(done, total, "blocks");
    report.info(`${done < total ? times.behind(done - 1) : "the head"}: measured`);
  };
  const results = await walkModel(request, probe, progress);
  return {
    format: 1,
    ...request.identity,
    calibration: { sha256: rows.sha256, samples: rows.samples, length: rows.length },
    probe: { samples: probe.samples, length: probe.length, bits: probeWidth.bits },
    domains: probe.domains,
    domainWeights: probe.domainWeights,
    ...costsOf(results, probe),
    experts: results.experts,
    critical: criticalExperts(results.experts, probe.domains),
  };
}
