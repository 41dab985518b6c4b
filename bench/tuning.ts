import { createHash } from "node:crypto";
import { parseArgs } from "node:util";
import type { Kernel } from "../src/kernel/kernel-types.ts";
import { asWeight, newMatrix, sharedBytes, type Weight } from "../src/kernel/matrix.ts";
import { openKernel } from "../src/kernel/pool.ts";
import type { Bits, Width } from "../src/kernel/width.ts";
import { collect, type Hessian, makeHessian, newGram } from "../src/quantize/hessian.ts";
import { rowsOfWeight, tuneMatrix } from "../src/quantize/tune-matrix.ts";
import { tuningSettings } from "../src/quantize/tuning-settings.ts";
import { openTools } from "../src/quantize/tuning-tools.ts";
import { uniform } from "./statistics.ts";

/**
 * CPU seconds of tuning one matrix with one worker, from its Hessian to the stored bytes. The
 * smallest of the repeats counts: other work on the machine only adds time. GF/s counts what every
 * implementation has to do at each width, 3 · rows · columns²: the sweep, the loss of plain
 * rounding, the gradients of descent. The hash covers the bytes of all widths, so that two versions
 * of the kernel can be compared.
 *   node bench/tuning.ts [--matrices 2688x1856,1856x2688,768x2048] [--widths 4,5,6,8]
 *     [--repeats 3] [--sweeps 2] [--experts]
 * With `--experts`, as routed experts with few tokens: their sweeps, plain rounding by a sample.
 */
const { values: options } = parseArgs({
  options: {
    matrices: { type: "string", default: "2688x1856,1856x2688,768x2048" },
    widths: { type: "string", default: "4,5,6,8" },
    repeats: { type: "string", default: "3" },
    sweeps: { type: "string" },
    experts: { type: "boolean", default: false },
  },
});
const own = options.experts ? tuningSettings.fewTokenSweeps : tuningSettings.sweeps;
const sweeps = options.sweeps === undefined ? own : () => Number(options.sweeps);
const [tokens, directions] = [2048, 64];

/** Pairs of numbers from a seed, normally distributed (Box-Muller). */
function gaussian(values: Float32Array, seed: number, deviation: number): void {
  const next = uniform(seed);
  for (let i = 0; i < values.length; i++)
    values[i] = deviation * Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next());
}

/** BF16, of deviation 0.02. */
function makeWeight(rows: number, columns: number): Weight {
  const values = new Float32Array(rows * columns);
  gaussian(values, 1, 0.02);
  const bytes = sharedBytes(2 * values.length);
  const bits = new Uint32Array(values.buffer);
  new Uint16Array(bytes.buffer).forEach((_, i, halves) => {
    halves[i] = bits[i]! >>> 16;
  });
  return { bytes, dtype: "BF16", rows, columns };
}

/** Of inputs with a few common directions, their own noise, and some loud channels. */
async function hessianOf(tools: ReturnType<typeof openTools>, columns: number): Promise<Hessian> {
  const { kernel } = tools;
  const [common, mix] = [newMatrix(tokens, directions), newMatrix(columns, directions)];
  const [x, noise] = [newMatrix(tokens, columns), newMatrix(tokens, columns)];
  gaussian(common.data, 2, 1);
  gaussian(mix.data, 3, 0.25);
  gaussian(noise.data, 4, 1);
  const weight = asWeight(mix.data, directions);
  await kernel.run("linear", { x: common, rows: null, weight, bias: null, y: x });
  for (let i = 0; i < x.data.length; i++)
    x.data[i] = (x.data[i]! + noise.data[i]!) * ((i % columns) % 61 === 7 ? 8 : 1);
  const gram = newGram(tools.hessianBuffers, columns);
  await collect(kernel, gram, x);
  const hessian = await makeHessian(tools, gram, {
    shrinkage: { target: null, strength: tuningSettings.diagonalStrength },
  });
  gram.release();
  return hessian;
}

async function benchMatrix(
  kernel: Kernel,
  [rows, columns]: readonly [number, number],
): Promise<string> {
  const tools = openTools({ kernel, settings: tuningSettings, storage: "BF16" });
  const weight = makeWeight(rows, columns);
  const hessian = await hessianOf(tools, columns);
  const widths = options.widths
    .split(",")
    .map((bits): Width => ({ bits: Number(bits) as Bits, groupSize: 64 }));
  let [least, sha256] = [Number.POSITIVE_INFINITY, ""];
  for (let repeat = 0; repeat < Number(options.repeats); repeat++) {
    const hashes = widths.map(() => Array.from({ length: 3 }, () => createHash("sha256")));
    const before = process.cpuUsage();
    await tuneMatrix(tools, rowsOfWeight(weight), {
      hessian,
      widths,
      sweeps,
      sampled: options.experts,
      window: options.experts ? tuningSettings.fewTokenWindow : undefined,
      write: async ({ width, words, scales, biases }) => {
        for (const [i, bytes] of [words, scales, biases].entries())
          hashes[widths.indexOf(width)]![i]!.update(bytes);
      },
    });
    const { user, system } = process.cpuUsage(before);
    least = Math.min(least, (user + system) / 1e6);
    const all = hashes.flat().map((hash) => hash.digest("hex"));
    sha256 = createHash("sha256").update(all.join()).digest("hex");
  }
  hessian.release();
  const rate = (3 * widths.length * rows * columns ** 2) / least / 1e9;
  const cells = [`${rows} × ${columns}`, options.widths, least.toFixed(2), rate.toFixed(1)];
  return `| ${cells.join(" | ")} | \`${sha256.slice(0, 12)}\` |`;
}

async function benchTuning(): Promise<void> {
  const kernel = await openKernel({ workers: 1 });
  console.log("| matrix | bits | CPU s | GF/s | hash |\n|---|---|---:|---:|---|");
  for (const matrix of options.matrices.split(",")) {
    const [rows, columns] = matrix.split("x").map(Number) as [number, number];
    console.log(await benchMatrix(kernel, [rows, columns]));
  }
  await kernel.close();
}

await benchTuning();
