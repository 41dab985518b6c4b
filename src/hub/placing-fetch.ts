import { type Agent, Agent as HttpAgent, type IncomingMessage, request } from "node:http";
import { Agent as HttpsAgent, request as requestSecurely } from "node:https";
import { Readable } from "node:stream";
import { finished } from "node:stream/promises";
import type { ReadableStream } from "node:stream/web";
import type { Placement } from "./placement.ts";

/** A request whose answer's body is wanted in given memory. Others ignore the wish. */
export interface PlacedInit extends RequestInit {
  readonly placement?: Placement | undefined;
}

/** Milliseconds after which an idle connection is closed; Node's `fetch` has the same. */
const longestIdle = 4_000;

/**
 * A `fetch` that can place the body of an answer (`PlacedInit`), by Node's http client. Node's
 * `fetch` passes a body through a web stream and copies it on the way, for half as much CPU time
 * again. It still gets all other requests, and those through a proxy.
 */
export function createPlacingFetch(): typeof globalThis.fetch {
  const options = { keepAlive: true, timeout: longestIdle } as const;
  const agents = { http: new HttpAgent(options), https: new HttpsAgent(options) };
  return async (input, init: PlacedInit = {}) => {
    const { placement, dispatcher, method = "GET" } = init;
    const isPlain = method === "GET" && dispatcher === undefined && connectsDirectly();
    if (placement === undefined || !isPlain) return fetch(input, init);
    const url = new URL(String(input));
    const agent = url.protocol === "https:" ? agents.https : agents.http;
    const message = await ask(url, init, agent);
    const headers = new Headers();
    for (const [name, values] of Object.entries(message.headersDistinct))
      for (const value of values ?? []) headers.append(name, value);
    const head = { status: message.statusCode!, headers };
    if (!placement.fits(head)) return new Response(bodyOf(message), head);
    message.on("data", (chunk: Buffer) => placement.put(chunk));
    placement.begin(finished(message), () => message.destroy());
    return new Response(null, head);
  };
}

/** Whether Node's `fetch` uses its usual connections: no proxy, and nobody set others. */
function connectsDirectly(): boolean {
  const usual: unknown = Reflect.get(globalThis, Symbol.for("undici.globalDispatcher.1"));
  return typeof usual === "object" && usual?.constructor.name === "Agent";
}

async function ask(url: URL, init: RequestInit, agent: Agent): Promise<IncomingMessage> {
  const send = url.protocol === "https:" ? requestSecurely : request;
  const given = Object.fromEntries(new Headers(init.headers));
  const headers = { accept: "*/*", "user-agent": "node", ...given };
  const sent = send(url, { agent, headers, ...(init.signal && { signal: init.signal }) });
  try {
    return await new Promise((resolve, reject) => {
      sent.on("response", resolve).on("error", reject).end();
    });
  } catch (failure) {
    init.signal?.throwIfAborted();
    // The other side may close a connection just when it is used again.
    if (sent.reusedSocket) return ask(url, init, agent);
    throw failure;
  }
}

/** null for answers that have none. */
function bodyOf(message: IncomingMessage): ReadableStream<Uint8Array> | null {
  if (![204, 205, 304].includes(message.statusCode!)) return Readable.toWeb(message);
  message.resume();
  return null;
}
