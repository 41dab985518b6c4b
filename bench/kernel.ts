import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { Kernel, QuantizedRows } from "../src/kernel/kernel-types.ts";
import { openKernel } from "../src/kernel/pool.ts";
import type { Bits, Rounding } from "../src/kernel/width.ts";

/**
 * Throughput of quantize + pack, in GB of bf16 read per second. Our kernel with one and two workers
 * runs beside `mx.quantize` on the same matrix, turn by turn. Figures are medians of the pairs; CPU
 * seconds are those of the whole process. Without MLX (.ci/toolchain python) it prints only our
 * columns.
 */
const pairs = 7;
const shortestSample = 0.25; // seconds: clocks and the scheduler are too coarse for less
const rangeRows = 512;

interface Sample {
  /** Seconds for one matrix. */
  readonly wall: number;
  readonly cpu: number;
}

type Contestant = (bits: Bits, repeats: number) => Promise<Sample & { readonly sha256: string }>;

/** Gaussian bf16 of deviation 0.02 from a fixed seed (linear congruence, Box-Muller). */
function gaussian(count: number): Uint8Array {
  const out = new Uint16Array(new SharedArrayBuffer(2 * count));
  const value = new Float32Array(1);
  const bits = new Uint32Array(value.buffer);
  let state = 1;
  const uniform = () => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    return ((state >>> 0) + 0.5) / 2 ** 32;
  };
  for (let i = 0; i < count; i++) {
    value[0] = 0.02 * Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
    out[i] = bits[0]! >>> 16;
  }
  return new Uint8Array(out.buffer);
}

class Matrix {
  readonly rows: number;
  readonly columns: number;
  readonly weights: Uint8Array;

  constructor(rows: number, columns: number) {
    this.rows = rows;
    this.columns = columns;
    this.weights = gaussian(rows * columns);
  }

  /** Quantizes ranges of rows, two at a time per worker, and passes each to `visit`. */
  async quantize(
    kernel: Kernel,
    bits: Bits,
    rounding: Rounding,
    visit = (_: QuantizedRows, _at: number) => {},
  ) {
    const { rows, columns, weights } = this;
    const shape = {
      from: "BF16",
      store: "BF16",
      rounding,
      widths: [{ bits, groupSize: 64 }],
    } as const;
    let next = 0;
    const lane = async () => {
      while (next < rows) {
        const [start, end] = [next, Math.min(rows, next + rangeRows)];
        next = end;
        const range = weights.subarray(2 * columns * start, 2 * columns * end);
        const { byWidth, release } = await kernel.quantize({
          ...shape,
          weights: range,
          rows: end - start,
          columns,
        });
        visit(byWidth[0]!, start / rangeRows);
        release();
      }
    };
    await Promise.all(Array.from({ length: 2 * kernel.workers }, lane));
  }

  /**
   * SHA-256 as the peer computes it: of all codes, then all scales, then all biases, with the
   * peer's rounding rule.
   */
  async sha256(kernel: Kernel, bits: Bits): Promise<string> {
    const parts: Uint8Array[][] = [[], [], []];
    await this.quantize(kernel, bits, "mlx", ({ words, scales, biases }, at) => {
      for (const [i, bytes] of [words, scales, biases].entries()) parts[i]![at] = bytes.slice();
    });
    const hash = createHash("sha256");
    for (const bytes of parts.flat()) hash.update(bytes);
    return hash.digest("hex");
  }
}

function ours(matrix: Matrix, kernel: Kernel): (bits: Bits, repeats: number) => Promise<Sample> {
  return async (bits, repeats) => {
    const [started, cpu] = [performance.now(), process.cpuUsage()];
    for (let i = 0; i < repeats; i++) await matrix.quantize(kernel, bits, "stored");
    const { user, system } = process.cpuUsage(cpu);
    return {
      wall: (performance.now() - started) / 1e3 / repeats,
      cpu: (user + system) / 1e6 / repeats,
    };
  };
}

/** Starts the peer; undefined if MLX is not installed. */
async function peer(
  matrix: Matrix,
  folder: string,
): Promise<{ run: Contestant; end(): void } | undefined> {
  const python = join(
    process.env.OQE_TOOLS ?? join(homedir(), ".cache/oqe-publisher"),
    "python/bin/python",
  );
  if (!existsSync(python)) return undefined;
  const file = join(folder, "weights.bf16");
  await writeFile(file, matrix.weights);
  const script = fileURLToPath(new URL("mlx_quantize.py", import.meta.url));
  const child: ChildProcessWithoutNullStreams = spawn(python, [
    script,
    file,
    `${matrix.rows}`,
    `${matrix.columns}`,
  ]);
  child.stderr.pipe(process.stderr);
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const run: Contestant = async (bits, repeats) => {
    child.stdin.write(`${bits} ${repeats}\n`);
    const { value, done } = await lines.next();
    if (done) throw new Error("mlx_quantize.py ended early");
    const { wall, cpu, sha256 } = JSON.parse(value);
    return { wall: wall / repeats, cpu: cpu / repeats, sha256 };
  };
  return { run, end: () => child.stdin.end() };
}

const median = (values: readonly number[]) =>
  [...values].sort((a, b) => a - b)[values.length >> 1]!;

/** Runs the contestants turn by turn. A turn is long enough for the clock. */
async function compete(
  contestants: readonly ((repeats: number) => Promise<Sample>)[],
): Promise<Sample[][]> {
  const repeats: number[] = [];
  for (const run of contestants) {
    await run(3); // until V8 has optimized the kernel and buffers exist
    repeats.push(Math.max(1, Math.ceil(shortestSample / (await run(1)).wall)));
  }
  const samples: Sample[][] = contestants.map(() => []);
  for (let pair = 0; pair < pairs; pair++) {
    for (const [i, run] of contestants.entries()) samples[i]!.push(await run(repeats[i]!));
  }
  return samples;
}

async function benchMatrix(
  matrix: Matrix,
  kernels: readonly Kernel[],
  folder: string,
): Promise<string[]> {
  const mlx = await peer(matrix, folder);
  const rows: string[] = [];
  const gigabytes = matrix.weights.byteLength / 1e9;
  const speed = (seconds: readonly number[]) => (gigabytes / median(seconds)).toFixed(2);
  for (const bits of [4, 8] as const) {
    if (mlx && (await mlx.run(bits, 1)).sha256 !== (await matrix.sha256(kernels[0]!, bits))) {
      throw new Error(`${bits} bits: mx.quantize and rule mlx differ`);
    }
    const runs = kernels.map((kernel) => (repeats: number) => ours(matrix, kernel)(bits, repeats));
    if (mlx) runs.push((repeats) => mlx.run(bits, repeats));
    const samples = await compete(runs);
    const cells = samples.map(
      (s) => `${speed(s.map(({ wall }) => wall))} (${speed(s.map(({ cpu }) => cpu))})`,
    );
    const theirs = samples[kernels.length];
    const ratios = samples.slice(0, kernels.length).map((s) => {
      return theirs
        ? `${median(s.map(({ wall }, i) => theirs[i]!.wall / wall)).toFixed(1)} ×`
        : "–";
    });
    const columns = [...cells, ...(theirs ? [] : ["not installed"])];
    rows.push(
      `| ${matrix.rows} × ${matrix.columns} | ${bits}-bit g64 | ${[...columns, ...ratios].join(" | ")} |`,
    );
  }
  mlx?.end();
  return rows;
}

async function benchKernel(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "oqe-bench-"));
  const kernels = await Promise.all([openKernel({ workers: 1 }), openKernel({ workers: 2 })]);
  try {
    const rows = [
      "GB of bf16 per second of wall time (of CPU time). Ratios of wall time are medians over the pairs.",
      "",
      "| matrix | width | one worker | two workers | mx.quantize | one / mx | two / mx |",
      "|---|---|---|---|---|---|---|",
    ];
    for (const [height, width] of [
      [4096, 4096],
      [8192, 4096],
    ] as const) {
      rows.push(...(await benchMatrix(new Matrix(height, width), kernels, folder)));
    }
    return rows.join("\n");
  } finally {
    await Promise.all(kernels.map((kernel) => kernel.close()));
    await rm(folder, { recursive: true });
  }
}

console.log(await benchKernel());
