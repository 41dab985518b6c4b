import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/**
 * V8 ignores SharedArrayBuffers when it decides whether to collect garbage. All matrices lie over
 * such buffers, and every thread that received one keeps it alive until it collects. Within seconds
 * that adds up to gigabytes. So each thread counts the shared memory that it handles and triggers
 * collections itself.
 */
const bytesBetween = 128 << 20;
/**
 * A full collection follows after this many young ones: it also frees buffers that survived them.
 */
const youngBetween = 7;

type Collector = (options?: { type: "minor" }) => void;

let collector: Collector | undefined;
let bytes = 0;
let young = 0;

/**
 * Counts shared memory that this thread created or received. Returns true when a collection is due.
 */
export function countShared(more: number): boolean {
  bytes += more;
  return bytes > bytesBetween;
}

/** Frees the buffers that this thread no longer refers to. */
export function collect(): void {
  bytes = 0;
  if (young++ < youngBetween) {
    collectYoung();
    return;
  }
  young = 0;
  collector ??= findCollector();
  collector();
}

/** Frees what this thread made lately and no longer refers to. Takes a few milliseconds. */
export function collectYoung(): void {
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
