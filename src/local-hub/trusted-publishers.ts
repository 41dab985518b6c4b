import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import type { IncomingMessage } from "node:http";
import * as v from "valibot";
import { line, object, oneOf } from "../ground/schema.ts";
import type { LocalHubUser, UserTable } from "./auth.ts";
import { Refusal, refuse } from "./errors.ts";
import { decodeUtf8, json, jsonLimit, parseBody, type Reply, readBody } from "./exchange.ts";

/** A GitHub workflow that may publish to a repository without a token. All claims must match. */
export interface TrustedPublisher {
  /** `<owner>/<repository>` on GitHub. */
  readonly repository: string;
  readonly branch?: string;
  /** Name of the workflow's file, such as `publish.yml`. */
  readonly workflow?: string;
}

/** The workflow run that an identity token is for. */
export interface WorkflowRun {
  /** `<owner>/<repository>` on GitHub. */
  readonly repository: string;
  /** `refs/heads/main`, `refs/tags/v1`. */
  readonly ref: string;
  /** Name of the workflow's file. */
  readonly workflow: string;
}

/** The only audience that the Hub accepts. */
const audience = "https://huggingface.co";
/** Lifetime of an identity token, in seconds. GitHub's live about as long. */
const identityLifetime = 300;
/** Path of the stand-in for GitHub's identity endpoint. */
export const identityPath = "/_identity";

const runQuery = object({ repository: line, ref: line, workflow: line });
const identityClaims = object({
  aud: line,
  exp: v.number("seconds since 1970"),
  repository: line,
  ref: line,
  workflow_ref: line,
});
const exchangeRequest = object({
  grant_type: oneOf(["urn:ietf:params:oauth:grant-type:token-exchange"]),
  subject_token_type: oneOf(["urn:ietf:params:oauth:token-type:id_token"]),
  subject_token: v.string("an identity token"),
  resource: line,
});

interface Options {
  /** Repository of this Hub -> its trusted publishers. May be changed while the Hub runs. */
  readonly publishers: Readonly<Record<string, readonly TrustedPublisher[]>>;
  /** Of the Hub's tokens, in seconds. */
  readonly lifetime: number;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

/**
 * Publishing without a token: a stand-in for the endpoint where a job of GitHub Actions gets its
 * identity token (a JWT), and the Hub's exchange of it for a token of one repository.
 */
export class TrustedPublishers {
  readonly #options: Options;
  readonly #key = randomBytes(32);
  readonly #requestToken = randomBytes(16).toString("hex");
  readonly #issued = new Map<string, { readonly repository: string; readonly until: number }>();

  constructor(options: Options) {
    this.#options = options;
  }

  /** The variables that GitHub sets in a job with `id-token: write`. */
  environment(origin: string, run: WorkflowRun): Record<string, string> {
    const query = new URLSearchParams({ ...run });
    return {
      ACTIONS_ID_TOKEN_REQUEST_URL: `${origin}${identityPath}?${query}`,
      ACTIONS_ID_TOKEN_REQUEST_TOKEN: this.#requestToken,
    };
  }

  /** `GET <ACTIONS_ID_TOKEN_REQUEST_URL>&audience=…`: `{value: <JWT>}` */
  identity(request: IncomingMessage): Reply {
    if (request.headers.authorization !== `Bearer ${this.#requestToken}`)
      throw refuse.unauthorized();
    const query = new URL(request.url!, "http://localhost").searchParams;
    const run = v.parse(runQuery, Object.fromEntries(query));
    const now = Math.floor(this.#options.now() / 1000);
    const claims = {
      iss: "https://token.actions.githubusercontent.com",
      aud: query.get("audience") ?? "",
      sub: `repo:${run.repository}:ref:${run.ref}`,
      repository: run.repository,
      ref: run.ref,
      workflow_ref: `${run.repository}/.github/workflows/${run.workflow}@${run.ref}`,
      iat: now,
      exp: now + identityLifetime,
    };
    const content = [{ alg: "HS256", typ: "JWT" }, claims].map(encode).join(".");
    return json({ value: `${content}.${this.#sign(content)}` });
  }

  /**
   * `POST /oauth/token` `{grant_type, subject_token_type, subject_token, resource}`. `isThere` says
   * whether a repository exists.
   */
  async exchange(request: IncomingMessage, isThere: (id: string) => boolean): Promise<Reply> {
    const body = decodeUtf8(await readBody(request, jsonLimit));
    const { subject_token: identity, resource: repository } = this.#read(body);
    const claims = this.#verify(identity);
    const trusted = Object.hasOwn(this.#options.publishers, repository)
      ? this.#options.publishers[repository]!
      : [];
    // The Hub does not say whether the repository is missing or trusts nobody.
    if (!isThere(repository) || !trusted.some((publisher) => matches(publisher, claims)))
      throw refusal("invalid_grant", "No trusted publisher matches the claims of the token");
    const token = `hf_jwt_${randomBytes(24).toString("base64url")}`;
    const { now, lifetime } = this.#options;
    this.#issued.set(token, { repository, until: now() + lifetime * 1000 });
    return json({ access_token: token, token_type: "bearer", expires_in: lifetime });
  }

  /** The same users, and one for each token that was exchanged and lives. */
  users(others: UserTable): UserTable {
    return (token) => (token.startsWith("hf_jwt_") ? this.#userOf(token) : others(token));
  }

  #userOf(token: string): LocalHubUser | null {
    const issued = this.#issued.get(token);
    if (issued === undefined || issued.until <= this.#options.now()) return null;
    const { repository } = issued;
    const scopes = { [repository]: ["repo.write"] };
    return { name: "[OIDC]", role: "write", writes: [repository], scopes };
  }

  #read(body: string): v.InferOutput<typeof exchangeRequest> {
    try {
      return parseBody(body, exchangeRequest);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      throw refusal("invalid_request", error.message);
    }
  }

  /** The claims of an identity token that is ours, lives and is for the Hub. */
  #verify(token: string): v.InferOutput<typeof identityClaims> {
    const [head = "", body = "", signature = ""] = token.split(".");
    const [given, own] = [signature, this.#sign(`${head}.${body}`)].map((one) => Buffer.from(one));
    if (given!.length !== own!.length || !timingSafeEqual(given!, own!))
      throw refusal("invalid_grant", "The token is not signed by a known issuer");
    const claims = v.parse(identityClaims, JSON.parse(Buffer.from(body, "base64url").toString()));
    if (claims.exp * 1000 <= this.#options.now())
      throw refusal("invalid_grant", "The token has expired");
    if (claims.aud !== audience)
      throw refusal("invalid_grant", `The audience of the token is not ${audience}`);
    return claims;
  }

  #sign(content: string): string {
    return createHmac("sha256", this.#key).update(content).digest("base64url");
  }
}

function matches(
  { repository, branch, workflow }: TrustedPublisher,
  claims: v.InferOutput<typeof identityClaims>,
): boolean {
  const file = claims.workflow_ref.split("@")[0]!.split("/").at(-1);
  return (
    claims.repository === repository &&
    (branch === undefined || claims.ref === `refs/heads/${branch}`) &&
    (workflow === undefined || file === workflow)
  );
}

const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");

/** An error of RFC 6749 §5.2. */
function refusal(error: "invalid_request" | "invalid_grant", words: string): Refusal {
  const fields = { error, error_description: words };
  return new Refusal(400, words, null, { fields });
}
