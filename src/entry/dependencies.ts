import type { Report } from "../ground/report.ts";
import { connectHub, type HubOptions } from "../hub/client.ts";
import { newTraffic, type Traffic } from "../hub/traffic.ts";
import type { Inputs } from "../inputs/inputs.ts";
import { openKernel } from "../kernel/pool.ts";
import type { Dependencies } from "../pipeline.ts";

/**
 * The real dependencies: the Hub over HTTP, the kernel in worker threads. `traffic` counts what all
 * connections send and receive.
 */
export function openDependencies(
  {
    hubEndpoint,
    hubToken,
    workers,
  }: Pick<Inputs, "hubEndpoint" | "workers"> & { readonly hubToken: HubOptions["token"] },
  report: Report,
  occasion: string,
): Dependencies & { readonly traffic: Traffic } {
  const traffic = newTraffic();
  return {
    report,
    occasion,
    traffic,
    connect: () => connectHub({ endpoint: hubEndpoint, token: hubToken, report, traffic }),
    openKernel: () => openKernel(workers === null ? {} : { workers }),
  };
}
