import { connect, type Socket } from "node:net";
import { connect as connectSecurely } from "node:tls";
import type { Placement } from "./placement.ts";

/** Longest head of an answer with a short body, in bytes. */
const mostHead = 16 << 10;

/** Milliseconds after which an idle connection is closed; Node's `fetch` has the same. */
export const longestIdle = 4_000;

/** A GET whose answer's body is wanted in given memory. */
export interface PlacedRequest {
  readonly url: URL;
  /** Names and values as they are sent. */
  readonly headers: Iterable<readonly [string, string]>;
  readonly placement: Placement;
  readonly signal: AbortSignal | null | undefined;
}

/** An answer. */
export interface Head {
  readonly status: number;
  readonly headers: Headers;
  /** A short body; null: it comes into its place. */
  readonly body: Uint8Array<ArrayBuffer> | null;
}

/** What a line is doing for a request. */
interface Exchange {
  readonly placement: Placement;
  /** Tells the head, or null: the line cannot take this answer. */
  answer(head: Head | null): void;
  /** Ends the body. */
  end(failure?: Error): void;
}

/**
 * A connection that reads bodies from the socket straight into their place, without a buffer of
 * their own for each chunk: that, and what it costs to collect them, took more CPU time than the
 * copies. It understands a 206 of the wanted length, and short answers of a known length. It closes
 * at any other.
 */
export class DirectLine {
  readonly #socket: Socket;
  readonly #head = Buffer.alloc(mostHead);
  /** Bytes of the head that came. */
  #filled = 0;
  #isBody = false;
  #keeps = true;
  #exchange: Exchange | null = null;
  readonly #onFree: (line: DirectLine) => void;

  /** `onFree` is called when the line can take another request. */
  constructor({ protocol, hostname, port }: URL, onFree: (line: DirectLine) => void) {
    this.#onFree = onFree;
    const host = hostname.replace(/^\[|\]$/g, "");
    const onread = { buffer: () => this.#room(), callback: (bytes: number) => this.#took(bytes) };
    if (protocol === "https:") {
      const options = { host, port: Number(port || 443), servername: host, onread };
      this.#socket = connectSecurely({ ...options, ALPNProtocols: ["http/1.1"] });
    } else this.#socket = connect({ host, port: Number(port || 80), onread });
    this.#socket.setNoDelay(true).on("error", () => {});
    this.#socket.on("close", () => this.#stop(new Error("the connection was closed")));
    for (const event of ["end", "timeout"]) this.#socket.on(event, () => this.#socket.destroy());
  }

  get isOpen(): boolean {
    return !this.#socket.destroyed;
  }

  /**
   * Sends a request. Gives the answer when its body begins to come into its place, or a short one
   * whole; null: ask over another connection, nothing came. Throws the reason of the signal.
   */
  async ask({ url, headers, placement, signal }: PlacedRequest): Promise<Head | null> {
    const fields = [...headers].map(([name, value]) => `${name}: ${value}\r\n`).join("");
    let exchange: Exchange | null = null;
    const abort = () => {
      if (this.#exchange === exchange) this.close();
    };
    signal?.addEventListener("abort", abort, { once: true });
    const head = new Promise<Head | null>((resolve) => {
      const body = new Promise<void>((finish, fail) => {
        const answer = (one: Head | null) => {
          if (one !== null && one.body === null) placement.begin(body, abort);
          resolve(one);
        };
        exchange = { placement, answer, end: (failure) => (failure ? fail(failure) : finish()) };
      });
      body.catch(() => {}).finally(() => signal?.removeEventListener("abort", abort));
    });
    this.#exchange = exchange;
    this.#socket.setTimeout(0).ref();
    this.#socket.write(
      `GET ${url.pathname}${url.search} HTTP/1.1\r\nHost: ${url.host}\r\n${fields}\r\n`,
    );
    const answered = await head;
    if (answered === null) signal?.throwIfAborted();
    return answered;
  }

  close(): void {
    this.#socket.destroy();
    this.#stop(new Error("the connection was aborted"));
  }

  /** Where the next bytes go. */
  #room(): Uint8Array {
    const { placement } = this.#exchange ?? {};
    return this.#isBody && placement ? placement.rest() : this.#head.subarray(this.#filled);
  }

  #took(bytes: number): boolean {
    if (this.#exchange === null)
      this.close(); // nobody asked for it
    else if (this.#isBody) this.#exchange.placement.took(bytes);
    else this.#readHead(this.#exchange, bytes);
    if (this.#isBody && this.#exchange?.placement.rest().length === 0) this.#finish(this.#exchange);
    return true;
  }

  #readHead(exchange: Exchange, bytes: number): void {
    const { placement, answer } = exchange;
    this.#filled += bytes;
    const came = this.#head.subarray(0, this.#filled);
    const end = came.indexOf("\r\n\r\n");
    if (end < 0 && this.#filled < mostHead) return;
    const head = end < 0 ? null : parseHead(came.toString("latin1", 0, end));
    const body = came.subarray(end + 4);
    const length = Number(head?.headers.get("content-length") ?? Number.NaN);
    this.#keeps = !/\bclose\b/i.test(head?.headers.get("connection") ?? "");
    if (head !== null && body.length <= length && placement.fits(head)) {
      this.#isBody = true;
      answer({ ...head, body: null });
      placement.put(body);
    } else if (head !== null && body.length <= length && end + 4 + length <= mostHead) {
      if (body.length < length) return;
      answer({ ...head, body: new Uint8Array(body) });
      this.#finish(exchange);
    } else this.close();
  }

  #finish({ end }: Exchange): void {
    this.#exchange = null;
    this.#isBody = false;
    this.#filled = 0;
    end();
    if (this.#keeps) {
      this.#socket.setTimeout(longestIdle).unref();
      this.#onFree(this);
    } else this.close();
  }

  #stop(failure: Error): void {
    const exchange = this.#exchange;
    this.#exchange = null;
    this.#isBody = false;
    exchange?.answer(null); // has no effect if the body has begun
    exchange?.end(failure);
  }
}

/**
 * Lines to the servers that have answered as a line can take it. Other requests go another way.
 */
export class DirectLines {
  /** Origin -> lines that are free. */
  readonly #free = new Map<string, DirectLine[]>();

  /** Says that a server answered so. */
  trust({ origin }: URL): void {
    if (!this.#free.has(origin)) this.#free.set(origin, []);
  }

  /** See DirectLine. null: also where the server is not trusted, or not any more. */
  async ask(request: PlacedRequest): Promise<Head | null> {
    const { url, signal } = request;
    const free = this.#free.get(url.origin);
    if (free === undefined) return null;
    signal?.throwIfAborted();
    let line = free.pop();
    while (line?.isOpen === false) line = free.pop();
    line ??= new DirectLine(url, (one) => free.push(one));
    const head = await line.ask(request);
    if (head === null) this.#free.delete(url.origin);
    return head;
  }
}

/** null: not the head of an answer that a line can take. */
function parseHead(text: string): Omit<Head, "body"> | null {
  const [first, ...lines] = text.split("\r\n");
  const status = Number(/^HTTP\/1\.1 ([2-5]\d\d)( |$)/.exec(first!)?.[1]);
  if (Number.isNaN(status) || [204, 205, 304].includes(status)) return null;
  const headers = new Headers();
  for (const line of lines) {
    const [, name, value] = /^([!#$%&'*+.^_`|~\w-]+):[ \t]*(.*)$/.exec(line) ?? [];
    if (name === undefined) return null;
    headers.append(name, value!.trim());
  }
  return headers.has("transfer-encoding") ? null : { status, headers };
}
