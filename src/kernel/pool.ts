import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { setFlagsFromString } from "node:v8";
import { Worker } from "node:worker_threads";
import { assets } from "../ground/assets.ts";
import { memoryHint, OqeError, outOfMemory } from "../ground/errors.ts";
import { isOutOfMemory, reasonOf } from "../ground/reasons.ts";
import type { CastResult, Kernel, QuantizeResult } from "./kernel-types.ts";
import { Leases } from "./lease.ts";
import { castElements, dequantizeRows, quantizeRows } from "./packing.ts";
import { failOf } from "./routine.ts";
import type { CastJob } from "./routines/cast.ts";
import type { PackedRows } from "./routines/dequantize.ts";
import type { QuantizeRows } from "./routines/quantize.ts";
import {
  type AnswerOf,
  type JobOf,
  type KernelCall,
  type RoutineName,
  routineOf,
} from "./routines.ts";

/** Beyond this, memory bandwidth limits the speed. */
const mostWorkers = 64;

/**
 * Opens the kernel. Each worker starts with its first job.
 * Throws KERNEL if the .wasm is missing or this Node cannot run it.
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
    // Node 20 needs a flag for relaxed SIMD; the results are the same.
    if (Number.parseInt(process.versions.node, 10) < 22)
      setFlagsFromString("--experimental-wasm-relaxed-simd");
    return await WebAssembly.compile(bytes);
  } catch (cause) {
    throw Number.parseInt(process.versions.node, 10) < 20
      ? new OqeError(
          "KERNEL",
          `the kernel needs Node 20 or newer (relaxed SIMD), this is Node ${process.versions.node}`,
          "Install Node 24, or run through npm: the package installs its own Node.",
          cause,
        )
      : new OqeError(
          "KERNEL",
          "the kernel does not compile",
          "The file is damaged. Download it again or build it: npm run kernel.",
          cause,
        );
  }
}

/** A job that waits for a worker or for its answer. */
interface Ticket {
  readonly call: KernelCall<RoutineName>;
  /** Names the job in errors. */
  readonly name: string;
  resolve(answer: unknown): void;
  reject(error: OqeError): void;
}

/** Holds one worker. Empty until the first job and after a trap. */
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

  quantize(rows: QuantizeRows): Promise<QuantizeResult> {
    return quantizeRows(this, this.#leases, rows);
  }

  dequantize(rows: PackedRows): Promise<Float32Array<SharedArrayBuffer>> {
    return dequantizeRows(this, rows);
  }

  cast(job: Omit<CastJob, "out">): Promise<CastResult> {
    return castElements(this, job);
  }

  async run<N extends RoutineName>(name: N, job: JobOf<N>): Promise<AnswerOf<N>> {
    const routine = routineOf(name);
    const description = routine.describe(job);
    if (this.#closed) throw closed(description);
    routine.check(job, failOf(description));
    // The worker's answer is the return value of the routine's `run`.
    return new Promise<AnswerOf<N>>((resolve, reject) => {
      const settle = (answer: unknown) => resolve(answer as AnswerOf<N>);
      this.#queue.push({ call: { name, job }, name: description, resolve: settle, reject });
      this.#dispatch();
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    const tickets = [
      ...this.#seats.flatMap(({ ticket }) => ticket ?? []),
      ...this.#queue.splice(0),
    ];
    const workers = this.#seats.flatMap(({ worker }) => worker ?? []);
    for (const seat of this.#seats) seat.worker = seat.ticket = undefined;
    for (const { name, reject } of tickets) reject(closed(name));
    await Promise.all(workers.map((worker) => worker.terminate()));
  }

  #dispatch(): void {
    for (const seat of this.#seats) {
      if (this.#queue.length === 0) return;
      if (seat.ticket) continue;
      seat.worker ??= this.#start(seat); // may throw, so before a ticket is taken
      seat.ticket = this.#queue.shift()!;
      seat.worker.ref();
      seat.worker.postMessage(seat.ticket.call);
    }
  }

  #start(seat: Seat): Worker {
    const worker = new Worker(assets.worker, { workerData: this.#module });
    worker.on("message", (answer: unknown) => {
      const ticket = seat.ticket;
      seat.ticket = undefined;
      worker.unref(); // an idle pool does not keep the process alive
      ticket?.resolve(answer);
      this.#dispatch();
    });
    const die = (cause: unknown) => {
      if (seat.worker !== worker) return;
      const ticket = seat.ticket;
      seat.worker = seat.ticket = undefined;
      ticket?.reject(trapped(ticket.name, cause));
      this.#dispatch();
    };
    worker.on("error", die);
    worker.on("exit", (code) => die(new Error(`its thread ended with code ${code}`)));
    return worker;
  }
}

function closed(job: string): OqeError {
  return new OqeError("KERNEL", `${job}: the kernel was closed`);
}

/** A worker thread ended during a job. A full WebAssembly memory is a trap (RuntimeError) too. */
function trapped(job: string, cause: unknown): OqeError {
  if (isOutOfMemory(cause)) return outOfMemory(job, cause);
  const isTrap = cause instanceof Error && cause.name === "RuntimeError";
  return new OqeError(
    "KERNEL",
    `${job}: ${isTrap ? "the kernel trapped" : reasonOf(cause)}`,
    `Was memory short? ${memoryHint} If not, please report this with the name of the model.`,
    cause,
  );
}
