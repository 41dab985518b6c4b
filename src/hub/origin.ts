import { OqeError } from "../ground/errors.ts";
import { codeOf, knownReason } from "../ground/reasons.ts";
import { printable } from "./names.ts";
import { repositoryOf, type TokenSource } from "./token-source.ts";
import { unreachable } from "./unreachable.ts";

export const defaultEndpoint = "https://huggingface.co";

/** Browsers allow 20. The Hub's longest chain (renamed repository, cached file, storage) has 3. */
const redirectLimit = 10;

/**
 * Placeholder for the token outside this file. Callers and @huggingface/hub write it into
 * `Authorization`. Only requests to the Hub's own origin get the real token instead. So no other
 * code can leak the token.
 */
export const tokenPlaceholder = "hf_held-by-the-client";

/** The Hub's address without a trailing slash. Throws BAD_INPUT for an illegal one. */
export function checkEndpoint(endpoint: string): string {
  const url = URL.canParse(endpoint) ? new URL(endpoint) : null;
  const loopback = url !== null && isLoopback(url);
  if (url === null || !(url.protocol === "https:" || (url.protocol === "http:" && loopback))) {
    throw badEndpoint(
      url,
      "it is not an https:// address (http:// is for 127.0.0.1 and localhost only)",
    );
  }
  if (url.username || url.password || url.search || url.hash) {
    throw badEndpoint(url, "it has a user, a password, a query or a fragment");
  }
  return url.origin + url.pathname.replace(/\/+$/, "");
}

function badEndpoint(url: URL | null, reason: string): OqeError {
  return new OqeError(
    "BAD_INPUT",
    `The Hub endpoint${url ? ` ${url.protocol}//${url.host}` : ""} cannot be used: ${reason}`,
    `Leave it out for ${defaultEndpoint}, ` +
      "or give the address of another Hub such as http://127.0.0.1:8080.",
  );
}

function isLoopback(url: URL): boolean {
  return url.hostname === "127.0.0.1" || url.hostname === "localhost" || url.hostname === "[::1]";
}

/** The token, trimmed; null for none. Throws BAD_INPUT for an illegal one, without showing it. */
export function checkToken(token: string | null): string | null {
  const trimmed = token?.trim() ?? "";
  if (trimmed === "") return null;
  if (/^hf_[A-Za-z0-9_.~+/=-]+$/.test(trimmed)) return trimmed;
  throw new OqeError(
    "BAD_INPUT",
    trimmed.startsWith("hf_")
      ? "The Hub token has a character that no token has"
      : 'The Hub token does not start with "hf_"',
    `Make a token at ${defaultEndpoint}/settings/tokens and pass it whole, as a secret.`,
  );
}

export interface Sender {
  /**
   * Sends one request and follows redirects itself. The body of the answer is unread. Throws
   * `Transient` if there is no answer. `onAnswer` gets every answer, those of redirects included.
   */
  send(
    url: string,
    init?: RequestInit,
    onAnswer?: (answer: Response, url: string) => void,
  ): Promise<Answer>;
}

/** An answer, and the address that gave it after redirects. */
export interface Answer {
  readonly response: Response;
  readonly url: string;
}

/** The only code that puts tokens into requests. */
export function createSender(
  endpoint: string,
  tokens: TokenSource,
  fetch: typeof globalThis.fetch,
): Sender {
  const home = new URL(endpoint);
  let hasAnswered = false;
  const send: Sender["send"] = async (address, init = {}, onAnswer) => {
    let url = checkTarget(new URL(address), home);
    for (let hops = 0; hops <= redirectLimit; hops++) {
      const isHome = url.origin === home.origin;
      const headers = new Headers(init.headers);
      if (isOurs(headers, tokens)) {
        headers.delete("authorization");
        const path = url.pathname.slice(home.pathname.replace(/\/$/, "").length);
        const token = isHome ? await tokens.tokenFor(repositoryOf(path)) : null;
        if (token !== null) headers.set("authorization", `Bearer ${token}`);
      }
      const request = { ...init, headers };
      const response = await once(fetch, url, request).catch((failure: unknown) => {
        throw noAnswer(failure, init.signal, url, hasAnswered);
      });
      hasAnswered = true;
      onAnswer?.(response, url.href);
      const location = response.headers.get("location");
      if (location === null || ![301, 302, 303, 307, 308].includes(response.status))
        return { response, url: url.href };
      await response.body?.cancel();
      checkRedirect(init, url, response.status);
      url = checkTarget(redirectTarget(url, location), home);
    }
    throw new OqeError(
      "NETWORK",
      `${place(address)} redirects more than ${redirectLimit} times`,
      "This is a fault of the Hub or of a proxy.",
    );
  };
  return { send };
}

/**
 * Whether a request asks for our token. Another one is somebody else's, such as a xet token for the
 * content store, and stays as it is.
 */
function isOurs(headers: Headers, tokens: TokenSource): boolean {
  const bearer = headers.get("authorization")?.replace(/^bearer\s+/i, "");
  if (bearer === undefined) return false;
  return bearer === tokenPlaceholder || [...tokens.secrets()].some((one) => bearer.includes(one));
}

/** Refuses redirects that lose the request's body. */
function checkRedirect({ method, body }: RequestInit, from: URL, status: number): void {
  if (!method || method === "GET" || method === "HEAD") return;
  // By RFC 9110, 301 to 303 turn a POST into a GET, and its body is lost without an error.
  if (status >= 307 && isReplayable(body)) return;
  throw new OqeError(
    "NETWORK",
    `${place(from.href)} answers a ${method} with a redirect (${status})`,
    "Check the Hub endpoint.",
  );
}

function redirectTarget(from: URL, location: string): URL {
  if (URL.canParse(location, from.href)) return new URL(location, from);
  throw new OqeError(
    "NETWORK",
    `${place(from.href)} redirects to an address that cannot be read`,
    "This is a fault of the Hub or of a proxy.",
  );
}

/**
 * An https Hub must not redirect to plain http (or `data:`), and a local Hub only to itself or
 * https.
 */
function checkTarget(url: URL, home: URL): URL {
  if (
    url.protocol === "https:" ||
    (url.protocol === "http:" && home.protocol === "http:" && isLoopback(url))
  )
    return url;
  throw new OqeError(
    "NETWORK",
    `The Hub points to ${place(url.href)}; expected an https:// address`,
    "This is a fault of the Hub or of a proxy.",
  );
}

/** The error for a request without an answer. */
function noAnswer(
  failure: unknown,
  signal: AbortSignal | null | undefined,
  { origin: server }: URL,
  hasAnswered: boolean,
): unknown {
  if (signal?.aborted) return signal.reason;
  return unreachable(failure, { server, reason: describe(failure), hasAnswered });
}

async function once(
  fetch: typeof globalThis.fetch,
  url: URL,
  init: RequestInit,
): Promise<Response> {
  if (init.body instanceof Blob) return sendUncopied(fetch, url, init);
  return fetch(url, { ...init, redirect: "manual" });
}

/**
 * Sends a Blob without a second copy in memory. Node's fetch copies the body for possible
 * redirects, unless redirects are forbidden (Node 24, 600 MB body: 706 MB of memory against 100
 * MB). Storage links do not redirect.
 */
async function sendUncopied(
  fetch: typeof globalThis.fetch,
  url: URL,
  init: RequestInit,
): Promise<Response> {
  try {
    return await fetch(url, { ...init, window: null, redirect: "error" } as RequestInit);
  } catch (failure) {
    if (!/redirect/i.test(describe(failure))) throw failure;
    return fetch(url, { ...init, redirect: "manual" });
  }
}

/** Whether a body can be sent again. */
export function isReplayable(body: RequestInit["body"]): boolean {
  return (
    !(body instanceof ReadableStream) &&
    !(typeof body === "object" && body !== null && Symbol.asyncIterator in body)
  );
}

/** Why a fetch failed. undici puts the reason into `cause`. */
export function describe(failure: unknown): string {
  const reasons: string[] = [];
  for (let at: unknown = failure; at instanceof Error && reasons.length < 4; at = at.cause) {
    const inner = at instanceof AggregateError ? at.errors[0] : null;
    const known = knownReason(inner ?? at);
    if (known !== null) return `${known} (${codeOf(inner ?? at)})`;
    reasons.push(inner instanceof Error ? inner.message : at.message);
  }
  return printable(reasons.filter(Boolean).join(": ") || "no answer");
}

/** An address for messages: without its query, which may contain a signature. */
export function place(address: string): string {
  const url = new URL(address);
  return printable(url.origin + url.pathname, 300);
}
