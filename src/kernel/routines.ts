import type { Routine } from "./routine.ts";
import { accumulate } from "./routines/accumulate.ts";
import { attention } from "./routines/attention.ts";
import { carry } from "./routines/carry.ts";
import { center } from "./routines/center.ts";
import { cluster } from "./routines/cluster.ts";
import { compare } from "./routines/compare.ts";
import { condition } from "./routines/condition.ts";
import { cross } from "./routines/cross.ts";
import { decode } from "./routines/decode.ts";
import { distances } from "./routines/distances.ts";
import { elementwise } from "./routines/elementwise.ts";
import { embed } from "./routines/embed.ts";
import { factorTile } from "./routines/factor-tile.ts";
import { forecast } from "./routines/forecast.ts";
import { gather } from "./routines/gather.ts";
import { gram } from "./routines/gram.ts";
import { linear } from "./routines/linear.ts";
import { mamba } from "./routines/mamba.ts";
import { rmsNorm } from "./routines/rms-norm.ts";
import { rotary } from "./routines/rotary.ts";
import { route } from "./routines/route.ts";
import { scale, weigh } from "./routines/scale.ts";
import { screen } from "./routines/screen.ts";
import { solve } from "./routines/solve.ts";
import { contexts, stakes } from "./routines/stakes.ts";
import { subtract } from "./routines/subtract.ts";
import { tune } from "./routines/tune.ts";

/** Every routine that `Kernel.run` knows, one file each in routines/. */
export const routines = {
  accumulate,
  attention,
  carry,
  center,
  compare,
  condition,
  cross,
  decode,
  distances,
  factorTile,
  elementwise,
  embed,
  forecast,
  gather,
  gram,
  linear,
  mamba,
  rmsNorm,
  rotary,
  route,
  scale,
  solve,
  subtract,
  stakes,
  weigh,
  cluster,
  contexts,
  screen,
  tune,
} satisfies Record<string, Routine<never, unknown>>;

export type RoutineName = keyof typeof routines;
export type JobOf<N extends RoutineName> =
  (typeof routines)[N] extends Routine<infer Job, unknown> ? Job : never;
export type AnswerOf<N extends RoutineName> =
  (typeof routines)[N] extends Routine<never, infer Answer> ? Answer : never;
