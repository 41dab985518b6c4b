/** What GitHub refuses and the emulator accepts. Texts and headers as GitHub's API sends them. */

export type Permission = "contents" | "issues" | "pull-requests" | "actions" | "checks";
export type Right = "none" | "read" | "write";

export interface Answer {
  readonly status: number;
  readonly body: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface Call {
  readonly method: string;
  /** Path and query. */
  readonly path: string;
  readonly body: Record<string, unknown>;
}

export const isWrite = ({ method }: Pick<Call, "method">) => !["GET", "HEAD"].includes(method);

/**
 * The rights that a path below `/repos/<owner>/<name>` asks for; one of them is enough. Comments
 * and labels of a pull request have the paths of an issue.
 */
const table: readonly (readonly [path: RegExp, permissions: readonly Permission[]])[] = [
  [/^\/git\//, ["contents"]],
  [/^\/contents\//, ["contents"]],
  [/^\/compare\//, ["contents"]],
  [/^\/commits/, ["contents"]],
  [/^\/branches/, ["contents"]],
  [/^\/releases/, ["contents"]],
  [/^\/issues\/(comments\/)?\d+/, ["issues", "pull-requests"]],
  [/^\/issues/, ["issues"]],
  [/^\/labels/, ["issues", "pull-requests"]],
  [/^\/pulls/, ["pull-requests"]],
  [/^\/actions\//, ["actions"]],
  [/^\/check-/, ["checks"]],
];

/** A refusal by a job's `permissions:`, or null. A public repository can be read without one. */
export function refuseByRights(
  call: Call,
  rights: Readonly<Record<Permission, Right>>,
): Answer | null {
  const below = /^\/repos\/[^/]+\/[^/?]+(\/.*)?$/.exec(call.path)?.[1] ?? "";
  const asked = table.find(([path]) => path.test(below))?.[1] ?? [];
  if (!isWrite(call) || asked.length === 0) return null;
  if (asked.some((permission) => rights[permission] === "write")) return null;
  const accepted = asked.map((permission) => `${permission.replace("-", "_")}=write`).join("; ");
  return {
    ...inaccessible,
    headers: { "x-accepted-github-permissions": accepted },
  };
}

export const inaccessible: Answer = {
  status: 403,
  body: { message: "Resource not accessible by integration", status: "403" },
};

export const badCredentials: Answer = {
  status: 401,
  body: { message: "Bad credentials", status: "401" },
};

export const mayNotOpen: Answer = {
  status: 403,
  body: { message: "GitHub Actions is not permitted to create or approve pull requests." },
};

export const secondaryLimit = (seconds: number): Answer => ({
  status: 403,
  body: {
    message:
      "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.",
  },
  headers: { "retry-after": String(seconds) },
});

/** `reset`: seconds since 1970. */
export const primaryLimit = (reset: number, status: 403 | 429 = 403): Answer => ({
  status,
  body: { message: "API rate limit exceeded for installation." },
  headers: { "x-ratelimit-remaining": "0", "x-ratelimit-reset": String(reset) },
});

export const brokenServer = (status: number): Answer => ({
  status,
  body: { message: "Server Error" },
});

export const validation = (...errors: readonly object[]): Answer => ({
  status: 422,
  body: { message: "Validation Failed", errors, status: "422" },
});

const longestBody = 65_536;

/** A text that is too long for an issue, a comment or a pull request. */
export function refuseByLength({ path, body, method }: Call): Answer | null {
  if (!["POST", "PATCH"].includes(method) || !/\/(issues|pulls)(\/|$)/.test(path)) return null;
  const { body: text, title } = body;
  const tooLong = (field: string, maximum: number) =>
    validation({
      resource: "Issue",
      code: "custom",
      field,
      message: `${field} is too long (maximum is ${maximum} characters)`,
    });
  if (typeof text === "string" && text.length > longestBody) return tooLong("body", longestBody);
  if (typeof title === "string" && title.length > 256) return tooLong("title", 256);
  return null;
}
