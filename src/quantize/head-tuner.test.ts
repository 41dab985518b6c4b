import { afterAll, expect, test } from "vitest";
import { newMatrix, sharedBytes } from "../kernel/matrix.ts";
import { openKernel } from "../kernel/pool.ts";
import type { Width } from "../kernel/width.ts";
import { tuneHeadRows } from "./head-tuner.ts";
import type { TunedRows } from "./tuned-rows.ts";
import { tuningSettings } from "./tuning-settings.ts";
import { openTools } from "./tuning-tools.ts";

const kernel = await openKernel({ workers: 2 });
afterAll(() => kernel.close());

const [rows, columns, positions] = [300, 64, 96];
const widths: Width[] = [
  { bits: 4, groupSize: 32 },
  { bits: 8, groupSize: 64 },
];

/** A head whose rows fall into groups by pairs of neighbours, and its input. */
function headAndInput() {
  const bytes = sharedBytes(4 * rows * columns);
  const weights = new Float32Array(bytes.buffer);
  for (let i = 0; i < weights.length; i++) {
    const [row, column] = [Math.floor(i / columns), i % columns];
    weights[i] = Math.sin((Math.floor(row / 2) % 5) * 2 + column) + Math.sin(i * 1.7) / 4;
  }
  const x = newMatrix(positions, columns);
  for (let i = 0; i < x.data.length; i++) x.data[i] = Math.cos((i % 7) * i + (i >> 6));
  return { head: { bytes, dtype: "F32", rows, columns } as const, x };
}

test("codes that are written as they are found are those of the whole matrix", async () => {
  const tools = openTools({ kernel, settings: tuningSettings, storage: "BF16" });
  const { head, x } = headAndInput();
  const kept = await tuneHeadRows(tools, head, x, { widths });
  const written = widths.map(({ bits }) => new Uint8Array((rows * columns * bits) / 8));
  let calls = 0;
  const writeCodes = async ({ width, start, words }: TunedRows) => {
    calls++;
    written[widths.indexOf(width)]!.set(words, start * ((columns * width.bits) / 8));
  };
  const { parts, sums } = await tuneHeadRows(tools, head, x, { widths, writeCodes });
  for (const [i, { words, scales, biases }] of kept.parts.entries()) {
    expect([...written[i]!]).toEqual([...words]);
    expect([...parts[i]!.scales]).toEqual([...scales]);
    expect([...parts[i]!.biases]).toEqual([...biases]);
    expect(parts[i]!.words).toHaveLength(0);
  }
  expect(sums).toEqual(kept.sums);
  expect(calls).toBeGreaterThan(2 * widths.length); // groups are not ranges
  expect(calls).toBeLessThan(rows * widths.length); // but have neighbours
});
