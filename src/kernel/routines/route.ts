import * as wasm from "../../../kernel-wasm/pkg/oqe_kernel.js";
import { copyIn, copyOut, Layout, rowsOfSlab } from "../arena.ts";
import type { Floats } from "../matrix.ts";
import { bytesOf, checkMatrix, type Matrix } from "../matrix.ts";
import type { Routine } from "../routine.ts";
import { struct } from "../struct.ts";

/** How a router chooses among its experts (route.rs). */
export interface RouterRules {
  /** How logits become scores: a sigmoid of each, or a softmax over all. */
  readonly score: "sigmoid" | "softmax";
  readonly routed: number;
  /** Experts that a token visits. */
  readonly visited: number;
  /** How many of the best experts to report, at least `visited`. */
  readonly candidates: number;
  /** The experts form this many groups of equal size. */
  readonly groups: number;
  /** Only experts of this many groups can be chosen: the groups with the best scores. */
  readonly openGroups: number;
  /** `[routed]`. It is added to the scores for the choice, not for the weights. */
  readonly correction: Floats | null;
  /** Whether a token's weights are divided by their sum. */
  readonly normalized: boolean;
  readonly scale: number;
}

/** Chooses experts for every token. With `forced`, computes the weights of given experts. */
export interface RouteJob {
  /** `[tokens, routed]`: logits, which become scores. With `forced`: scores. */
  readonly scores: Matrix;
  readonly rules: RouterRules;
  /** `[tokens, candidates]`: experts by rank. Overwritten; with `forced`, read. */
  readonly experts: Uint32Array<SharedArrayBuffer>;
  /**
   * Overwritten: `[tokens, candidates]`, the scores used for the choice. Unchanged with `forced`.
   */
  readonly selection: Floats;
  /** Overwritten: `[tokens, visited]`. */
  readonly weights: Floats;
  readonly forced: boolean;
}

export const RouteCall = struct({
  softmax: "usize",
  routed: "usize",
  visited: "usize",
  candidates: "usize",
  groups: "usize",
  openGroups: "usize",
  normalized: "usize",
  scale: "f32",
  correction: "usize",
  tokens: "usize",
  scores: "usize",
  experts: "usize",
  selection: "usize",
  weights: "usize",
});

export const route: Routine<RouteJob, void> = {
  describe: ({ scores }) => `routes of ${scores.rows} tokens to ${scores.columns} experts`,
  check({ scores, rules, experts, selection, weights, forced }, fail) {
    const { routed, visited, candidates, groups, openGroups, correction } = rules;
    checkMatrix("the scores", scores, [scores.rows, routed], fail);
    if (visited < 1 || candidates < visited || candidates > routed)
      fail(`${visited} visited experts and ${candidates} candidates of ${routed} experts`);
    if (routed % groups !== 0 || openGroups < 1 || openGroups > groups)
      fail(`${openGroups} of ${groups} groups`);
    if (correction && correction.length !== routed) fail(`${correction.length} corrections`);
    if (experts.length !== scores.rows * candidates || selection.length !== experts.length)
      fail(`${experts.length} ranks for ${scores.rows} tokens`);
    if (weights.length !== scores.rows * visited)
      fail(`${weights.length} weights for ${scores.rows} tokens`);
    if (forced && experts.some((expert) => expert >= routed))
      fail("a forced expert that does not exist");
  },
  run({ scores, rules, experts, selection, weights, forced }) {
    const { routed, visited, candidates } = rules;
    const slab = rowsOfSlab(scores.rows, 4 * (routed + 2 * candidates + visited));
    const layout = new Layout();
    const [atCall, atCorrection] = [layout.place(RouteCall.bytes), layout.place(4 * routed)];
    const place = (columns: number) => layout.place(4 * slab * columns);
    const [atScores, atExperts, atSelection, atWeights] = [
      routed,
      candidates,
      candidates,
      visited,
    ].map(place) as Four;
    const base = layout.claim();
    if (rules.correction) copyIn(base + atCorrection, bytesOf(rules.correction), 0, 4 * routed);
    const call = {
      ...numbersOf(rules),
      correction: rules.correction && !forced ? base + atCorrection : 0,
      scores: base + atScores,
      experts: base + atExperts,
      selection: base + atSelection,
      weights: base + atWeights,
    };
    for (let top = 0; top < scores.rows; top += slab) {
      const rows = Math.min(slab, scores.rows - top);
      const move = (
        copy: typeof copyIn,
        offset: number,
        array: Floats | Uint32Array<SharedArrayBuffer>,
        n: number,
      ) => copy(base + offset, bytesOf(array), 4 * top * n, 4 * (top + rows) * n);
      move(copyIn, atScores, scores.data, routed);
      RouteCall.write(base + atCall, { ...call, tokens: rows });
      if (forced) {
        move(copyIn, atExperts, experts, candidates);
        wasm.weigh(base + atCall);
      } else {
        wasm.route(base + atCall);
        move(copyOut, atScores, scores.data, routed);
        move(copyOut, atExperts, experts, candidates);
        move(copyOut, atSelection, selection, candidates);
      }
      move(copyOut, atWeights, weights, visited);
    }
  },
};

type Four = [number, number, number, number];

/** The rules as a RouteCall has them. */
function numbersOf({ score, normalized, correction: _, ...numbers }: RouterRules) {
  return { ...numbers, softmax: Number(score === "softmax"), normalized: Number(normalized) };
}
