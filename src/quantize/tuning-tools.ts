import type { FloatDtype } from "../kernel/dtype.ts";
import type { Kernel } from "../kernel/kernel-types.ts";
import { Leases } from "../kernel/lease.ts";
import { Ops } from "../models/ops.ts";
import type { TuningSettings } from "./tuning-settings.ts";

/**
 * Tools of every step of tuning: the kernel, the method's constants, and buffers that jobs reuse.
 */
export interface TuningTools {
  readonly kernel: Kernel;
  readonly ops: Ops;
  readonly settings: TuningSettings;
  /** Dtype of scales and biases. */
  readonly storage: FloatDtype;
  /** Buffers of Hessians and of results. They are separate because their sizes differ. */
  readonly hessianBuffers: Leases;
  readonly resultBuffers: Leases;
}

export function openTools(
  given: Pick<TuningTools, "kernel" | "settings" | "storage">,
): TuningTools {
  const { kernel, settings, storage } = given;
  return {
    kernel,
    ops: new Ops(kernel),
    settings,
    storage,
    hessianBuffers: new Leases(),
    resultBuffers: new Leases(),
  };
}
