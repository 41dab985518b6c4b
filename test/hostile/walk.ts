import { newMatrix } from "../../src/kernel/matrix.ts";
import type { SavedWalk, WalkShape } from "../../src/sensitivity/saved-walk.ts";

const [hidden, tokens] = [4, { hessians: 3, probes: 4, alone: 2, more: 2 }];

/** The walk that `savedWalk` is of. */
export const walkShape: WalkShape = { layers: 5, parts: new Set(["part 0"]), hidden, tokens };

const sums = {
  ...{ energy: 2, forecast: [1, 2, 3, 4, 5], tunedAtProbe: 1, roundedAtProbe: 1.5 },
  ...{ sampledForecast: [0, 0, 0, 0, 0], sampledTuned: [0, 0, 0, 0, 0] },
  ...{ sampled: 0, sampledEnergy: 0, exact: 0 },
};

/** A measuring walk behind its second block. */
export const savedWalk: SavedWalk = {
  layer: 1,
  values: {
    losses: [
      [
        "a.b",
        [
          [0, sums],
          [1, sums],
        ],
      ],
      ["c", [[-1, sums]]],
    ],
    probes: {
      probes: [{ name: "part 0", flipPower: 0.25 }],
      alone: [{ name: "a.b", flipPower: 0 }],
      joint: [{ name: "forced", flipPower: 0 }],
      hasMore: true,
      blockErrors: [["a.b", 0.125]],
      errors: [{ part: "part 0", errors: [0.5, 0.25] }],
      partErrors: [{ part: "part 0", layer: 0, kind: "mamba none 0", error: 1e-3 }],
      experts: [{ layer: 1, share: [[0.5, 0.5]], gate: [[0.5, 0.5]], damage: [[1, 2]] }],
    },
  },
  states: [3, 4, 4, 2, 6, 2].map((rows) => {
    const x = newMatrix(rows, hidden);
    x.data.set(Array.from(x.data, (_, i) => rows + i));
    return x;
  }),
};
