import type { Cell } from "./cells.ts";

/** Cells, and the labels of their colour scale. */
interface Scaled {
  readonly cells: readonly Cell[];
  /** Labels of the seven steps. */
  readonly labels: readonly string[];
}

const steps = [0, 1, 2, 3, 4, 5, 6];
/** Damage outside this range is drawn at its limit, because quotients would overflow. */
const least = 1e-100;
const greatest = 1e100;
/** Octaves per step. The smallest is used with which nine of ten cells lie within the scale. */
const octaves = [0.125, 0.25, 0.5, 1];

/** Layers (rows) × experts (columns): load divided by an even share, in equal ratios around 1. */
export function loadCells(layers: readonly LayerLoad[]): Scaled {
  const ratios = layers.map(({ share }) =>
    share.map((part) => Math.log2(Math.max(part * share.length, 2 ** -9))),
  );
  const distances = ratios
    .flat()
    .map(Math.abs)
    .sort((a, b) => a - b);
  const spread = distances[Math.floor(0.9 * (distances.length - 1))] ?? 0;
  const octave = octaves.find((width) => 3.5 * width >= spread) ?? 1;
  const labels = steps.map((step) => String(Number((2 ** ((step - 3) * octave)).toPrecision(2))));
  return {
    labels: [`≤ ${labels[0]}`, ...labels.slice(1, 6), `≥ ${labels[6]}`],
    cells: ratios.flatMap((row, at) =>
      row.map((ratio, column) => ({
        column,
        row: at,
        step: clamp(Math.round(ratio / octave) + 3),
        text: "",
      })),
    ),
  };
}

/**
 * Layers (columns) × domains (rows): the sum of damage over a layer's experts, in equal ratios from
 * the least to the greatest. `numbered`: labels each cell with the expert of the greatest damage.
 */
export function damageCells(
  layers: readonly LayerLoad[],
  domains: number,
  numbered: boolean,
): Scaled & { readonly numbered: boolean } {
  const cells = layers.flatMap(({ damage }, column) =>
    Array.from({ length: domains }, (_, row) => {
      const own = damage[row] ?? [];
      const total = Math.min(
        own.reduce((sum, value) => sum + value, 0),
        greatest,
      );
      return { column, row, total, worst: own.indexOf(Math.max(...own)) };
    }),
  );
  const totals = cells.map(({ total }) => total).filter((total) => total > least);
  const high = totals.length === 0 ? 1 : Math.max(...totals);
  const low = Math.min(high / 4, ...totals);
  const stepOf = (total: number) =>
    Math.floor((7 * Math.log(Math.max(total, low) / low)) / Math.log(high / low));
  return {
    numbered,
    labels: steps.map(
      (step) => `${Number((100 * low * (high / low) ** (step / 7)).toPrecision(2))} %`,
    ),
    cells: cells.map(({ column, row, total, worst }) => {
      return {
        column,
        row,
        step: clamp(stepOf(total)),
        text: numbered && total > 0 ? String(worst) : "",
      };
    }),
  };
}

function clamp(step: number): number {
  return Math.min(6, Math.max(0, step));
}

/** One layer of routed experts. */
export interface LayerLoad {
  readonly layer: number;
  /** Share of the layer's routing choices that went to each expert; sums to 1. */
  readonly share: readonly number[];
  /**
   * `[domain][expert]`: power of the error from quantizing the expert, divided by the power of the
   * layer's output.
   */
  readonly damage: readonly (readonly number[])[];
}
