/**
 * Refusals of the Hub. Clients distinguish them by status, `X-Error-Code` and `X-Error-Message`
 * (Python: `hf_raise_for_status`; JavaScript: `createApiError`), so all three are part of the
 * protocol.
 */
export class Refusal extends Error {
  readonly status: number;
  readonly code: string | null;
  readonly headers: Readonly<Record<string, string>>;
  /** Fields beside `error` in the JSON body. */
  readonly fields: Readonly<Record<string, unknown>>;

  constructor(
    status: number,
    message: string,
    code: string | null = null,
    extra: { headers?: Record<string, string>; fields?: Record<string, unknown> } = {},
  ) {
    super(message);
    this.name = "Refusal";
    this.status = status;
    this.code = code;
    this.headers = extra.headers ?? {};
    this.fields = extra.fields ?? {};
  }
}

export const refuse = {
  badRequest: (message: string) => new Refusal(400, message),
  /**
   * A token is needed, and none was sent. The words are the Hub's, although there is no password.
   */
  unauthorized: () => new Refusal(401, "Invalid username or password."),
  /** An unknown token. By these words Python distinguishes it from a missing repository. */
  unknownToken: () => new Refusal(401, "Invalid credentials in Authorization header"),
  forbidden: (message: string) => new Refusal(403, message),
  /**
   * A missing repository, or a private one of somebody else. Without a token the Hub does not say
   * which.
   */
  noRepository: (hasToken: boolean) =>
    hasToken
      ? new Refusal(404, "Repository not found", "RepoNotFound")
      : new Refusal(401, "Invalid username or password.", "RepoNotFound"),
  noRevision: (revision: string) =>
    new Refusal(404, `Invalid rev id: ${revision}`, "RevisionNotFound"),
  noEntry: (path: string, commit?: string) =>
    new Refusal(
      404,
      `Entry not found: ${path}`,
      "EntryNotFound",
      commit ? { headers: { "X-Repo-Commit": commit } } : {},
    ),
  noCollection: (slug: string) => new Refusal(404, `Collection not found: ${slug}`),
  noRoute: () => new Refusal(404, "Sorry, we can't find the page you are looking for."),
  gated: (kind: string, id: string, hasToken: boolean) =>
    hasToken
      ? new Refusal(
          403,
          `Access to ${kind} ${id} is restricted and you are not in the authorized list. ` +
            "Ask for access on its page.",
          "GatedRepo",
        )
      : new Refusal(
          401,
          `Access to ${kind} ${id} is restricted. ` +
            "You must have access to it and be authenticated to access it. Please log in.",
          "GatedRepo",
        ),
  conflict: (message: string, fields: Record<string, unknown> = {}) =>
    new Refusal(409, message, null, { fields }),
  parentMoved: () => new Refusal(412, "A commit has happened since. Please refresh and try again."),
  tooLarge: (limit: number) => new Refusal(413, `The request body is larger than ${limit} bytes`),
} as const;
