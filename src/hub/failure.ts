import { HubApiError } from "@huggingface/hub";
import * as v from "valibot";
import { type ErrorCode, OqeError } from "../ground/errors.ts";
import { isSystemError, reasonOf } from "../ground/reasons.ts";
import { printable } from "./names.ts";
import { place } from "./origin.ts";
import type { Transport } from "./transport.ts";

const text = v.fallback(v.optional(v.string()), undefined);
const errorBody = v.pipe(
  v.string(),
  v.parseJson(),
  v.object({ error: text, error_description: text, message: text }),
);

/** The subject of a request, for messages. */
export interface Subject {
  /** `org/name`; null for the account. */
  readonly id: string | null;
  readonly revision?: string;
  readonly path?: string;
  /** The right that the token needs. */
  readonly right: "read" | "write";
}

/** An answer with an error status. */
interface Refusal {
  readonly status: number;
  /** `X-Error-Code`, e.g. RepoNotFound. */
  readonly code: string;
  /** The server's message, as one short line. */
  readonly said: string;
  /** Method and address, without query. */
  readonly request: string;
}

/**
 * A `fetch` that throws an OqeError for every error status of the Hub. Answers of other servers
 * (storage, xet) are returned as they are.
 */
export function strictFetch(transport: Transport, subject: Subject): typeof fetch {
  return async (input, init) => {
    const response = await transport.fetch(input, init);
    if (response.ok || !isAtHub(transport, String(input))) return response;
    throw await refused(
      transport,
      subject,
      response,
      `${init?.method ?? "GET"} ${place(String(input))}`,
    );
  };
}

/** Reads the body of an answer with an error status, and makes an OqeError of it. */
export async function refused(
  transport: Transport,
  subject: Subject,
  response: Response,
  request: string,
): Promise<OqeError> {
  const text = await response.text().catch(() => "");
  const said = response.headers.get("x-error-message") ?? wordsOf(text);
  return explain(transport, subject, {
    status: response.status,
    code: response.headers.get("x-error-code") ?? "",
    said: printable(said, 300),
    request,
  });
}

/**
 * Turns errors of @huggingface/hub and of the file system into ours; an OqeError stays. The
 * original is dropped, because it may contain text that a server echoed.
 */
export function adopt(transport: Transport, subject: Subject, failure: unknown): unknown {
  if (failure instanceof OqeError) return failure;
  if (failure instanceof HubApiError) {
    const said = printable(String(failure.data?.error ?? failure.data?.message ?? ""), 300);
    const refusal = {
      status: failure.statusCode,
      code: "",
      said,
      request: `a request to ${failure.url}`,
    };
    if (isAtHub(transport, failure.url)) return explain(transport, subject, refusal);
    // A storage link does not check rights: status 403 means that it has expired.
    return refusedAs(
      "NETWORK",
      `The storage refused a file of ${nameOf(subject)}`,
      refusal,
      "Run again: finished uploads are not sent twice.",
    );
  }
  if (isSystemError(failure) && failure.syscall !== "connect") {
    return new OqeError(
      "DISK",
      `A file to upload cannot be read: ${reasonOf(failure)}`,
      "Check the folder, then run again.",
    );
  }
  // @huggingface/hub does not check answers, and fails with a TypeError on unexpected ones.
  return new OqeError(
    "NETWORK",
    `The Hub's answer about ${nameOf(subject)} cannot be used: ${reasonOf(failure)}`,
    "Check the Hub endpoint, then run again.",
  );
}

function explain(transport: Transport, subject: Subject, refusal: Refusal): OqeError {
  const { status, code } = refusal;
  if (code === "GatedRepo") return gated(transport, subject, refusal);
  if (isWithdrawn(refusal)) return withdrawn(transport, subject, refusal);
  if (status === 401) return unauthorized(transport, subject, refusal);
  if (status === 403) return forbidden(transport, subject, refusal);
  if (status === 404) return notFound(transport, subject, refusal);
  if (status === 409 || status === 412) {
    return refusedAs(
      "CONFLICT",
      `Somebody else changed ${nameOf(subject)} during this run`,
      refusal,
      "Look at its history, then run again.",
    );
  }
  return refusedAs(
    "NETWORK",
    `The Hub refused a request about ${nameOf(subject)}`,
    refusal,
    "If this message does not say why, run again later.",
  );
}

/** The message: what failed, then status, request and the server's message. */
function refusedAs(code: ErrorCode, what: string, refusal: Refusal, hint: string): OqeError {
  const said = refusal.said === "" ? "" : `: ${refusal.said}`;
  return new OqeError(code, `${what} (${refusal.request} answers ${refusal.status}${said})`, hint);
}

function gated(transport: Transport, subject: Subject, refusal: Refusal): OqeError {
  const token =
    transport.access === "token"
      ? "with the account of the token"
      : "and pass a token of the account that accepted";
  return refusedAs(
    "GATED",
    `${nameOf(subject)} is gated: its terms must be accepted first`,
    refusal,
    `Accept the terms at ${transport.endpoint}/${subject.id} ${token}, then run again.`,
  );
}

/** Gone (410), forbidden by law (451), or disabled: the Hub says that in words only. */
function isWithdrawn({ status, said }: Refusal): boolean {
  return status === 410 || status === 451 || (status === 403 && /is disabled/i.test(said));
}

function withdrawn(transport: Transport, subject: Subject, refusal: Refusal): OqeError {
  const page = subject.id === null ? transport.endpoint : `${transport.endpoint}/${subject.id}`;
  return refusedAs(
    "NOT_FOUND",
    `The Hub has withdrawn ${nameOf(subject)}`,
    refusal,
    `No token helps. Its page may say why: ${page}. Use another one.`,
  );
}

function unauthorized(transport: Transport, subject: Subject, refusal: Refusal): OqeError {
  if (transport.access === "token") {
    return refusedAs(
      "UNAUTHORIZED",
      "The Hub does not accept the token",
      refusal,
      "It may be mistyped, expired or revoked. " +
        `Make a new one at ${transport.endpoint}/settings/tokens.`,
    );
  }
  return refusedAs(
    "UNAUTHORIZED",
    `The Hub needs a token to show ${nameOf(subject)}, and no token was given`,
    refusal,
    "Check the name: without a token, a missing repository looks like a private one. " +
      "A private repository needs a token (hub-token or HF_TOKEN).",
  );
}

function forbidden(transport: Transport, subject: Subject, refusal: Refusal): OqeError {
  if (transport.access === "keyless") {
    return refusedAs(
      "FORBIDDEN",
      `The token of this workflow may not ${subject.right} ${nameOf(subject)}`,
      refusal,
      `Look at ${transport.endpoint}/${subject.id}/settings: the trusted publisher must not be ` +
        "read-only. A keyless token is for one repository and makes none. Or pass hub-token.",
    );
  }
  const namespace = subject.id?.split("/")[0];
  const tokens = `${transport.endpoint}/settings/tokens`;
  const hint =
    subject.right === "write"
      ? `Use a token with write access to ${namespace} (role "write", or fine-grained ` +
        `with write access to its repositories): ${tokens}. ` +
        `Its account must be ${namespace} or a member with that right.`
      : `Use a token that may read ${subject.id}: a fine-grained one must name it ` +
        `or "public gated repositories" (${tokens}).`;
  return refusedAs(
    "FORBIDDEN",
    `The token may not ${subject.right} ${nameOf(subject)}`,
    refusal,
    hint,
  );
}

function notFound(transport: Transport, subject: Subject, refusal: Refusal): OqeError {
  const { id, revision, path } = subject;
  if (refusal.code === "EntryNotFound") {
    return refusedAs(
      "NOT_FOUND",
      `${id} has no file ${path ?? ""} at ${revision}`,
      refusal,
      "Check that the repository is complete.",
    );
  }
  if (refusal.code === "RevisionNotFound") {
    return refusedAs(
      "NOT_FOUND",
      `${id} has no revision ${revision}`,
      refusal,
      `See its branches and tags at ${transport.endpoint}/${id}/tree/main.`,
    );
  }
  const stranger =
    transport.access === "token" ? "that this token can see" : "that can be seen without a token";
  return refusedAs(
    "NOT_FOUND",
    `There is no ${nameOf(subject)} ${stranger} at ${transport.endpoint}`,
    refusal,
    "Check the name, the Hub endpoint and, for a private repository, the token. If it was there " +
      "before, its owner may have removed, renamed or hidden it.",
  );
}

function nameOf(subject: Subject): string {
  const { id, revision, path } = subject;
  if (id === null) return "the account of the token";
  return [id, revision && `@${revision}`, path && `/${path}`].filter(Boolean).join("");
}

/**
 * The message in an error body: `error` or `message` of JSON, or short plain text. HTML is ignored.
 */
export function wordsOf(body: string): string {
  const { success, output } = v.safeParse(errorBody, body);
  const { error, error_description: more, message } = success ? output : {};
  if (success) return [error ?? message ?? "", more].filter(Boolean).join(", ");
  return body.includes("<") ? "" : body;
}

function isAtHub(transport: Transport, address: string): boolean {
  return URL.canParse(address) && new URL(address).origin === new URL(transport.endpoint).origin;
}
