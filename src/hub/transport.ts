import { OqeError } from "../ground/errors.ts";
import { counted } from "./body.ts";
import { faultOf, strangerHint } from "./expected.ts";
import { printable } from "./names.ts";
import {
  type Answer,
  describe,
  isReplayable,
  place,
  type Sender,
  tokenPlaceholder,
} from "./origin.ts";
import { type Patience, retryLimits, Transient } from "./patience.ts";
import { isTransientStatus, retry, toldWait } from "./retry.ts";
import type { Access } from "./token-source.ts";
import { Watch } from "./watch.ts";

/** Largest answer that is read into memory. JSON pages and xet's shards are far smaller. */
const answerLimit = 128 << 20;

/** Sends every request: a sender with the token, and retries. */
export interface Transport extends Sender {
  readonly endpoint: string;
  readonly access: Access;
  readonly patience: Patience;
  /**
   * A `fetch` for answers in memory. It follows redirects and retries requests whose body can be
   * sent again. Returns any status that is not transient. Throws NETWORK after the last attempt.
   */
  readonly fetch: typeof globalThis.fetch;
}

/** The token's placeholder for @huggingface/hub, to write into `Authorization`. */
export function credentials(transport: Transport): { accessToken?: string } {
  return transport.access !== "none" ? { accessToken: tokenPlaceholder } : {};
}

/** The same for our own requests. */
export function authorization(transport: Transport): Record<string, string> {
  return transport.access !== "none" ? { Authorization: `Bearer ${tokenPlaceholder}` } : {};
}

export function createTransport(
  endpoint: string,
  access: Access,
  sender: Sender,
  patience: Patience,
): Transport {
  const fetch: typeof globalThis.fetch = async (input, init = {}) => {
    if (input instanceof Request)
      throw new OqeError("INTERNAL", "The Hub's fetch takes an address, not a Request");
    const address = String(input);
    const what = `${init.method ?? "GET"} ${place(address)}`;
    const call = { sender, endpoint, address, init };
    if (isReplayable(init.body))
      return retry(patience, what, (begin) => whole(call, begin()), init.signal ?? undefined);
    const watch = new Watch({ patience, what, budget: retryLimits.lost });
    try {
      return await whole(call, watch);
    } catch (failure) {
      if (!(failure instanceof Transient)) throw failure;
      throw new OqeError(
        "NETWORK",
        `${what} failed and what it sent cannot be sent again: ${failure.message}`,
        "Run again.",
      );
    } finally {
      watch.end();
    }
  };
  return { ...sender, endpoint, access, patience, fetch };
}

/** One request, the same in all attempts. */
interface Call {
  readonly sender: Sender;
  readonly endpoint: string;
  readonly address: string;
  readonly init: RequestInit;
}

/**
 * One attempt. Returns the answer with its body in memory; throws `Transient` if another attempt
 * may help.
 */
async function whole(call: Call, watch: Watch): Promise<Response> {
  const { sender, address, init } = call;
  const signal = init.signal ? AbortSignal.any([init.signal, watch.signal]) : watch.signal;
  const sent = counted(init.body, watch);
  const answer = await sender.send(address, { ...init, ...(sent && { body: sent }), signal });
  watch.answered();
  const { response } = answer;
  if (isTransientStatus(response.status)) throw await transient(answer);
  const bytes = await readAll(response, place(answer.url), watch, signal);
  if (response.ok) checkAnswer(call, bytes);
  const bodiless = [101, 204, 205, 304].includes(response.status);
  const copy = new Response(bodiless ? null : bytes, {
    status: response.status,
    statusText: response.statusText,
    headers: response.headers,
  });
  // @huggingface/hub names the address in its errors.
  Object.defineProperty(copy, "url", { value: place(answer.url) });
  return copy;
}

/**
 * Throws `Transient` for a success with anything else in it than the Hub's answer: half of a
 * document, or the login page of a network.
 */
function checkAnswer({ endpoint, address, init }: Call, body: Uint8Array): void {
  if (!address.startsWith(`${endpoint}/`)) return;
  const [path] = address.slice(endpoint.length).split("?");
  const fault = faultOf(`${init.method ?? "GET"} ${path}`, body);
  if (fault !== null)
    throw new Transient(`the answer is not the Hub's: ${fault}`, { hint: strangerHint });
}

async function readAll(
  response: Response,
  where: string,
  watch: Watch,
  signal: AbortSignal,
): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  try {
    for await (const chunk of response.body ?? []) {
      size += chunk.length;
      watch.count(chunk.length, "received");
      if (size > answerLimit) break;
      chunks.push(chunk);
    }
  } catch (failure) {
    signal.throwIfAborted();
    throw new Transient(`the answer was cut short after ${size} bytes (${describe(failure)})`);
  }
  if (size > answerLimit) {
    throw new OqeError(
      "NETWORK",
      `${where} answers with more than ${answerLimit} bytes`,
      "This is a fault of the Hub or of a proxy.",
    );
  }
  return Buffer.concat(chunks);
}

/** A transient status as an error. */
export async function transient(answer: Answer): Promise<Transient> {
  const { response } = answer;
  await response.body?.cancel().catch(() => {});
  const said = response.headers.get("x-error-message");
  return new Transient(`status ${response.status}${said ? ` (${printable(said)})` : ""}`, {
    wait: toldWait(response.status, response.headers),
  });
}
