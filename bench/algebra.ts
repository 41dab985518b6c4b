import { readFileSync } from "node:fs";
import { Worker } from "node:worker_threads";
import * as wasm from "../kernel-wasm/pkg/oqe_kernel.js";
import { assets } from "../src/ground/assets.ts";
import { dtypeCode, instantiate, memory } from "../src/kernel/arena.ts";
import { factorize } from "../src/kernel/factorize.ts";
import { gram } from "../src/kernel/grams.ts";
import type { Kernel } from "../src/kernel/kernel-types.ts";
import { type Matrix, newMatrix, rowsOf } from "../src/kernel/matrix.ts";
import { openKernel } from "../src/kernel/pool.ts";
import { LinearCall } from "../src/kernel/routines/linear.ts";
import { ProductCall } from "../src/kernel/routines/tile-product.ts";
import { newTriangle, rowOf } from "../src/kernel/triangle.ts";

/**
 * Float32 linear algebra. On one thread: products, Gram matrices and factors, as a share of the
 * rate of fused multiply-adds on registers, measured turn by turn in the same process. On two
 * workers: the gain over one, jobs and copies included, beside a control that shows whether two
 * cores were free.
 */
const rounds = 9;
const shortestSample = 0.25; // seconds: clocks and the scheduler are too coarse for less

interface Contestant {
  readonly name: string;
  /** Float32 operations of one run; 0 where only times are compared. */
  readonly operations: number;
  run(): void | Promise<void>;
}

interface Sample {
  /** Seconds for one run. */
  readonly wall: number;
  readonly cpu: number;
}

const median = (values: readonly number[]) =>
  [...values].sort((a, b) => a - b)[values.length >> 1]!;
const percent = (share: number) => `${Math.round(100 * share)} %`;

async function time({ run }: Contestant, repeats: number): Promise<Sample> {
  const [started, before] = [performance.now(), process.cpuUsage()];
  for (let i = 0; i < repeats; i++) await run();
  const { user, system } = process.cpuUsage(before);
  return {
    wall: (performance.now() - started) / 1e3 / repeats,
    cpu: (user + system) / 1e6 / repeats,
  };
}

/** Samples of every contestant, turn by turn. */
async function compete(contestants: readonly Contestant[]): Promise<Sample[][]> {
  const repeats: number[] = [];
  for (const contestant of contestants) {
    await time(contestant, 3); // until V8 has optimized the kernel and buffers exist
    repeats.push(Math.max(1, Math.ceil(shortestSample / (await time(contestant, 1)).wall)));
  }
  const samples: Sample[][] = contestants.map(() => []);
  for (let round = 0; round < rounds; round++) {
    for (const [i, contestant] of contestants.entries())
      samples[i]!.push(await time(contestant, repeats[i]!));
  }
  return samples;
}

/** Numbers of -1 … 1 from a fixed seed (linear congruence). */
function fill(values: Float32Array): void {
  let state = 1;
  for (let i = 0; i < values.length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    values[i] = state / 2 ** 31;
  }
}

/**
 * The routines of the kernel on this thread, without copies: first the reference rate, then
 * product, Gram matrix and factor for each size.
 */
function onThisThread(sizes: readonly number[]): Contestant[] {
  const most = Math.max(...sizes) ** 2;
  const base = wasm.arena(16 * most + 64);
  const call = base + 16 * most;
  const [a, b, c, h] = [0, 1, 2, 3].map((i) => base + 4 * i * most) as [
    number,
    number,
    number,
    number,
  ];
  const floats = (address: number, length: number) =>
    new Float32Array(memory.buffer, address, length);
  fill(floats(a, 2 * most));
  const addProduct = (n: number, alpha: number, tile: number) => {
    const shape = { depth: n, height: n, width: n };
    ProductCall.write(call, { left: a, right: a, ...shape, alpha, tile, upper: 1 });
    wasm.add_product(call);
  };
  const multiply = (n: number) => {
    const shape = { rows: n, inputs: n, outputs: n };
    const weight = { weight: b, from: dtypeCode.F32, widened: 0, bias: 0 };
    LinearCall.write(call, { x: a, ...shape, ...weight, y: c });
    wasm.linear(call);
  };
  const steps = 1e6;
  const peak = {
    name: "registers only",
    operations: 96 * steps,
    run: () => void wasm.fma_peak(steps, 0.5),
  };
  return [
    peak,
    ...sizes.flatMap((n): Contestant[] => {
      const hessian = new Float32Array(n * n);
      floats(h, n * n).fill(0);
      addProduct(n, 1 / n, h);
      for (let i = 0; i < n; i++) hessian.set(floats(h + 4 * i * (n + 1), n - i), i * n + i);
      for (let i = 0; i < n; i++) hessian[i * n + i]! += 0.01;
      const factor = () => {
        floats(h, n * n).set(hessian);
        if (wasm.cholesky(n, h) !== -1)
          throw new Error(`the Hessian of ${n} is not positive definite`);
      };
      return [
        {
          name: `GEMM ${n}`,
          operations: 2 * n ** 3,
          run: () => multiply(n),
        },
        {
          name: `SYRK ${n}`,
          operations: n * (n + 1) * n,
          run: () => addProduct(n, 1, c),
        },
        { name: `Cholesky ${n}`, operations: n ** 3 / 3, run: factor },
      ];
    }),
  ];
}

async function benchOneThread(): Promise<string[]> {
  instantiate(await WebAssembly.compile(readFileSync(assets.kernel)));
  const contestants = onThisThread([1024, 2048]);
  const samples = await compete(contestants);
  /** Median over the rounds of one contestant's rate as a share of another's. */
  const share = (i: number, other: number) => {
    const work = contestants[i]!.operations / contestants[other]!.operations;
    return percent(
      median(samples[i]!.map(({ cpu }, round) => (work * samples[other]![round]!.cpu) / cpu)),
    );
  };
  const rows = contestants.map(({ name, operations }, i) => {
    const rate = (operations / median(samples[i]!.map(({ cpu }) => cpu)) / 1e9).toFixed(1);
    const gemm = contestants.findIndex((other) => other.name === `GEMM ${name.split(" ").at(-1)}`);
    return `| ${name} | ${rate} | ${i > 0 ? share(i, 0) : "–"} | ${gemm >= 0 && gemm !== i ? share(i, gemm) : "–"} |`;
  });
  return [
    "One thread, 10⁹ float32 operations a second of CPU time; shares are medians of the rounds.",
    "",
    "| | GF/s | of the peak | of GEMM |",
    "|---|---:|---:|---:|",
    ...rows,
  ];
}

/** y = x·Wᵀ, both `[n, n]`, in eight jobs of rows. */
async function product(kernel: Kernel, x: Matrix, weight: Matrix, y: Matrix): Promise<void> {
  const step = x.rows / 8;
  const bytes = new Uint8Array(weight.data.buffer);
  const stored = { bytes, dtype: "F32", rows: weight.rows, columns: weight.columns } as const;
  const starts = Array.from({ length: 8 }, (_, i) => i * step);
  const jobs = starts.map((start) => {
    const [from, to] = [rowsOf(x, start, start + step), rowsOf(y, start, start + step)];
    return kernel.run("linear", { x: from, rows: null, weight: stored, bias: null, y: to });
  });
  await Promise.all(jobs);
}

/**
 * Threads that only count, each for the same time. They show what a second core adds to work that
 * shares nothing.
 */
function spinners(count: number) {
  const code = `require("node:worker_threads").parentPort.on("message", () => {
    let x = 1;
    for (let i = 0; i < 1e8; i++) x = (Math.imul(x, 1664525) + 1013904223) | 0;
    require("node:worker_threads").parentPort.postMessage(x);
  })`;
  const workers = Array.from({ length: count }, () => new Worker(code, { eval: true }));
  const spin = (worker: Worker) => {
    return new Promise((resolve) => {
      worker.once("message", resolve);
      worker.postMessage(0);
    });
  };
  const run = async () => void (await Promise.all(workers.map(spin)));
  return { run, end: () => Promise.all(workers.map((worker) => worker.terminate())) };
}

async function benchTwoWorkers(): Promise<string[]> {
  const kernels = await Promise.all([1, 2].map((workers) => openKernel({ workers })));
  const counters = [1, 2].map(spinners);
  const rows: string[] = [];
  for (const n of [1024, 2048]) {
    const [x, weight, y] = [newMatrix(n, n), newMatrix(n, n), newMatrix(n, n)];
    fill(x.data);
    fill(weight.data);
    const sums = newTriangle(n);
    const [hessian, factor] = [newTriangle(n), newTriangle(n)];
    await gram(kernels[1]!, { x, sums: hessian, alpha: 1 / n });
    for (let i = 0; i < n; i++) hessian[rowOf(n, i) + i]! += 0.01;
    const works: [string, number, (kernel: Kernel) => Promise<unknown>][] = [
      [`GEMM ${n}`, 2 * n ** 3, (kernel) => product(kernel, x, weight, y)],
      [`SYRK ${n}`, n * (n + 1) * n, (kernel) => gram(kernel, { x, sums, alpha: 1 })],
      [
        `Cholesky ${n}`,
        n ** 3 / 3,
        (kernel) => {
          factor.set(hessian);
          return factorize(kernel, factor, n);
        },
      ],
    ];
    for (const [name, operations, work] of works) {
      const [alone, together, one, two] = (await compete([
        ...counters.map(({ run }) => ({ name: "control", operations: 0, run })),
        ...kernels.map((kernel) => ({
          name,
          operations,
          run: async () => void (await work(kernel)),
        })),
      ])) as [Sample[], Sample[], Sample[], Sample[]];
      const rate = (samples: readonly Sample[]) =>
        (operations / median(samples.map(({ wall }) => wall)) / 1e9).toFixed(1);
      const gain = median(one.map(({ wall }, i) => wall / two[i]!.wall)).toFixed(2);
      const control = median(alone.map(({ wall }, i) => (2 * wall) / together[i]!.wall)).toFixed(2);
      rows.push(`| ${name} | ${rate(one)} | ${rate(two)} | ${gain} × | ${control} × |`);
    }
  }
  await Promise.all([
    ...kernels.map((kernel) => kernel.close()),
    ...counters.map(({ end }) => end()),
  ]);
  return [
    "With the worker pool, copies included, in 10⁹ float32 operations per second of wall time.",
    "*Free* is the gain of two threads that only count over one such thread, in the same rounds.",
    "",
    "| | one worker | two workers | gain | free |",
    "|---|---:|---:|---:|---:|",
    ...rows,
  ];
}

console.log([...(await benchOneThread()), "", ...(await benchTwoWorkers())].join("\n"));
