import { elements, modulePath, quantizedBytes } from "../../src/mlx/format.ts";
import type { PlannedTensor } from "../../src/models/architecture.ts";
import { isQuantizable } from "../../src/plan/plan.ts";
import {
  type MeasuredTensor,
  measuredBits,
  type Sensitivity,
} from "../../src/plan/sensitivity-types.ts";
import { tierGroupSize } from "../../src/plan/tiers.ts";

/** A number from 0 to 1 that depends on a text alone (FNV-1a). */
function worthOf(text: string): number {
  let hash = 0x811c9dc5;
  for (const letter of text) hash = Math.imul(hash ^ letter.charCodeAt(0), 0x01000193);
  return (hash >>> 0) / 2 ** 32;
}

/**
 * A sensitivity with made-up costs. Each bit divides them by four, early layers cost more, and only
 * models with routers have flips.
 */
export function makeSensitivity(
  tensors: readonly PlannedTensor[],
  changes: Partial<Sensitivity> = {},
): Sensitivity {
  const routed = tensors.some((tensor) => tensor.role.routed === true);
  const measured = tensors.filter(isQuantizable).map((tensor): MeasuredTensor => {
    const module = modulePath(tensor);
    const worth = 10 ** (3 * worthOf(module) - 3) / (1 + (tensor.layer ?? 0)) / 20;
    const widths = measuredBits.map((bits) => {
      const error = 4 ** -bits;
      return {
        bits,
        bytes: quantizedBytes(tensor.shape, { bits, groupSize: tierGroupSize }, "BF16"),
        error,
        forcedKl: worth * error,
        flipPower: routed ? worth * error * (0.5 + worthOf(`${module} flips`)) : 0,
      };
    });
    return {
      module,
      role: tensor.role.role,
      layer: tensor.layer,
      widths,
      byDomain: [0.75, 0.25],
      blockError: worth / 300,
    };
  });
  const total = (value: (one: MeasuredTensor["widths"][number]) => number) =>
    measured.reduce((sum, { widths }) => sum + value(widths[1]!), 0);
  return {
    format: 1,
    engine: { name: "oqe-publisher", version: "0.0.0", recipe: 1, kernelSha256: "0".repeat(64) },
    base: { id: null, name: "made-up", revision: "main" },
    proxy: null,
    calibration: { sha256: "1".repeat(64), samples: 128, length: 256 },
    probe: { samples: 14, length: 256, bits: 4 },
    domains: ["code", "en"],
    domainWeights: [1, 1],
    depthGain: [{ depth: 0, gain: 0.5 }],
    together: {
      forcedKl: total((one) => one.forcedKl),
      freeKl: total((one) => one.forcedKl) * (routed ? 3 : 1),
      flipPower: total((one) => one.flipPower),
    },
    check: [],
    tensors: measured,
    tied: null,
    experts: [],
    critical: [],
    ...changes,
  };
}

/** Bits per weight of a plan's modules, from their shapes. */
export function bpwOf(
  tensors: readonly PlannedTensor[],
  modules: Readonly<Record<string, { bits: number }>>,
): number {
  const quantized = tensors.filter((tensor) => Object.hasOwn(modules, modulePath(tensor)));
  const sum = (value: (tensor: PlannedTensor) => number) =>
    quantized.reduce((all, tensor) => all + value(tensor), 0);
  return (
    sum((t) => elements(t.shape) * (modules[modulePath(t)]!.bits + 0.5)) /
    sum((t) => elements(t.shape))
  );
}
