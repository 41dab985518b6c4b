import type { Watch } from "./watch.ts";

/** Shorter bodies are sent at once: to count their bytes says nothing. */
const shortBody = 64 << 10;

/** Bytes that are counted at once. */
const step = 64 << 10;

/**
 * The same body, whose bytes the watch counts as they are sent. Streams and forms are left as they
 * are.
 */
export function counted(
  body: RequestInit["body"],
  watch: Watch,
): NonNullable<RequestInit["body"]> | null {
  if (body instanceof Blob) return new CountedBody(body, watch);
  if (typeof body === "string" && body.length > shortBody)
    return new CountedBody(new BytesBody(Buffer.from(body)), watch);
  if (body instanceof ArrayBuffer && body.byteLength > shortBody)
    return new CountedBody(new BytesBody(new Uint8Array(body)), watch);
  if (ArrayBuffer.isView(body) && body.byteLength > shortBody) {
    const { buffer, byteOffset, byteLength } = body;
    return new CountedBody(new BytesBody(new Uint8Array(buffer, byteOffset, byteLength)), watch);
  }
  return body ?? null;
}

/**
 * A Blob over bytes that are not copied. fetch uses its size, type and stream. The stream gives
 * bytes as the connection takes them; that of Node's own Blob gives all at once.
 */
class BytesBody extends Blob {
  override readonly size: number;
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    super([]);
    this.size = bytes.length;
    this.#bytes = bytes;
  }

  override stream(): ReadableStream<Uint8Array<ArrayBuffer>> {
    const bytes = this.#bytes;
    let at = 0;
    return new ReadableStream({
      pull(controller) {
        if (at === bytes.length) return controller.close();
        controller.enqueue(bytes.subarray(at, at + step) as Uint8Array<ArrayBuffer>);
        at = Math.min(at + step, bytes.length);
      },
    });
  }
}

class CountedBody extends Blob {
  override readonly size: number;
  readonly #body: Blob;
  readonly #watch: Watch;

  constructor(body: Blob, watch: Watch) {
    super([], { type: body.type });
    this.size = body.size;
    this.#body = body;
    this.#watch = watch;
  }

  override stream(): ReadableStream<Uint8Array<ArrayBuffer>> {
    const watch = this.#watch;
    const counter = new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>({
      transform(chunk, controller) {
        watch.count(chunk.length);
        controller.enqueue(chunk);
      },
      flush: () => watch.sent(),
    });
    return this.#body.stream().pipeThrough(counter);
  }
}
