import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { setFlagsFromString } from "node:v8";
import { Worker } from "node:worker_threads";
import { assets } from "../ground/assets.ts";
import { memoryHint, OqeError, outOfMemory } from "../ground/errors.ts";
import { isOutOfMemory, reasonOf } from "../ground/reasons.ts";
import {
  type Answer,
  checkTask,
  elementBytes,
  nameTask,
  type QuantizeSums,
  type Task,
  type TileBytes,
} from "./job.ts";
import type {
  CastJob,
  CastResult,
  DequantizeJob,
  Kernel,
  QuantizeJob,
  QuantizeResult,
} from "./kernel-types.ts";
import { Cutter, Leases } from "./lease.ts";
import type { AnswerOf, JobOf, RoutineName } from "./routines.ts";

/** More cores than this find no memory bandwidth to share. */
const mostWorkers = 64;

/**
 * Opens the kernel. Workers start with their first task and cost nothing before.
 * Throws KERNEL where the .wasm is missing or this Node cannot run it.
 */
export async function openKernel(options: { workers?: number } = {}): Promise<Kernel> {
  const workers = options.workers ?? Math.min(availableParallelism(), mostWorkers);
  if (!Number.isInteger(workers) || workers < 1 || workers > mostWorkers) {
    throw new OqeError(
      "BAD_INPUT",
      `workers: expected a whole number from 1 to ${mostWorkers}, got ${workers}`,
    );
  }
  const bytes = await readFile(assets.kernel).catch((cause) => {
    throw new OqeError(
      "KERNEL",
      `cannot read the kernel: ${reasonOf(cause)}`,
      "Build it: npm run kernel.",
      cause,
    );
  });
  return new Pool(await compile(bytes), createHash("sha256").update(bytes).digest("hex"), workers);
}

async function compile(bytes: Uint8Array<ArrayBuffer>): Promise<WebAssembly.Module> {
  try {
    // Node 20 has relaxed SIMD behind a switch; the results are the same.
    if (Number.parseInt(process.versions.node, 10) < 22)
      setFlagsFromString("--experimental-wasm-relaxed-simd");
    return await WebAssembly.compile(bytes);
  } catch (cause) {
    const old = Number.parseInt(process.versions.node, 10) < 22;
    throw old
      ? new OqeError(
          "KERNEL",
          `the kernel needs Node 20 or newer (WebAssembly relaxed SIMD), and this is Node ${process.versions.node}`,
          "Install Node 24, or run through npm, which brings its own.",
          cause,
        )
      : new OqeError(
          "KERNEL",
          "the kernel does not compile",
          "The file is damaged: fetch or build it anew.",
          cause,
        );
  }
}

interface Ticket {
  readonly task: Task;
  resolve(answer: Answer): void;
  reject(error: OqeError): void;
}

/** A place for one worker, empty until the first task and after a trap. */
interface Seat {
  worker?: Worker | undefined;
  ticket?: Ticket | undefined;
}

class Pool implements Kernel {
  readonly sha256: string;
  readonly #module: WebAssembly.Module;
  readonly #seats: Seat[];
  readonly #queue: Ticket[] = [];
  readonly #leases = new Leases();
  #closed = false;

  constructor(module: WebAssembly.Module, sha256: string, workers: number) {
    this.#module = module;
    this.sha256 = sha256;
    this.#seats = Array.from({ length: workers }, () => ({}));
  }

  get workers(): number {
    return this.#seats.length;
  }

  async quantize(job: QuantizeJob): Promise<QuantizeResult> {
    checkTask({ kind: "quantize", job, out: [] });
    const cutter = new Cutter();
    const isShared = job.weights.buffer instanceof SharedArrayBuffer;
    const weightsIn = cutter.place(isShared ? 0 : job.weights.byteLength);
    const parts = job.widths.map(({ bits, groupSize }) => {
      const pairs = ((job.rows * job.columns) / groupSize) * elementBytes[job.store];
      const [words, scales, biases] = [(job.rows * job.columns * bits) / 8, pairs, pairs].map((n) =>
        cutter.place(n),
      );
      return { words: words!, scales: scales!, biases: biases! };
    });
    const buffer = this.#leases.take(cutter.size);
    const weights = isShared ? job.weights : weightsIn(buffer);
    if (!isShared) weights.set(job.weights);
    const out = parts.map(({ words, scales, biases }): TileBytes => {
      return { words: words(buffer), scales: scales(buffer), biases: biases(buffer) };
    });
    const task: Task = { kind: "quantize", job: { ...job, weights }, out };
    const { energy, nonFinite, squaredErrors } = (await this.#submit(task, [])) as QuantizeSums;
    const tiles = job.widths.map((width, i) => ({
      ...width,
      ...out[i]!,
      squaredError: squaredErrors[i]!,
    }));
    return {
      tiles,
      energy,
      nonFinite,
      release: () => this.#leases.give(buffer, 2 * this.workers + 2),
    };
  }

  dequantize(job: DequantizeJob): Promise<Float32Array> {
    return this.#submit({ kind: "dequantize", job }, [
      "words",
      "scales",
      "biases",
    ]) as Promise<Float32Array>;
  }

  cast(job: CastJob): Promise<CastResult> {
    return this.#submit({ kind: "cast", job }, ["weights"]) as Promise<CastResult>;
  }

  async run<N extends RoutineName>(name: N, job: JobOf<N>): Promise<AnswerOf<N>> {
    return (await this.#submit({ kind: "routine", name, job }, [])) as AnswerOf<N>;
  }

  async close(): Promise<void> {
    this.#closed = true;
    const tickets = [
      ...this.#seats.flatMap(({ ticket }) => ticket ?? []),
      ...this.#queue.splice(0),
    ];
    const workers = this.#seats.flatMap(({ worker }) => worker ?? []);
    for (const seat of this.#seats) seat.worker = seat.ticket = undefined;
    for (const { task, reject } of tickets) reject(closed(task));
    await Promise.all(workers.map((worker) => worker.terminate()));
  }

  async #submit(task: Task, operands: readonly string[]): Promise<Answer> {
    if (this.#closed) throw closed(task);
    checkTask(task);
    const job = Object.fromEntries(
      Object.entries(task.job as object).map(([name, value]) => [
        name,
        operands.includes(name) ? share(value) : value,
      ]),
    );
    return new Promise((resolve, reject) => {
      this.#queue.push({ task: { ...task, job } as unknown as Task, resolve, reject });
      this.#dispatch();
    });
  }

  #dispatch(): void {
    for (const seat of this.#seats) {
      if (this.#queue.length === 0) return;
      if (seat.ticket) continue;
      seat.worker ??= this.#start(seat); // may throw: before a ticket is taken
      seat.ticket = this.#queue.shift()!;
      seat.worker.ref();
      seat.worker.postMessage(seat.ticket.task);
    }
  }

  #start(seat: Seat): Worker {
    const worker = new Worker(assets.worker, { workerData: this.#module });
    worker.on("message", (answer: Answer) => {
      const ticket = seat.ticket;
      seat.ticket = undefined;
      worker.unref(); // an idle pool that nobody closed does not keep the process alive
      ticket?.resolve(answer);
      this.#dispatch();
    });
    const die = (cause: unknown) => {
      if (seat.worker !== worker) return;
      const ticket = seat.ticket;
      seat.worker = seat.ticket = undefined;
      ticket?.reject(trapped(ticket.task, cause));
      this.#dispatch();
    };
    worker.on("error", die);
    worker.on("exit", (code) => die(new Error(`its thread ended with code ${code}`)));
    return worker;
  }
}

function closed(task: Task): OqeError {
  return new OqeError("KERNEL", `${nameTask(task)}: the kernel was closed`);
}

/** A worker thread ended during a task. A full WebAssembly memory is a trap (RuntimeError) too. */
function trapped(task: Task, cause: unknown): OqeError {
  if (isOutOfMemory(cause)) return outOfMemory(nameTask(task), cause);
  const isTrap = cause instanceof Error && cause.name === "RuntimeError";
  return new OqeError(
    "KERNEL",
    `${nameTask(task)}: ${isTrap ? "the kernel trapped" : reasonOf(cause)}`,
    `Was memory short? ${memoryHint} If not, please report this with the name of the model.`,
    cause,
  );
}

/** The operand over shared memory: as it is, or copied. */
function share(operand: Uint8Array): Uint8Array<SharedArrayBuffer> {
  if (operand.buffer instanceof SharedArrayBuffer) return operand as Uint8Array<SharedArrayBuffer>;
  const copy = new Uint8Array(new SharedArrayBuffer(operand.byteLength));
  copy.set(operand);
  return copy;
}
