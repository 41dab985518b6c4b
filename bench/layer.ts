import { spawnSync } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { median } from "../src/evaluation/statistics.ts";
import { type Matrix, newMatrix, sharedBytes, type Weight } from "../src/kernel/matrix.ts";
import { openKernel } from "../src/kernel/pool.ts";
import type { Width } from "../src/kernel/width.ts";
import { collect, makeHessian, newGram } from "../src/quantize/hessian.ts";
import { rowsOfWeight, tuneMatrix } from "../src/quantize/tune-matrix.ts";
import { type TuningSettings, tuningSettings } from "../src/quantize/tuning-settings.ts";
import { openTools, type TuningTools } from "../src/quantize/tuning-tools.ts";
import { readNpy, writeNpy } from "./npy.ts";
import { type Peer, startPeer, type Turn } from "./peers/peer.ts";

/**
 * One linear layer, from Hessian to codes, beside the peers on the same X and W, turn by turn.
 * Prints seconds and tr(E H Eᵀ)/tr(W H Wᵀ) of the stored results, computed in float64 by
 * layer_loss.py.
 *   node bench/layer.ts [--columns 2048] [--rows 2048] [--samples 4096] [--bits 4]
 *     [--repeats 3] [--methods mlx-lm,llmcompressor,…]
 * Peers: MLX from .ci/toolchain, those on torch from bench/peers/install.
 */
const { values: options } = parseArgs({
  options: {
    columns: { type: "string", default: "2048" },
    rows: { type: "string", default: "2048" },
    samples: { type: "string", default: "4096" },
    bits: { type: "string", default: "4" },
    repeats: { type: "string", default: "3" },
    methods: { type: "string" },
  },
});
const width = { bits: Number(options.bits), groupSize: 64 } as Width;
const tools = process.env.OQE_TOOLS ?? join(homedir(), ".cache/oqe-publisher");
const [mlxPython, torchPython] = [
  join(tools, "python/bin/python"),
  join(tools, "peers/bin/python"),
];
const script = (name: string) => fileURLToPath(new URL(`peers/${name}.py`, import.meta.url));

interface Contestant {
  readonly name: string;
  readonly ours: boolean;
  run(): Promise<Turn>;
}

interface Problem {
  readonly folder: string;
  readonly x: Matrix;
  readonly weights: Weight;
}

/** Made by Python with the seed that the figures of the peers use. */
async function makeProblem(folder: string): Promise<Problem> {
  const { status, stderr } = spawnSync(mlxPython, [
    script("layer_problem"),
    folder,
    options.columns,
    options.rows,
    options.samples,
  ]);
  if (status !== 0)
    throw new Error(`layer_problem.py failed (it needs .ci/toolchain python): ${stderr ?? ""}`);
  const [inputs, weight] = await Promise.all([
    readNpy(`${folder}/X.npy`),
    readNpy(`${folder}/W.npy`),
  ]);
  const [samples, columns] = inputs.shape as [number, number];
  const x = newMatrix(samples, columns);
  x.data.set(inputs.data);
  const rows = weight.shape[0]!;
  const bytes = sharedBytes(2 * rows * columns);
  const halves = new Uint16Array(bytes.buffer);
  const bits = new Uint32Array(weight.data.buffer);
  for (let i = 0; i < halves.length; i++) halves[i] = bits[i]! >>> 16; // bf16 values: exact
  return { folder, x, weights: { bytes, rows, columns, dtype: "BF16" } };
}

/** Rows as stored, in memory of their own. */
type Packed = Record<"words" | "scales" | "biases", Uint8Array<ArrayBuffer>>;

interface Way {
  readonly tools: TuningTools;
  readonly sweeps: TuningSettings["sweeps"];
}

/**
 * The steps of a tuning walk: Gram matrix, conditioning, factor, tuning of all rows. Times each
 * step.
 */
async function tuneLayer(
  { tools, sweeps }: Way,
  { x, weights }: Problem,
): Promise<[Turn, Packed[]]> {
  const parts: Packed[] = [];
  const [marks, cpu] = [[performance.now()], process.cpuUsage()];
  const gram = newGram(tools.hessianBuffers, x.columns);
  await collect(tools.kernel, gram, x);
  marks.push(performance.now());
  const hessian = await makeHessian(tools, gram);
  marks.push(performance.now());
  await tuneMatrix(tools, rowsOfWeight(weights), {
    hessian,
    widths: [width],
    sweeps,
    write: async ({ words, scales, biases }) => {
      parts.push({ words: words.slice(), scales: scales.slice(), biases: biases.slice() });
    },
  });
  marks.push(performance.now());
  const { user, system } = process.cpuUsage(cpu);
  gram.release();
  hessian.release();
  const [hessianSeconds, factor, tune] = marks.slice(1).map((mark, i) => (mark - marks[i]!) / 1e3);
  const stages = { Hessian: hessianSeconds!, factor: factor!, tune: tune! };
  return [
    { seconds: (marks.at(-1)! - marks[0]!) / 1e3, cpu: (user + system) / 1e6, stages },
    parts,
  ];
}

/** The results in the files that layer_loss.py reads (see turns.py). */
async function storeParts(
  folder: string,
  { rows, columns }: Weight,
  parts: readonly Packed[],
): Promise<void> {
  await mkdir(folder, { recursive: true });
  await writeFile(
    `${folder}/width.json`,
    JSON.stringify({ bits: width.bits, group_size: width.groupSize }),
  );
  const whole = (name: keyof Packed) =>
    new Uint8Array(parts.flatMap((part) => Array.from(part[name]))).buffer;
  const groups = columns / width.groupSize;
  const words = new Uint32Array(whole("words"));
  await writeNpy(`${folder}/words.npy`, {
    shape: [rows, (columns * width.bits) / 32],
    data: words,
  });
  for (const name of ["scales", "biases"] as const) {
    await writeNpy(`${folder}/${name}.npy`, {
      shape: [rows, groups],
      data: new Uint16Array(whole(name)),
    });
  }
}

function ours(name: string, way: Way, problem: Problem): Contestant {
  const run = async () => {
    const [turn, parts] = await tuneLayer(way, problem);
    await storeParts(`${problem.folder}/${name}`, problem.weights, parts);
    return turn;
  };
  return { name, ours: true, run };
}

/** All methods of the peers that can run, and why the others cannot. */
async function openPeers(
  folder: string,
): Promise<{ peers: Peer[]; contestants: Contestant[]; absent: string[] }> {
  const peers: Peer[] = [];
  const [contestants, absent]: [Contestant[], string[]] = [[], []];
  for (const [python, name, how] of [
    [mlxPython, "mlx_gptq", ".ci/toolchain python"],
    [torchPython, "torch_gptq", "bench/peers/install"],
  ] as const) {
    const peer = await startPeer(python, script(name), [folder, options.bits]).catch(
      (error: Error) => {
        absent.push(`${name}.py: ${error.message} (${how} installs it)`);
      },
    );
    if (!peer) continue;
    peers.push(peer);
    absent.push(...Object.entries(peer.missing).map(([method, why]) => `${method}: ${why}`));
    console.log(JSON.stringify(peer.versions));
    const wanted =
      options.methods?.split(",") ?? peer.methods.filter((method) => method !== "mlx-lm-stages");
    for (const method of peer.methods.filter((method) => wanted.includes(method))) {
      contestants.push({ name: method, ours: false, run: () => peer.turn(method) });
    }
  }
  return { peers, contestants, absent };
}

/**
 * All turns: one of each contestant, then the next of each, so that noise on the machine affects
 * all of them.
 */
async function compete(
  contestants: readonly Contestant[],
  repeats: number,
): Promise<Map<string, Turn[]>> {
  const turns = new Map<string, Turn[]>(contestants.map(({ name }) => [name, []]));
  for (const { ours, run } of contestants) if (ours) await run(); // instances start, V8 optimizes
  for (let repeat = 0; repeat < repeats; repeat++) {
    for (const { name, run } of contestants) turns.get(name)!.push(await run());
  }
  return turns;
}

function compare(folder: string, names: readonly string[]): Record<string, number> {
  const { status, stdout, stderr } = spawnSync(mlxPython, [script("layer_loss"), folder, ...names]);
  if (status !== 0) throw new Error(`layer_loss.py failed: ${stderr}`);
  return JSON.parse(stdout.toString());
}

/** Medians; ratios to the first contestant are medians over the repeats. */
function tableOf(
  turns: ReadonlyMap<string, readonly Turn[]>,
  losses: Record<string, number>,
): string {
  const own = [...turns.values()][0]!;
  const rows = [...turns].map(([name, theirs]) => {
    const [seconds, cpu] = [theirs.map((turn) => turn.seconds), theirs.map((turn) => turn.cpu)];
    const stages = Object.keys(theirs[0]!.stages).map((stage) => {
      return `${stage} ${median(theirs.map((turn) => turn.stages[stage]!)).toFixed(2)}`;
    });
    const cells = [
      name,
      median(seconds).toPrecision(3),
      `${median(seconds.map((value, i) => value / own[i]!.seconds)).toPrecision(3)} ×`,
      median(cpu).toPrecision(3),
      `${median(cpu.map((value, i) => value / own[i]!.cpu)).toPrecision(3)} ×`,
      losses[name]!.toExponential(3),
      stages.join(", "),
    ];
    return `| ${cells.join(" | ")} |`;
  });
  return [
    "| method | seconds | to oqe's | CPU seconds | to oqe's | tr(E H Eᵀ)/tr(W H Wᵀ) | seconds of |",
    "|---|---:|---:|---:|---:|---:|---|",
    ...rows,
  ].join("\n");
}

async function benchLayer(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "oqe-layer-"));
  const kernels = await Promise.all([openKernel({ workers: 1 }), openKernel({ workers: 2 })]);
  const { columns, rows, samples, bits } = options;
  console.log(
    `${rows} × ${columns}, ${samples} vectors, ${bits} bits, groups of ${width.groupSize}`,
  );
  try {
    const problem = await makeProblem(folder);
    const { peers, contestants, absent } = await openPeers(folder);
    const [one, two] = kernels.map((kernel) => ({
      tools: openTools({ kernel, settings: tuningSettings, storage: "BF16" }),
      sweeps: tuningSettings.sweeps,
    }));
    const own = [
      ours("oqe, two workers", two!, problem),
      ours("oqe, one worker", one!, problem),
      ours("oqe, two workers, GPTQ alone", { ...two!, sweeps: () => 0 }, problem),
    ];
    const turns = await compete([...own, ...contestants], Number(options.repeats));
    for (const peer of peers) peer.end();
    console.log(`\n${tableOf(turns, compare(folder, [...turns.keys()]))}`);
    for (const line of absent) console.log(`\nabsent: ${line}`);
  } finally {
    await Promise.all(kernels.map((kernel) => kernel.close()));
    await rm(folder, { recursive: true });
  }
}

await benchLayer();
