/** Without a token, with the one of an account, or with tokens by exchange. */
export type Access = "none" | "token" | "keyless";

/** Where the tokens of requests to the Hub come from. */
export interface TokenSource {
  readonly access: Access;
  /** The token for a request about a repository (null: about none); null: send no token. */
  tokenFor(repository: string | null): Promise<string | null>;
  /** Says that this run publishes to a repository. */
  claim(repository: string): void;
  /** All secrets so far, to be kept out of texts. */
  secrets(): Iterable<string>;
}

/** One token for all requests; null: none. */
export function oneToken(token: string | null): TokenSource {
  return {
    access: token === null ? "none" : "token",
    tokenFor: async () => token,
    claim: () => {},
    secrets: () => (token === null ? [] : [token]),
  };
}

/**
 * The model that an address of the Hub is about, `<namespace>/<name>`; null: none, or a dataset.
 * `path` is without the endpoint's own path.
 */
export function repositoryOf(path: string): string | null {
  const [, ...parts] = path.split("/").map(decoded);
  const [root, kind, ...more] = parts;
  const [namespace, name] =
    root !== "api"
      ? parts
      : kind === "models"
        ? more
        : kind === "resolve-cache"
          ? more.slice(1)
          : [];
  if (!namespace || !name || namespace === "datasets" || namespace === "oauth") return null;
  return `${namespace}/${name.replace(/\.git$/, "")}`;
}

function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}
