import type { Matrix } from "../matrix.ts";
import type { Routine } from "../routine.ts";

/** Groups points by direction: k-means on the unit sphere. It is deterministic. */
export interface ClusterJob {
  /** `[count, columns]`; scaled to length 1 in place. A point at the origin joins group 0. */
  readonly points: Matrix;
  readonly groups: number;
  readonly rounds: number;
  /** Overwritten: group of each point. */
  readonly labels: Uint32Array<SharedArrayBuffer>;
}

export const cluster: Routine<ClusterJob, void> = {
  describe: ({ points, groups }) => `clustering of ${points.rows} points into ${groups}`,
  check({ points, groups, labels }, fail) {
    if (labels.length !== points.rows) fail(`${labels.length} labels for ${points.rows} points`);
    if (!(groups >= 1 && groups <= points.rows)) fail(`${groups} groups for ${points.rows} points`);
  },
  run({ points: { data, rows, columns }, groups, rounds, labels }) {
    for (let i = 0; i < rows; i++) normalize(data.subarray(i * columns, (i + 1) * columns));
    const centres = new Float64Array(groups * columns);
    for (let g = 0; g < groups; g++) {
      const first = Math.floor((g * rows) / groups);
      centres.set(data.subarray(first * columns, (first + 1) * columns), g * columns);
    }
    for (let round = 0; ; round++) {
      for (let i = 0; i < rows; i++) labels[i] = nearest(data, i * columns, centres, columns);
      if (round === rounds) return;
      const sums = new Float64Array(centres.length);
      for (let i = 0; i < rows; i++) {
        const at = labels[i]! * columns;
        for (let k = 0; k < columns; k++) sums[at + k]! += data[i * columns + k]!;
      }
      for (let g = 0; g < groups; g++) {
        const sum = sums.subarray(g * columns, (g + 1) * columns);
        // A group without points keeps its centre.
        if (normalize(sum)) centres.set(sum, g * columns);
      }
    }
  },
};

function nearest(
  data: Float32Array,
  start: number,
  centres: Float64Array,
  columns: number,
): number {
  let [best, largest] = [0, Number.NEGATIVE_INFINITY];
  for (let at = 0, group = 0; at < centres.length; at += columns, group++) {
    let product = 0;
    for (let k = 0; k < columns; k++) product += data[start + k]! * centres[at + k]!;
    if (product > largest) [best, largest] = [group, product];
  }
  return best;
}

/** Scales to length 1. Returns false for a vector of zeros. */
function normalize(vector: Float32Array | Float64Array): boolean {
  let squares = 0;
  for (const value of vector) squares += value * value;
  if (!(squares > 0)) return false;
  const length = Math.sqrt(squares);
  for (let k = 0; k < vector.length; k++) vector[k]! /= length;
  return true;
}
