import { OqeError } from "../ground/errors.ts";
import { printable } from "./names.ts";
import {
  type Answer,
  describe,
  isReplayable,
  place,
  type Sender,
  tokenPlaceholder,
} from "./origin.ts";
import { isTransientStatus, type Patience, retry, Transient, toldWait } from "./retry.ts";

/** No answer that is read whole (JSON pages, dedup shards of xet) comes near this; more is a fault, and memory is not ours to lose. */
const answerLimit = 128 << 20;

/** A connection that moves less than this is dead or hostile: bytes per millisecond, after a start of five minutes (undici's own). */
const slowest = { grace: 300_000, bytesPerMillisecond: 32 };

/** Everything that speaks HTTP goes through here: a sender that knows the token, and patience. */
export interface Transport extends Sender {
  readonly endpoint: string;
  /** Whether a token is held. */
  readonly authenticated: boolean;
  readonly patience: Patience;
  /**
   * A `fetch` for whole answers: redirects, retries (a replayable body only), body read to its end inside the retry. Any
   * status that is not transient comes back as it is. Throws NETWORK after the last attempt.
   */
  readonly fetch: typeof globalThis.fetch;
}

/** What @huggingface/hub is given to write into `Authorization`: never the token itself. */
export function credentials(transport: Transport): { accessToken?: string } {
  return transport.authenticated ? { accessToken: tokenPlaceholder } : {};
}

/** The same for our own requests. */
export function authorization(transport: Transport): Record<string, string> {
  return transport.authenticated ? { Authorization: `Bearer ${tokenPlaceholder}` } : {};
}

export function createTransport(
  endpoint: string,
  authenticated: boolean,
  sender: Sender,
  patience: Patience,
): Transport {
  const fetch: typeof globalThis.fetch = async (input, init = {}) => {
    if (input instanceof Request)
      throw new OqeError("INTERNAL", "The Hub's fetch takes an address, not a Request");
    const address = String(input);
    const what = `${init.method ?? "GET"} ${place(address)}`;
    const attempt = () => whole(sender, address, init);
    if (isReplayable(init.body)) return retry(patience, what, attempt, init.signal ?? undefined);
    return attempt().catch((failure: unknown) => {
      if (!(failure instanceof Transient)) throw failure;
      throw new OqeError(
        "NETWORK",
        `${what} failed and what it sent cannot be sent again: ${failure.message}`,
        "Run again.",
      );
    });
  };
  return { ...sender, endpoint, authenticated, patience, fetch };
}

/** One attempt: the answer with its body in memory, `Transient` where another attempt may help. */
async function whole(sender: Sender, address: string, init: RequestInit): Promise<Response> {
  const answer = await sender.send(address, {
    ...init,
    signal: withDeadline(init.signal, bodySize(init.body)),
  });
  const { response } = answer;
  if (isTransientStatus(response.status)) throw await transient(answer);
  const bytes = await readAll(response, place(answer.url), init.signal);
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

async function readAll(
  response: Response,
  where: string,
  signal?: AbortSignal | null,
): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  try {
    for await (const chunk of response.body ?? []) {
      size += chunk.length;
      if (size > answerLimit) break;
      chunks.push(chunk);
    }
  } catch (failure) {
    signal?.throwIfAborted();
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
  return new Transient(
    `status ${response.status}${said ? ` (${printable(said)})` : ""}`,
    toldWait(response.status, response.headers),
  );
}

/** The caller's signal, or the moment after which a transfer of `bytes` is given up. */
export function withDeadline(signal: AbortSignal | null | undefined, bytes: number): AbortSignal {
  const deadline = AbortSignal.timeout(
    slowest.grace + Math.ceil(bytes / slowest.bytesPerMillisecond),
  );
  return signal ? AbortSignal.any([signal, deadline]) : deadline;
}

function bodySize(body: RequestInit["body"]): number {
  if (body instanceof Blob) return body.size;
  if (typeof body === "string") return body.length;
  return body instanceof ArrayBuffer || ArrayBuffer.isView(body) ? body.byteLength : 0;
}
