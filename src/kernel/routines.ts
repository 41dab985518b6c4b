import type { Routine } from "./routine.ts";
import { accumulate } from "./routines/accumulate.ts";
import { attention } from "./routines/attention.ts";
import { cast } from "./routines/cast.ts";
import { center } from "./routines/center.ts";
import { cluster } from "./routines/cluster.ts";
import { compare } from "./routines/compare.ts";
import { compensation } from "./routines/compensation.ts";
import { condition } from "./routines/condition.ts";
import { decode } from "./routines/decode.ts";
import { dequantize } from "./routines/dequantize.ts";
import { distances } from "./routines/distances.ts";
import { elementwise } from "./routines/elementwise.ts";
import { embed } from "./routines/embed.ts";
import { factorTile } from "./routines/factor-tile.ts";
import { contexts, fisherWeights } from "./routines/fisher-weights.ts";
import { forecast } from "./routines/forecast.ts";
import { gateRows } from "./routines/gate-rows.ts";
import { gatedDelta } from "./routines/gated-delta.ts";
import { gather } from "./routines/gather.ts";
import { linear } from "./routines/linear.ts";
import { mamba } from "./routines/mamba.ts";
import { moments } from "./routines/moments.ts";
import { quantize } from "./routines/quantize.ts";
import { rmsNorm } from "./routines/rms-norm.ts";
import { rotary } from "./routines/rotary.ts";
import { route } from "./routines/route.ts";
import { scale, weigh } from "./routines/scale.ts";
import { screen } from "./routines/screen.ts";
import { solve } from "./routines/solve.ts";
import { subtract } from "./routines/subtract.ts";
import { tune } from "./routines/tune.ts";

/** Every routine that `Kernel.run` knows, one file each in routines/. */
const routines = {
  accumulate,
  attention,
  cast,
  center,
  cluster,
  compare,
  compensation,
  condition,
  contexts,
  decode,
  dequantize,
  distances,
  elementwise,
  embed,
  factorTile,
  fisherWeights,
  forecast,
  gateRows,
  gatedDelta,
  gather,
  linear,
  mamba,
  moments,
  quantize,
  rmsNorm,
  rotary,
  route,
  scale,
  screen,
  solve,
  subtract,
  tune,
  weigh,
} satisfies Record<string, Routine<never, unknown>>;

type Routines = typeof routines;
export type RoutineName = keyof Routines;
export type JobOf<N extends RoutineName> = Parameters<Routines[N]["run"]>[0];
export type AnswerOf<N extends RoutineName> = ReturnType<Routines[N]["run"]>;

/** A job as it travels to a worker. */
export interface KernelCall<N extends RoutineName> {
  readonly name: N;
  readonly job: JobOf<N>;
}

type Table = { readonly [N in RoutineName]: Routine<JobOf<N>, AnswerOf<N>> };
const table: Table = routines;

export function routineOf<N extends RoutineName>(name: N): Table[N] {
  return table[name];
}
