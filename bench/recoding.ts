import { openKernel } from "../src/kernel/pool.ts";
import { fromBf16, toBf16 } from "../test/support/base-layouts.ts";
import { asMxfp4 } from "../test/support/coded-layouts.ts";

/**
 * What affine re-coding of an mxfp4 base costs (docs/gpt-oss.md): squared error relative to the
 * weights' variance, of Gaussian weights as they are and as mxfp4 has them, by width in groups of
 * 64, codes by the stored scale.
 *   node bench/recoding.ts [rows, 512] [columns, 2880]
 */
const [rows = 512, columns = 2880] = process.argv.slice(2).map(Number);

let state = 1;
const uniform = () => {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return (state + 1) / 2 ** 32;
};
const gaussian = () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());

const cut = new Float32Array(1);
const bits = new Uint32Array(cut.buffer);
/** A number that BF16 holds. */
const drawn = () => {
  cut[0] = 0.02 * gaussian();
  bits[0]! &= 0xffff_0000;
  return cut[0]!;
};
const values = Float32Array.from({ length: rows * columns }, drawn);
const plain = { dtype: "BF16", shape: [rows, columns], bytes: toBf16(values) };
const coded = asMxfp4(plain);
const kernel = await openKernel({ workers: 1 });

async function errors(floats: Float32Array, from: "BF16" | "F32", rounding: "mlx" | "stored") {
  const weights = from === "F32" ? new Uint8Array(floats.buffer) : toBf16(floats);
  const widths = ([4, 5, 6, 8] as const).map((bits) => ({ bits, groupSize: 64 }) as const);
  const how = { from, store: "BF16", rounding, widths } as const;
  const result = await kernel.quantize({ weights, rows, columns, ...how });
  return result.byWidth.map((one) => (one.squaredError / result.energy).toExponential(3));
}

const [before, after] = [values, fromBf16(coded.values.bytes)];
let [lost, energy] = [0, 0];
for (const [i, value] of before.entries()) {
  lost += (value - after[i]!) ** 2;
  energy += value ** 2;
}
console.log(`mxfp4 of the BF16: ${(lost / energy).toExponential(3)}`);
const show = async (what: string, ...how: Parameters<typeof errors>) =>
  console.log(`4, 5, 6, 8 bits of ${what}: ${(await errors(...how)).join(", ")}`);
await show("the BF16", before, "BF16", "stored");
await show("the mxfp4, as mlx_lm.convert rounds", after, "BF16", "mlx");
await show("the mxfp4, as tiers code them", after, "F32", "stored");
await kernel.close();
