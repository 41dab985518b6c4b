import type { Routine } from "./routine.ts";
import { compare } from "./routines/compare.ts";
import { condition } from "./routines/condition.ts";
import { factorTile } from "./routines/factor-tile.ts";
import { gram } from "./routines/gram.ts";
import { linear } from "./routines/linear.ts";

/** Every routine that `Kernel.run` knows, one file each in routines/. */
export const routines = {
  compare,
  condition,
  factorTile,
  gram,
  linear,
} satisfies Record<string, Routine<never, unknown>>;

export type RoutineName = keyof typeof routines;
export type JobOf<N extends RoutineName> = (typeof routines)[N] extends Routine<infer Job, unknown> ? Job : never;
export type AnswerOf<N extends RoutineName> =
  (typeof routines)[N] extends Routine<never, infer Answer> ? Answer : never;
