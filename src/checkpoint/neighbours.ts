import { mapBounded } from "./bounded.ts";
import type { TensorEntry } from "./safetensors.ts";

type Placed = TensorEntry & { readonly file: string };

/** Tensors of one file that lie beside each other. */
export interface Neighbours {
  readonly file: string;
  readonly tensors: readonly Placed[];
}

/** Reads at the same time. */
const readsAtOnce = 8;

/** Sorts tensors into runs without gaps, in the order of files and bytes. */
export function neighboursOf(tensors: readonly Placed[]): readonly Neighbours[] {
  const sorted = tensors.toSorted((a, b) => {
    return a.file === b.file ? a.start - b.start : a.file < b.file ? -1 : 1;
  });
  const runs: { file: string; tensors: Placed[] }[] = [];
  for (const tensor of sorted) {
    const run = runs.at(-1);
    if (run?.file === tensor.file && run.tensors.at(-1)!.end === tensor.start)
      run.tensors.push(tensor);
    else runs.push({ file: tensor.file, tensors: [tensor] });
  }
  return runs;
}

/**
 * Reads runs of tensors, each with one request. Gives the bytes of each tensor by its name.
 * Throws as `read`.
 */
export async function readNeighbours(
  runs: readonly Neighbours[],
  read: (file: string, start: number, length: number) => Promise<Uint8Array>,
): Promise<ReadonlyMap<string, Uint8Array>> {
  const found = await mapBounded(runs, readsAtOnce, async ({ file, tensors }) => {
    const { start } = tensors[0]!;
    const bytes = await read(file, start, tensors.at(-1)!.end - start);
    return tensors.map(({ name, ...place }) => {
      return [name, bytes.subarray(place.start - start, place.end - start)] as const;
    });
  });
  return new Map(found.flat());
}
