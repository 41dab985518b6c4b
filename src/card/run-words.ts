import { byteSize, duration, grouped } from "../ground/digits.ts";
import { engine } from "../ground/engine.ts";
import type { Traffic } from "../hub/traffic.ts";
import { gigabytes } from "./figures.ts";

/** What a run took. Nothing of it is in a receipt. */
export interface RunCosts {
  readonly seconds: number;
  /** Of this process. */
  readonly peakBytes: number;
  readonly traffic: Traffic;
}

/** What this process took so far. */
export function costsSoFar(traffic: Traffic): RunCosts {
  return {
    seconds: performance.now() / 1000,
    peakBytes: 1024 * process.resourceUsage().maxRSS,
    traffic: { ...traffic },
  };
}

/** In one or two sentences. `by`: what stands behind the engine's name. */
export function runWords({ seconds, peakBytes, traffic }: RunCosts, by = ""): string {
  const took =
    `oqe-publisher ${engine.version}${by} took ${duration(seconds)} and ` +
    `${gigabytes(peakBytes)} GB of memory at most.`;
  const { requests, retries, received, sent } = traffic;
  if (requests === 0) return took;
  const count = (many: number, one: string, more: string) =>
    `${grouped(many)} ${many === 1 ? one : more}`;
  return (
    `${took} It received ${byteSize(received)} and sent ${byteSize(sent)} in ` +
    `${count(requests, "request", "requests")}, with ${count(retries, "retry", "retries")}.`
  );
}
