import { type ErrorCode, OqeError } from "../ground/errors.ts";
import { reasonOf } from "../ground/reasons.ts";
import { withoutSecrets } from "../ground/secrets.ts";
import { printable } from "../hub/names.ts";

/** What a call is for: the words of its errors. */
export interface Verb {
  /** Follows "cannot": `comment on pull request 3`. */
  readonly what: string;
  /** The line of `permissions:` that allows it; null if none is needed. */
  readonly permission: `${string}: ${"read" | "write"}` | null;
  /** Page where a person can do it, if GitHub keeps Actions from it. */
  readonly byHand?: string;
}

/** The parts of an Octokit error that are read. Its text is GitHub's. */
interface Refused {
  readonly status: number;
  readonly message: string;
  readonly response?: {
    readonly headers?: Readonly<Record<string, string | number | undefined>>;
    readonly data?: unknown;
  };
  readonly request?: { readonly method?: string };
  readonly cause?: unknown;
}

function isRefused(error: unknown): error is Refused {
  return error instanceof Error && typeof (error as { status?: unknown }).status === "number";
}

/**
 * Whether the state on GitHub may differ from what was read before the failed call. A failed read
 * has been repeated already.
 */
export function isWorthAnother(error: unknown): boolean {
  if (!isRefused(error)) return false;
  return isMoved(error) || (error.status >= 500 && error.request?.method !== "GET");
}

/** Someone else was faster: a ref moved, or what was to be made is there. */
function isMoved({ status, message }: Refused): boolean {
  if (status === 409) return true;
  const moved = /fast.?forward|already exists|already_exists|Reference does not exist/i;
  return status === 422 && moved.test(message);
}

export interface Place {
  /** `owner/name`. */
  readonly repository: string;
  /** Removed from what GitHub says. */
  readonly token: string;
}

/** An error of Octokit as an OqeError: what failed, what GitHub said, what to do. */
export function explain(error: unknown, verb: Verb, { repository, token }: Place): OqeError {
  const cannot = `cannot ${verb.what} in ${repository}`;
  if (!isRefused(error)) return new OqeError("INTERNAL", cannot, undefined, withoutToken(error));
  const said = printable(withoutSecrets(error.message.split(" - http")[0]!, [token]));
  const { code, reason, hint } = reasonFor(error, verb, said);
  const answer = error.response === undefined ? "" : ` (GitHub: ${error.status} "${said}")`;
  const page = isBarred(error, said) && verb.byHand !== undefined ? byHand(verb.byHand) : "";
  return new OqeError(code, `${cannot}: ${reason}${answer}${page}`, hint);
}

/** The switch that lets Actions open pull requests is off. */
function isBarred({ status }: Refused, said: string): boolean {
  return status === 403 && /not permitted to create or approve pull requests/i.test(said);
}

const byHand = (page: string) => `. Its branch is ready, so a person can open it: ${page}`;

/** An error without the request, whose headers hold the token. */
function withoutToken(error: unknown): Error {
  return new Error(reasonOf(error));
}

interface Reason {
  readonly code: ErrorCode;
  readonly reason: string;
  readonly hint: string;
}

function reasonFor(error: Refused, verb: Verb, said: string): Reason {
  const { status } = error;
  if (isRateLimit(error, said)) return rateLimit(error);
  if (status === 401) return unknownToken;
  if (isBarred(error, said)) return barred;
  if (status === 403) return forbidden(verb, said);
  if (status === 404) return notFound(verb);
  if (status === 410) return disabled;
  if (isMoved(error)) return moved;
  if (status >= 500) return unavailable(error);
  return {
    code: "BAD_INPUT",
    reason: "GitHub does not accept it",
    hint: "GitHub's answer names what it does not accept.",
  };
}

function isRateLimit({ status, response }: Refused, said: string): boolean {
  if (status !== 403 && status !== 429) return false;
  return (
    status === 429 ||
    /rate limit|abuse/i.test(said) ||
    String(response?.headers?.["x-ratelimit-remaining"]) === "0"
  );
}

function rateLimit({ response }: Refused): Reason {
  const reset = Number(response?.headers?.["x-ratelimit-reset"]);
  const lifted = Number.isFinite(reset)
    ? ` It ends at ${new Date(1000 * reset).toISOString().slice(0, 16).replace("T", " ")} UTC.`
    : "";
  return {
    code: "NETWORK",
    reason: "GitHub's rate limit is reached, and it ends later than a run waits (15 minutes)",
    hint:
      `Run again later.${lifted} The job's own token has 1,000 requests an hour, ` +
      "which all jobs of the repository share.",
  };
}

const unknownToken: Reason = {
  code: "UNAUTHORIZED",
  reason: "GitHub does not know the token",
  hint:
    "Correct github-token: leave it out for the job's own token, or give a personal access token " +
    "that has not expired. For a GitHub App give series.yml app-client-id and app-private-key.",
};

const barred: Reason = {
  code: "FORBIDDEN",
  reason: "this repository does not let Actions open pull requests",
  hint:
    "In the repository's Settings > Actions > General > Workflow permissions, switch on " +
    '"Allow GitHub Actions to create and approve pull requests"; an organization may have to ' +
    "allow it in its own settings first. Or give series.yml the secrets app-client-id and " +
    "app-private-key of a GitHub App, or github-token of a person.",
};

function forbidden({ permission }: Verb, said: string): Reason {
  const isRight = /not accessible by|must have|permission|denied/i.test(said);
  return {
    code: "FORBIDDEN",
    reason: isRight ? "the token lacks the right" : "GitHub forbids it",
    hint:
      permission === null
        ? "GitHub's answer says why. A token may need to be allowed by the organization."
        : `Add "${permission}" to \`permissions:\` of the job, and of the job that calls the ` +
          "workflow. An App's or a personal access token needs the same right. A pull request " +
          "from a fork runs with a token that can only read.",
  };
}

const notFound = ({ permission }: Verb): Reason => ({
  code: "NOT_FOUND",
  reason: "it does not exist, or GitHub hides it from this token",
  hint:
    "Check that the repository, branch or number still exists." +
    (permission === null
      ? ""
      : ` In a private repository the job also needs "${permission}" in \`permissions:\`.`),
});

const disabled: Reason = {
  code: "FORBIDDEN",
  reason: "the repository has this feature switched off",
  hint: "Switch it on in the repository's Settings > General > Features.",
};

const moved: Reason = {
  code: "CONFLICT",
  reason: "someone else changes the same thing at the same time",
  hint: "Nothing was overwritten. Run again when the other run or person is done.",
};

function unavailable({ response, cause, message }: Refused): Reason {
  return {
    code: "NETWORK",
    reason:
      response === undefined
        ? `no answer from GitHub: ${reasonOf(innermost(cause ?? new Error(message)))}`
        : "GitHub's servers fail",
    hint: "Look at https://www.githubstatus.com and run again. What is finished is kept.",
  };
}

/** What made a request fail is below the errors of the libraries in between. */
function innermost(cause: unknown): unknown {
  return cause instanceof Error && cause.cause instanceof Error ? innermost(cause.cause) : cause;
}
