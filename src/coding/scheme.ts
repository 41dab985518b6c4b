import { show } from "../checkpoint/json.ts";
import type { Block, Coding } from "./coding.ts";

/** One way in which a base may code a matrix. */
export interface Scheme {
  readonly format: Coding["format"];
  readonly block: Block;
  /** Each group has a zero point of its own. */
  readonly zeros: boolean;
  /** Its scales are powers of two, a byte each. Where false, they may be. */
  readonly powers: boolean;
}

export type Fields = Readonly<Record<string, unknown>>;

/** Says that settings are of a kind that is not decoded; `found` completes "it has". */
export type Refuse = (found: string, known: string) => never;

const all = Number.POSITIVE_INFINITY;
export const oneScale: Block = [all, all];
export const rowScales: Block = [1, all];

/** A scheme without zero points. */
export function floatScheme(format: "fp8" | "fp4", block: Block, powers = false): Scheme {
  return { format, block, zeros: false, powers };
}

/** A pair of counts. */
export function blockOf(value: unknown, refuse: Refuse): Block {
  const isPair = Array.isArray(value) && value.length === 2 && value.every(isCount);
  if (!isPair) refuse(`blocks of ${show(value)}`, "pairs of rows and columns");
  return value as unknown as Block;
}

export function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) > 0;
}
