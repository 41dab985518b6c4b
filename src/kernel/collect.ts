import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/**
 * V8 ignores SharedArrayBuffers when it decides whether to collect garbage. All matrices lie over
 * such buffers, and every thread that received one keeps it alive until it collects. Within seconds
 * that adds up to gigabytes. So each thread counts the shared memory that it handles and triggers
 * collections itself.
 *
 * A young collection takes a tenth of a millisecond. It frees buffers that did not survive two of
 * them. A full one takes some 50 ms in the main thread and frees all. So a full one follows when
 * the bytes of all buffers have grown although young ones were made. The resident memory would not
 * do as their measure: it contains memory that is free, but was not given back to the system.
 * Buffers would fill that before any growth showed, and so be more at each time.
 */
const betweenYoung = 32 << 20;
/**
 * Growth before a full collection: at the end of a step of a walk, and at any time. At any time it
 * is half of what is in use, between the two: a small model has little garbage, too.
 */
const [mostLeft, mostGrown] = [32 << 20, 256 << 20];
/**
 * Bytes of jobs after which a worker collects. Between two jobs nothing needs to survive, but what
 * a long job refers to is not young any more. A full collection of a worker takes about 5 ms.
 */
const [youngOfJobs, fullOfJobs] = [8 << 20, 256 << 20];

type Collector = (options?: { type: "minor" }) => void;

let collector: Collector | undefined;
let [sinceYoung, sinceFull] = [0, 0];
/** The least bytes of buffers since the last full collection. */
let lowest = Number.POSITIVE_INFINITY;

/** Counts shared memory that this thread creates, and collects when it is due. */
export function countShared(bytes: number): void {
  sinceYoung += bytes;
  if (sinceYoung > betweenYoung) collectAbove(mostGrown);
}

/** Frees the buffers that this thread no longer refers to. For the end of a step of a walk. */
export function collectShared(): void {
  collectAbove(mostLeft);
}

function collectAbove(growth: number): void {
  collectYoung();
  const { arrayBuffers } = process.memoryUsage(); // shared ones are among them
  lowest = Math.min(lowest, arrayBuffers);
  if (arrayBuffers - lowest <= Math.min(growth, Math.max(lowest / 2, mostLeft))) return;
  collectAll();
}

/** Frees all buffers that this thread no longer refers to. For the end of a stage of a walk. */
export function collectAll(): void {
  collector ??= findCollector();
  collector();
  lowest = process.memoryUsage().arrayBuffers;
}

/** Frees the buffers of a worker's last job. Called when nothing refers to it any more. */
export function collectJob(bytes: number): void {
  sinceYoung += bytes;
  sinceFull += bytes;
  if (sinceFull > fullOfJobs) {
    [sinceYoung, sinceFull] = [0, 0];
    collector ??= findCollector();
    collector();
  } else if (sinceYoung > youngOfJobs) collectYoung();
}

/** Frees what this thread made lately and no longer refers to. */
export function collectYoung(): void {
  sinceYoung = 0;
  collector ??= findCollector();
  collector({ type: "minor" });
}

function findCollector(): Collector {
  setFlagsFromString("--expose-gc");
  return runInNewContext("gc") as Collector;
}

/** Bytes of all arrays in a job. */
export function bytesIn(value: unknown): number {
  if (ArrayBuffer.isView(value)) return value.byteLength;
  if (typeof value !== "object" || value === null) return 0;
  return Object.values(value).reduce<number>((sum, part) => sum + bytesIn(part), 0);
}
