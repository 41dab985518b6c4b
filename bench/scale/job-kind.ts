/**
 * What the jobs of one kind took. Jobs are of one kind if block, routine and sizes are the same;
 * for jobs on rows of activations the number of rows does not count.
 */
export interface JobKind {
  readonly place: JobPlace;
  readonly routine: string;
  /** Sizes and widths, as text. */
  readonly sizes: string;
  /** Jobs that were asked for, and those that were computed. */
  asked: number;
  computed: number;
  /** Thread CPU time and wall time of those computed, in ms. */
  cpu: number;
  wall: number;
  /** Sums over those computed: rows, their squares, and rows times CPU ms. */
  rows: number;
  squares: number;
  products: number;
}

/** Where a job belongs to. */
export interface JobPlace {
  /** `mamba`, `attention`, `moe`, `mlp`, or `outer`: outside the blocks. */
  readonly block: string;
  /**
   * Whether the series has one such block of its kind: measuring tunes its matrices at all widths;
   * tuning has no router behind it, whose directions its errors would be tuned for.
   */
  readonly single: boolean;
}

export const outside: JobPlace = { block: "outer", single: false };

export function nameOf({ block, single }: JobPlace): string {
  return single ? `${block} (single)` : block;
}

export function newKind(place: JobPlace, routine: string, sizes: string): JobKind {
  const sums = { asked: 0, computed: 0, cpu: 0, wall: 0, rows: 0, squares: 0, products: 0 };
  return { place, routine, sizes, ...sums };
}

export function addJob(kind: JobKind, { cpu, wall }: Taken, rows: number): void {
  kind.cpu += cpu;
  kind.wall += wall;
  kind.rows += rows;
  kind.squares += rows ** 2;
  kind.products += rows * cpu;
}

/** ms */
interface Taken {
  readonly cpu: number;
  readonly wall: number;
}

/** CPU seconds of the jobs of a kind, those not computed included. */
export function secondsOf({ cpu, computed, asked }: JobKind): number {
  return computed === 0 ? 0 : ((cpu / computed) * asked) / 1e3;
}

/**
 * The CPU seconds of a kind's jobs that do not depend on their rows: n·a of the line a + b·rows
 * that fits them best. 0 where all have about the same number of rows.
 */
export function fixedSecondsOf(kind: JobKind): number {
  const { computed: n, rows, squares, products, cpu } = kind;
  const spread = n * squares - rows ** 2;
  if (spread <= 0.01 * n * squares) return 0;
  const perRow = (n * products - rows * cpu) / spread;
  return Math.min(secondsOf(kind), Math.max(0, (cpu - perRow * rows) / 1e3));
}

/** Moments of two matrices are errors times the directions of routers, not of activations. */
export function routineOf(name: string, job: object): string {
  return name === "moments" && (job as { y?: unknown }).y ? "cross" : name;
}

/** Routines that run once for each matrix or Hessian. All others run once for each row. */
const onceAMatrix: ReadonlySet<string> = new Set([
  ...["tune", "forecast", "factorTile", "condition", "compensation", "quantize", "dequantize"],
  ...["cast", "decode", "solve", "center", "cluster", "cross", "subtract"],
]);
/** Routines that run on the rows of the calibration text alone. */
const ofCalibration: ReadonlySet<string> = new Set(["moments", "screen", "weigh", "fisherWeights"]);

export function classOf(routine: string): "a matrix" | "calibration" | "a row" {
  if (onceAMatrix.has(routine)) return "a matrix";
  return ofCalibration.has(routine) ? "calibration" : "a row";
}

/** Head groups of similar size take similar time, so row counts are rounded up. */
const rowsApart = 256;

/** Rows of a job, and its columns and widths: jobs of equal text take about the same time. */
export function sizesOf(routine: string, job: object): { rows: number; sizes: string } {
  const { rows, columns, d, weight, x, bits, sweeps, widths, tasks } = job as Sizes;
  const ids = (rows as { readonly length?: number } | null | undefined)?.length;
  const height = typeof rows === "number" ? rows : (ids ?? x?.rows ?? 0);
  const each = tasks ?? widths ?? (bits === undefined ? [] : [{ bits }]);
  const width = columns ?? weight?.columns ?? d ?? x?.columns ?? 0;
  const sizes = [
    classOf(routine) === "a row"
      ? `${width}`
      : `${Math.ceil(height / rowsApart) * rowsApart}x${width}`,
    ...(weight === undefined ? [] : [`to ${weight.rows}`]),
    ...each.map((one) => `${one.bits}b`),
    ...(sweeps === 0 ? ["no sweeps"] : []),
  ];
  return { rows: height, sizes: sizes.join(" ") };
}

interface Sizes {
  readonly rows?: unknown;
  readonly columns?: number;
  readonly d?: number;
  readonly weight?: { readonly rows: number; readonly columns: number };
  readonly x?: { readonly rows: number; readonly columns: number };
  readonly bits?: number;
  readonly sweeps?: number;
  readonly widths?: readonly { readonly bits: number }[];
  readonly tasks?: readonly { readonly bits: number }[];
}
