import { compareHidden } from "../evaluation/compare-hidden.ts";
import { pieces } from "../ground/pieces.ts";
import {
  copyMatrix,
  type Matrix,
  newMatrix,
  rowsOf,
  sharedFloats,
  sharedIntegers,
} from "../kernel/matrix.ts";
import { comparisonColumns } from "../kernel/routines/compare.ts";
import type { BlockPlace } from "../models/rider.ts";
import type { Routing } from "../models/routing.ts";
import { type Head, type Model, openHead, plainContext } from "../models/run.ts";
import { passBlock } from "./block-pass.ts";
import { addMargins, type Boundary } from "./margins.ts";
import type { SavedProbe } from "./saved-walk.ts";

/**
 * A copy of the probe rows' hidden states in which one part of one block has its codes at the
 * probe's width. It goes through the later blocks beside the base. At the end it shows how the
 * change affects the model's output.
 */
export interface Probe {
  /** Flip power of the routers so far: Σ of density² · E[(change of the margin)²]. */
  flipPower: number;
  readonly name: string;
  x: Matrix;
}

/** Results of one probe. */
export interface ProbeResult {
  /** KL(base ‖ probe) in nats, by compared position. */
  readonly divergence: Float64Array;
  readonly flipPower: number;
}

export interface AdvanceOptions {
  /** Tokens of a sequence. */
  readonly length: number;
  /** The boundary of the base's router in this block. Asked for only where the block has one. */
  readonly boundary: () => Promise<Boundary>;
  /** Probes with free routes: they follow their own choice of experts. Others follow the base's. */
  readonly free?: readonly Probe[];
  readonly wantsOutputs?: boolean;
}

/**
 * Runs one block of `model` on probes and updates them. Gives the outputs of the experts, if they
 * are wanted, for all probes together.
 */
export async function advance(
  model: Model,
  place: BlockPlace,
  probes: readonly Probe[],
  { length, boundary, free = [], wantsOutputs = false }: AdvanceOptions,
): Promise<ReadonlyMap<number, Matrix>> {
  if (probes.length === 0) return new Map();
  const together = join(probes.map(({ x }) => x));
  const rows = together.rows / probes.length;
  const spread = (all: Matrix) => {
    for (const [i, probe] of probes.entries()) probe.x = rowsOf(all, i * rows, (i + 1) * rows);
  };
  spread(together); // frees what they had before
  const areFree = probes.map((probe) => free.includes(probe));
  const routes = async (own: Routing) => {
    const base = await boundary();
    addMargins(base, own, probes);
    return follow(base.routing, own, areFree);
  };
  const { after, outputs } = await passBlock(model, place, together, {
    ...{ length, routes, wantsOutputs },
  });
  spread(after);
  return outputs;
}

/** The choice of experts for copies of the rows: a free copy's own, else the base's. */
export function follow(base: Routing, own: Routing, free: readonly boolean[]): Routing {
  const copies = free.length;
  const experts = sharedIntegers(copies * base.experts.length);
  const selection = sharedFloats(copies * base.selection.length);
  for (let i = 0; i < copies; i++) {
    const at = i * base.experts.length;
    const end = at + base.experts.length;
    experts.set(free[i] ? own.experts.subarray(at, end) : base.experts, at);
    selection.set(free[i] ? own.selection.subarray(at, end) : base.selection, at);
  }
  return { ...own, experts, selection };
}

/** The rows of all parts, one part after the other. Parts that lie so are not copied. */
export function join(parts: readonly Matrix[]): Matrix {
  if (parts.length === 1) return parts[0]!;
  const joined = inPlace(parts);
  if (joined !== null) return joined;
  const rows = parts.reduce((sum, part) => sum + part.rows, 0);
  const whole = newMatrix(rows, parts[0]!.columns);
  let at = 0;
  for (const part of parts) {
    copyMatrix(part, rowsOf(whole, at, at + part.rows));
    at += part.rows;
  }
  return whole;
}

/** The parts as one matrix if each begins where the one before ends, else null. */
function inPlace(parts: readonly Matrix[]): Matrix | null {
  const { buffer, byteOffset } = parts[0]!.data;
  let end = byteOffset;
  for (const { data } of parts) {
    if (data.buffer !== buffer || data.byteOffset !== end) return null;
    end += data.byteLength;
  }
  const { columns } = parts[0]!;
  const data = new Float32Array(buffer, byteOffset, (end - byteOffset) / 4);
  return { data, rows: data.length / columns, columns };
}

/** Hidden states after the last block, and the model whose norm and head make their logits. */
export interface ComparedStates {
  readonly x: Matrix;
  readonly head: Model;
}

/** KL(base ‖ probe) in nats for each probe, by position. */
export async function divergences(
  base: ComparedStates,
  probes: readonly ComparedStates[],
  length: number,
): Promise<readonly Float64Array[]> {
  const heads = new Map<Model, Head>();
  for (const model of new Set([base.head, ...probes.map(({ head }) => head)]))
    heads.set(model, await openHead(model));
  const finish = async ({ x, head }: ComparedStates) => ({
    hidden: await head.architecture.forward.finish(plainContext(head, null, { length }), x),
    head: heads.get(head)!,
  });
  const models: Awaited<ReturnType<typeof finish>>[] = [];
  for (const probe of probes) models.push(await finish(probe));
  const { rows } = base.x;
  const found = await compareHidden(base.head.ops.kernel, {
    base: await finish(base),
    models,
    next: sharedIntegers(rows), // the next tokens do not affect the KL
  });
  return found.map((out) =>
    Float64Array.from({ length: rows }, (_, t) => out[comparisonColumns * t]!),
  );
}

/**
 * Tokens of probes that pass a block without experts together: more would take more memory and no
 * less time.
 */
export const tokensTogether = 8192;

/** Probes as they pass a block: a stack of experts is read once for all. */
export function groupsOf(
  probes: readonly Probe[],
  tokens: number,
  { kind }: BlockPlace,
): readonly (readonly Probe[])[] {
  const most = kind.mlp === "moe" ? probes.length : Math.floor(tokensTogether / tokens);
  const size = Math.max(1, most);
  return pieces(probes.length, size).map((piece) => probes.slice(...piece));
}

/** Results of probes by name. */
export function resultsOf(
  probes: readonly Omit<Probe, "x">[],
  found: readonly Float64Array[],
): Map<string, ProbeResult> {
  return new Map(
    probes.map(({ name, flipPower }, i) => [name, { divergence: found[i]!, flipPower }]),
  );
}

/** A probe as it is saved. */
export function withoutStates({ name, flipPower }: Probe): SavedProbe {
  return { name, flipPower };
}
