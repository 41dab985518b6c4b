import type { Weight } from "../kernel/matrix.ts";
import type { PlannedTensor } from "../models/architecture.ts";
import type { VisitedMatrix } from "../quantize/block-visit.ts";
import { decodeMatrix, type TunedRows } from "../quantize/tuned-rows.ts";
import type { TuningTools } from "../quantize/tuning-tools.ts";

/** The codes of one block's tensors at the probe's width. Matrices are decoded when asked for. */
export class BlockCodes {
  readonly #tools: TuningTools;
  readonly #tensors: ReadonlyMap<string, PlannedTensor>;
  /** Role and expert -> codes. */
  readonly #codes = new Map<string, readonly TunedRows[]>();

  /** `tensors`: the quantizable ones of the block. */
  constructor(tools: TuningTools, tensors: readonly PlannedTensor[]) {
    this.#tools = tools;
    this.#tensors = new Map(tensors.map((tensor) => [tensor.role.role, tensor]));
  }

  add(
    { tensor, expert }: Pick<VisitedMatrix, "tensor" | "expert">,
    parts: readonly TunedRows[],
  ): void {
    this.#codes.set(keyOf(tensor.role.role, expert), parts);
  }

  /** A matrix at the probe's width, in float32; null if it is not quantizable. */
  async matrix(role: string, expert = 0): Promise<Weight | null> {
    const parts = this.#codes.get(keyOf(role, expert));
    if (parts === undefined) return null;
    const { kernel, storage: store } = this.#tools;
    const columns = this.#tensors.get(role)!.shape.at(-1)!;
    return decodeMatrix(kernel, parts, { columns, store });
  }
}

function keyOf(role: string, expert: number): string {
  return `${role} ${expert}`;
}
