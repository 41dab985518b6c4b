import { type PlannedTensor, sublayers } from "../models/architecture.ts";

/** Tensors of one block that one probe changes together: its mixer, or its MLP. */
export interface BlockPart {
  readonly name: string;
  readonly tensors: readonly PlannedTensor[];
}

/** The parts of a block that have quantizable tensors. */
export function partsOf(layer: number, tensors: readonly PlannedTensor[]): readonly BlockPart[] {
  const isMixer = ({ role }: PlannedTensor) =>
    role.part !== null && sublayers[role.part] === "mixer";
  return [
    { name: `layer ${layer}, mixer`, tensors: tensors.filter(isMixer) },
    { name: `layer ${layer}, mlp`, tensors: tensors.filter((tensor) => !isMixer(tensor)) },
  ].filter((part) => part.tensors.length > 0);
}

/** How often a block's matrix is asked for by the riders of a ProbeWalk. */
export function usersOf(parts: readonly BlockPart[]): (role: string) => number {
  const alone = new Set(
    parts.flatMap(({ tensors }) => (tensors.length === 1 ? [tensors[0]!.role.role] : [])),
  );
  return (role) => (alone.has(role) ? 2 : 3);
}
