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

/** Largest answer that is read into memory. JSON pages and xet's shards are far smaller. */
const answerLimit = 128 << 20;

/**
 * Slower transfers are given up: bytes per millisecond, after the first five minutes (undici's
 * default).
 */
const slowest = { grace: 300_000, bytesPerMillisecond: 32 };

/** Sends every request: a sender with the token, and retries. */
export interface Transport extends Sender {
  readonly endpoint: string;
  /** Whether there is a token. */
  readonly authenticated: boolean;
  readonly patience: Patience;
  /**
   * A `fetch` for answers in memory. It follows redirects and retries requests whose body can be
   * sent again. Returns any status that is not transient. Throws NETWORK after the last attempt.
   */
  readonly fetch: typeof globalThis.fetch;
}

/** The token's placeholder for @huggingface/hub, to write into `Authorization`. */
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

/**
 * One attempt. Returns the answer with its body in memory; throws `Transient` if another attempt
 * may help.
 */
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

/** A signal that fires with the caller's, or when a transfer of `bytes` takes too long. */
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
