import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { Refusal, refuse } from "./errors.ts";
import {
  bytesOf,
  flipped,
  isSlice,
  json,
  type Reply,
  readReply,
  refusalReply,
  send,
} from "./exchange.ts";
import { type Action, type Fault, takeFault, takeFlip } from "./faults.ts";

export interface SeenRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage["headers"];
  readonly origin: "hub" | "storage";
  /** 0 if a fault cut the connection before the answer. */
  readonly status: number;
  /** Size of the answer's body. */
  readonly bytes: number;
}

export interface Serving {
  readonly origin: "hub" | "storage";
  readonly answer: (request: IncomingMessage) => Promise<Reply>;
  readonly faults: readonly Fault[];
  /** A fault of the faulty world for a request, `METHOD /path?query`; null: none. */
  readonly draw: (line: string) => Action | null;
  /** Somebody else commits to the branch that a request commits to. */
  readonly race: (url: string) => Promise<void>;
  /** Called when a connection is kept open in silence; `isOpen` says whether it still is. */
  readonly onSilence: ((isOpen: () => boolean) => void) | undefined;
  readonly onRequest: ((request: SeenRequest) => void) | undefined;
}

export interface RunningServer {
  /** `http://127.0.0.1:<port>` */
  readonly url: string;
  /** Cuts every connection and waits for running handlers. */
  close(): Promise<void>;
}

/** Listens on 127.0.0.1 only; port 0: a free one. */
export async function serve(how: Serving, port: number): Promise<RunningServer> {
  const running = new Set<Promise<void>>();
  const server = createServer((request, response) => {
    const done = exchange(how, request, response).finally(() => running.delete(done));
    running.add(done);
  });
  await listen(server, port);
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      await Promise.all([closed, ...running]);
    },
  };
}

async function listen(server: Server, port: number): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "127.0.0.1", resolve);
  });
}

let requests = 0;

/** One request from its first byte to its last, injected faults included. */
async function exchange(
  how: Serving,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { method = "", url = "", headers } = request;
  const seen = (status: number, bytes = 0) =>
    how.onRequest?.({ method, url, headers, origin: how.origin, status, bytes });
  const line = `${method} ${url}`;
  const action = takeFault(how.faults, line) ?? how.draw(line);
  response.setHeader("X-Request-Id", `local-${++requests}`);
  try {
    if (action === "silent") await hold(how, response);
    if (action === "reset" || action === "silent") {
      seen(0);
      request.socket.resetAndDestroy();
      return;
    }
    if (action === "race") await how.race(url);
    const reply = await replyTo(how, request, action);
    if (action === "drop-answer") {
      seen(0);
      request.socket.resetAndDestroy();
      return;
    }
    seen(reply.status, method === "HEAD" ? 0 : bytesOf(reply));
    const isSlow = action === "stall" || action === "trickle";
    if (isSlow) await sendSlowly(how, response, reply, action === "trickle");
    else await send(response, reply, method !== "HEAD", action === "truncate" ? 0.5 : 1);
  } catch {
    // The client is gone, or a file vanished during the answer: no further answer is possible.
    response.destroy();
  }
}

/** Keeps a connection open until the client leaves. */
async function hold(how: Serving, response: ServerResponse): Promise<void> {
  if (response.destroyed) return; // it has left already
  const left = new Promise<void>((resolve) => response.once("close", resolve));
  how.onSilence?.(() => !response.destroyed);
  await left;
}

/** Sends half of the body at once, or a byte per second, and waits until the client leaves. */
async function sendSlowly(
  how: Serving,
  response: ServerResponse,
  reply: Reply,
  isTrickle: boolean,
): Promise<void> {
  const body = await readReply(reply);
  response.writeHead(reply.status, { ...reply.headers, "Content-Length": String(body.length) });
  response.flushHeaders();
  if (!isTrickle) response.write(body.subarray(0, body.length >> 1));
  let sent = 0;
  const each = () =>
    isTrickle && sent < body.length - 1 && response.write(body.subarray(sent, ++sent));
  const timer = setInterval(each, 1000);
  await hold(how, response).finally(() => clearInterval(timer));
}

async function replyTo(
  how: Serving,
  request: IncomingMessage,
  action: Action | null,
): Promise<Reply> {
  const given = action !== null && typeof action === "object" ? action : { flip: 0 };
  if ("status" in given)
    return json(given.body ?? { error: "Injected" }, given.status, given.headers);
  const reply = await withFlip(
    how,
    `${request.method} ${request.url}`,
    await compute(how, request),
  );
  if (!("replace" in given) || reply.status >= 300) return reply;
  return given.replace(reply, await readReply(reply));
}

/** The reply, with a bit changed if a fault says so. */
async function withFlip({ faults }: Serving, line: string, reply: Reply): Promise<Reply> {
  const { body } = reply;
  if (!isSlice(body)) return reply;
  const at = takeFlip(faults, line, body);
  return at === null ? reply : { ...reply, body: await flipped(body, at) };
}

async function compute(how: Serving, request: IncomingMessage): Promise<Reply> {
  try {
    checkHost(request);
    return await how.answer(request);
  } catch (error) {
    if (error instanceof Refusal) return refusalReply(error);
    // The client hung up during its request: this is not our fault, and nobody reads an answer.
    if (request.destroyed && (!request.complete || request.socket.destroyed)) throw error;
    console.error(error);
    return json({ error: "Internal Server Error" }, 500);
  }
}

/**
 * Refuses other host names than local ones. Otherwise a web page could point its own name at
 * 127.0.0.1.
 */
function checkHost(request: IncomingMessage): void {
  if (!/^(127\.0\.0\.1|localhost)(:\d{1,5})?$/i.test(request.headers.host ?? "")) {
    throw new Refusal(421, "This Hub answers on 127.0.0.1 only");
  }
  if (!request.url!.startsWith("/")) throw refuse.badRequest("The request target must be a path");
}
