import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/**
 * V8 leaves SharedArrayBuffers out when it reckons whether garbage is worth collecting, for each
 * would count once a thread. All matrices lie over such buffers, and every thread that saw one
 * keeps it alive until it collects: gigabytes pile up within seconds. So each thread counts what
 * passes through its hands, and collects.
 */
const bytesBetween = 128 << 20;
/** Buffers that survived a young collection need a whole one, which costs more. */
const youngBetween = 7;

type Collector = (options?: { type: "minor" }) => void;

let collector: Collector | undefined;
let bytes = 0;
let young = 0;

/**
 * Counts shared memory that this thread has made or been handed. Tells whether it is time to
 * collect.
 */
export function countShared(more: number): boolean {
  bytes += more;
  return bytes > bytesBetween;
}

/** Frees the buffers that this thread refers to no more. */
export function collect(): void {
  bytes = 0;
  collector ??= findCollector();
  if (young++ < youngBetween) {
    collector({ type: "minor" });
    return;
  }
  young = 0;
  collector();
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
