import type { Kernel } from "../kernel/kernel-types.ts";

/** The operations of a forward pass over matrices of any size, cut into jobs for the kernel. */
export class Ops {
  readonly kernel: Kernel;

  constructor(kernel: Kernel) {
    this.kernel = kernel;
  }
}
