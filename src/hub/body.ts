import type { Watch } from "./watch.ts";

/** Shorter bodies are sent at once: how their bytes go says nothing. */
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
  watch.countShort(shortSize(body));
  return body ?? null;
}

/** Bytes of a body that is sent at once; 0 for streams and forms. */
function shortSize(body: RequestInit["body"]): number {
  if (typeof body === "string") return Buffer.byteLength(body);
  return body instanceof ArrayBuffer || ArrayBuffer.isView(body) ? body.byteLength : 0;
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
        watch.count(chunk.length, "sent");
        controller.enqueue(chunk);
      },
      flush: () => watch.sent(),
    });
    return this.#body.stream().pipeThrough(counter);
  }
}
