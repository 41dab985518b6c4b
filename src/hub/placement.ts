import { collectYoung } from "../kernel/collect.ts";

/** Memory that the body of an answer is wanted in, and what came of it. */
export class Placement {
  /** Bytes that came. */
  received = 0;
  /** Settles when all bytes are there; null: the answer has its body as usual. */
  body: Promise<void> | null = null;
  #end: () => void = () => {};
  readonly #bytes: Uint8Array;
  readonly #tell: (bytes: number) => void;

  /** `bytes` may lie in shared memory. `tell` is told of bytes as they come. */
  constructor(bytes: Uint8Array, tell: (bytes: number) => void) {
    this.#bytes = bytes;
    this.#tell = tell;
  }

  /** Whether an answer's body is exactly the bytes that are wanted. */
  fits({ status, headers }: Pick<Response, "status" | "headers">): boolean {
    const isPlain = (headers.get("content-encoding") ?? "identity") === "identity";
    const length = headers.get("content-length");
    return status === 206 && isPlain && length === String(this.#bytes.length);
  }

  /** The body comes. `end` ends it. */
  begin(body: Promise<void>, end: () => void): void {
    this.body = body;
    this.#end = end;
    body.catch(() => {}); // whoever refuses the head does not wait for the body
  }

  /** Nobody wants the body any more: nothing is written from now on. */
  cancel(): void {
    this.#end();
  }

  /** Copies the next bytes of the body to their place. */
  put(chunk: Uint8Array): void {
    asBuffer(chunk).copy(asBuffer(this.#bytes), this.received);
    this.received += chunk.length;
    this.#tell(chunk.length);
    freeReceived(chunk.length);
  }
}

/** A Buffer copies into shared memory in bulk; a typed array's `set` copies word by word. */
export function asBuffer({ buffer, byteOffset, byteLength }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength);
}

/**
 * Chunks of answers lie outside V8's heap. V8 marks its whole heap whenever some ten megabytes of
 * them have come, which took half the CPU time of reading. A young collection before that costs
 * little, because no chunk is in use any more.
 */
const receivedBetween = 4 << 20;
let received = 0;

export function freeReceived(bytes: number): void {
  received += bytes;
  if (received < receivedBetween) return;
  received = 0;
  collectYoung();
}
