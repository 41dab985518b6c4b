import type { Base } from "../base/base.ts";
import { memberRows } from "../base/base-rows.ts";
import { sum } from "../ground/sum.ts";
import { bytesPerElement } from "../kernel/dtype.ts";
import { elements } from "../mlx/format.ts";
import { behindExperts, type PlannedTensor, sublayers } from "../models/architecture.ts";
import { integer } from "../models/config-fields.ts";
import type { LayerKind } from "../models/layer-kind.ts";
import { ranksOf } from "../models/routing.ts";
import { headRole, isTiedTable } from "../models/run.ts";

/** The parts of a base that its shapes follow from. */
export type ShapedBase = Pick<
  Base,
  "tensors" | "architecture" | "config" | "storage" | "parameters"
> &
  Partial<Pick<Base, "coded">>;

/** A matrix of a block, or all experts of one role. */
export interface MatrixShape {
  readonly tensor: PlannedTensor;
  /** Of one matrix. */
  readonly rows: number;
  readonly columns: number;
  /** Experts; 1 for a matrix that all tokens are multiplied with. */
  readonly count: number;
  /** How many of them a token is multiplied with. */
  readonly perToken: number;
}

/** Tokens that nearly visit an expert, for one that does (routing.ts). */
export const nearShare = 1;

export interface BlockShape {
  readonly kind: LayerKind;
  readonly matrices: readonly MatrixShape[];
  /** Multiplications and additions for one token in a plain pass. */
  readonly operations: number;
  /**
   * Elements for a token of the widest activation that a block holds for all tokens, hidden states
   * not counted.
   */
  readonly inner: number;
  /** The part of `inner` that the mixer of tokens makes. */
  readonly mixed: number;
  /** 1 or 2: a mixer, an MLP. */
  readonly parts: number;
  /** Elements for a token of the experts' input, where it is not the hidden states; else 0. */
  readonly narrow: number;
}

export interface ModelShape {
  readonly hidden: number;
  readonly vocabulary: number;
  readonly blocks: readonly BlockShape[];
  readonly table: PlannedTensor;
  readonly head: PlannedTensor;
  readonly isTied: boolean;
  /** Routed experts of a layer, and the experts that a router ranks; null for a dense model. */
  readonly experts: { readonly routed: number; readonly ranked: number } | null;
  /** Bytes of all tensors in the base's files. */
  readonly bytes: number;
  /** Bytes of the head's matrix in the base. */
  readonly headBytes: number;
}

/** The sizes that work and memory follow from. Reads no weight. */
export function shapeOf({ tensors, architecture, config, coded }: ShapedBase): ModelShape {
  const experts = architecture.experts(config);
  const find = (role: string) =>
    tensors.find((tensor) => tensor.layer === null && tensor.role.role === role)!;
  const head = find(headRole(architecture, config));
  const blocks = architecture.layers(config).map((kind, layer) => {
    const own = tensors.filter((tensor) => tensor.layer === layer);
    return blockShape(kind, own, experts?.perToken ?? 0);
  });
  return {
    hidden: integer(config, "hidden_size"),
    vocabulary: integer(config, "vocab_size"),
    blocks,
    table: tensors.find(({ role }) => role.kind === "embeddings")!,
    head,
    isTied: isTiedTable({ architecture, config }),
    experts: experts && {
      routed: experts.routed,
      ranked: ranksOf(experts),
    },
    bytes: coded?.publishedBytes ?? sum(tensors, bytesOf),
    headBytes: bytesOf(head),
  };
}

/** Bytes of the largest stack of experts in the base, all its matrices together. */
export function stackBytes({ blocks }: Pick<ModelShape, "blocks">): number {
  const sizes = blocks.map(({ matrices }) =>
    matrices.reduce(
      (sum, { tensor }) => sum + (tensor.role.routed === true ? bytesOf(tensor) : 0),
      0,
    ),
  );
  return Math.max(0, ...sizes);
}

function blockShape(
  kind: LayerKind,
  tensors: readonly PlannedTensor[],
  perToken: number,
): BlockShape {
  const matrices = tensors
    .filter(({ role }) => ["linear", "expert", "router"].includes(role.kind))
    .map((tensor) => {
      const columns = tensor.shape.at(-1)!;
      const rows = memberRows(tensor);
      const count = elements(tensor.shape) / (rows * columns);
      const share = tensor.role.routed === true ? perToken : 1;
      return { tensor, rows, columns, count, perToken: share };
    });
  // The input of the last matrix of a part is made for all tokens; experts take some at a time.
  const whole = matrices.filter(
    ({ tensor: { role } }) => role.residual === true && role.routed !== true,
  );
  const isNarrow = behindExperts(tensors.map(({ role }) => role)) !== null;
  return {
    kind,
    matrices,
    operations: matrices.reduce(
      (sum, { rows, columns, perToken }) => sum + 2 * rows * columns * perToken,
      0,
    ),
    inner: Math.max(0, ...whole.map(({ columns }) => columns)),
    mixed: Math.max(0, ...whole.filter(isMixer).map(({ columns }) => columns)),
    parts: new Set(matrices.map(isMixer)).size,
    narrow: isNarrow ? matrices.find(({ tensor }) => tensor.role.routed === true)!.columns : 0,
  };
}

/** Whether a matrix is of the part that mixes tokens. */
export function isMixer({ tensor: { role } }: MatrixShape): boolean {
  return role.part !== null && sublayers[role.part] === "mixer";
}

/** Bytes of a tensor in the base, as its values are read. */
export function bytesOf({ shape, dtype }: PlannedTensor): number {
  return elements(shape) * bytesPerElement[dtype]!;
}
