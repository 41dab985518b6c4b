import type { CustomSeriesRenderItem } from "echarts";
import { segment } from "./elements.ts";
import type { Scale } from "./scales.ts";

/** Parts of a curve of means against sizes. */

/** A thin line through the points, by ascending size. */
export function dottedPath(points: readonly (readonly [number, number])[], stroke: string) {
  const sorted = [...points].sort(([a], [b]) => a - b);
  const renderItem: CustomSeriesRenderItem = (_, api) => ({
    type: "polyline",
    shape: { points: sorted.map((point) => api.coord([...point]) as [number, number]) },
    style: { stroke, fill: "none", lineWidth: 1, lineDash: [2, 3] },
  });
  return { type: "custom", silent: true, clip: false, renderItem, data: sorted.slice(0, 1) };
}

/** A mean with its standard error. */
interface Mean {
  readonly mean: number;
  readonly error: number | null;
}

/** Where a mean and its error bar go, and how the bar looks. */
interface BarLook<Spot extends Mean> {
  /** Place of the mean on both axes, from 0 to 1. */
  readonly at: (spot: Spot) => readonly [number, number];
  readonly means: Scale;
  readonly colorOf: (spot: Spot) => string;
  /** Half the width of a bar's ends, in pixels; 0: it has none. */
  readonly cap: number;
}

/** One standard error either way, as far as the axis reaches. */
export function errorBars<Spot extends Mean>(
  spots: readonly Spot[],
  { at, means, colorOf, cap }: BarLook<Spot>,
) {
  const renderItem: CustomSeriesRenderItem = ({ dataIndex }, api) => {
    const spot = spots[dataIndex]!;
    const error = spot.error ?? 0;
    const [x] = at(spot);
    const [middle = 0, y1 = 0] = api.coord([x, means.place(spot.mean + error)]);
    const [, y2 = 0] = api.coord([x, means.place(spot.mean - error)]);
    const color = colorOf(spot);
    const end = (y: number) => segment([middle - cap, y], [middle + cap, y], color);
    const ends = cap > 0 ? [end(y1), end(y2)] : [];
    return { type: "group", children: [segment([middle, y1], [middle, y2], color), ...ends] };
  };
  return { type: "custom", silent: true, clip: false, renderItem, data: spots.map(at) };
}
