import { OqeError } from "../ground/errors.ts";
import type { FloatDtype } from "./dtype.ts";
import type { CastJob, DequantizeJob, QuantizedTile, QuantizeJob } from "./kernel-types.ts";
import type { Routine } from "./routine.ts";
import { routines } from "./routines.ts";
import { checkWidth } from "./width.ts";

/** A job as it travels to a worker, and what comes back. */
export type Task =
  | { readonly kind: "quantize"; readonly job: QuantizeJob; readonly out: readonly TileBytes[] }
  | { readonly kind: "dequantize"; readonly job: DequantizeJob }
  | { readonly kind: "cast"; readonly job: CastJob }
  | { readonly kind: "routine"; readonly name: string; readonly job: unknown };

/** Where a width's bytes go. */
export type TileBytes = Pick<QuantizedTile, "words" | "scales" | "biases">;

/** What a quantize task counts; its bytes are in `out`. */
export interface QuantizeSums {
  readonly energy: number;
  readonly nonFinite: number;
  /** One per width. */
  readonly squaredErrors: readonly number[];
}

export type Answer = unknown;

/** Bytes of one element. */
export const elementBytes: Readonly<Record<FloatDtype, number>> = { BF16: 2, F16: 2, F32: 4 };

/** The routine of a name that `Kernel.run` got. */
export function routineOf(name: string): Routine<unknown, unknown> {
  return (routines as unknown as Record<string, Routine<unknown, unknown>>)[name]!;
}

/** How errors call a task. */
export function nameTask(task: Task): string {
  if (task.kind === "routine") return routineOf(task.name).describe(task.job);
  const { kind, job } = task;
  if (kind === "cast") return `cast of ${job.weights.byteLength} bytes ${job.from} to ${job.to}`;
  const widths = kind === "quantize" ? job.widths : [job];
  const from = kind === "quantize" ? job.from : job.store;
  return `${kind} of ${job.rows}x${job.columns} ${from} at ${widths.map((w) => `${w.bits} bits g${w.groupSize}`).join(", ")}`;
}

/** Throws INTERNAL where an operand cannot be what the job says: after this the kernel may trust every length. */
export function checkTask(task: Task): void {
  const fail = (what: string): never => {
    throw new OqeError(
      "INTERNAL",
      `${nameTask(task)}: ${what}`,
      "This is a bug in oqe-publisher, not in the checkpoint.",
    );
  };
  const expectBytes = (what: string, operand: Uint8Array, expected: number) => {
    if (operand.byteLength !== expected)
      fail(`${what} have ${operand.byteLength} bytes, expected ${expected}`);
  };
  if (task.kind === "routine") {
    routineOf(task.name).check(task.job, fail);
    return;
  }
  const { kind, job } = task;
  if (kind === "cast") {
    if (job.weights.byteLength % sizeOf(job.from, fail) !== 0)
      fail("weights end within an element");
    sizeOf(job.to, fail);
    return;
  }
  for (const n of [job.rows, job.columns]) {
    if (!Number.isSafeInteger(n) || n < 1) fail("rows and columns must be whole numbers above 0");
  }
  const store = sizeOf(job.store, fail);
  if (kind === "quantize") {
    expectBytes("weights", job.weights, job.rows * job.columns * sizeOf(job.from, fail));
    for (const width of job.widths) checkWidth(width, job.columns, fail);
    return;
  }
  checkWidth(job, job.columns, fail);
  expectBytes("words", job.words, (job.rows * job.columns * job.bits) / 8);
  expectBytes("scales", job.scales, (job.rows * job.columns * store) / job.groupSize);
  expectBytes("biases", job.biases, (job.rows * job.columns * store) / job.groupSize);
}

function sizeOf(dtype: FloatDtype, fail: (what: string) => never): number {
  return elementBytes[dtype] ?? fail(`${dtype} is no float dtype`);
}
