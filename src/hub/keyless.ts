import { OqeError } from "../ground/errors.ts";
import { reasonOf } from "../ground/reasons.ts";
import { answers, readAnswer } from "./answers.ts";
import { wordsOf } from "./failure.ts";
import { printable } from "./names.ts";
import { checkToken, defaultEndpoint } from "./origin.ts";
import type { TokenSource } from "./token-source.ts";
import type { Transport } from "./transport.ts";

/** Whom an identity token is for: Trusted Publishers of the Hub take no other. */
const audience = defaultEndpoint;

/** A token with less time left is exchanged again, so that none expires during a request, in ms. */
const leastLeft = 10 * 60_000;

/**
 * The identity of a workflow run at its CI. The Hub exchanges it for tokens of one repository each
 * (Trusted Publishers), so that no token has to be stored.
 */
export interface Keyless {
  /** Asks the CI for an identity token (a JWT). */
  readonly identityToken: (audience: string) => Promise<string>;
  /** Gets each token, to be kept out of logs. */
  readonly mask: (secret: string) => void;
  /** `<owner>/<repository>` on GitHub. */
  readonly repository: string;
  /** Name of the workflow's file, of the caller for a reusable one; null: not known. */
  readonly workflow: string | null;
  /** `refs/heads/main`, `refs/tags/v1`. */
  readonly ref: string;
}

/**
 * Tokens for the repositories that the run claims; all others are read without a token. `open` is a
 * connection without a token. A token is kept until little of its time is left.
 */
export function keylessTokens(keyless: Keyless, open: Transport): TokenSource {
  const ours = new Set<string>();
  const secrets = new Set<string>();
  const known = new Map<string, Promise<{ token: string; until: number }>>();
  const keep = (secret: string) => {
    secrets.add(secret);
    keyless.mask(secret);
    return secret;
  };
  const exchange = async (repository: string) => {
    const began = open.patience.now();
    const { token, seconds } = await exchangeToken(keyless, open, { repository, keep });
    const lifetime = seconds * 1000;
    open.patience.report.info(`${repository}: the Hub trusts this workflow, for ${seconds} s`);
    return { token, until: began + lifetime - Math.min(leastLeft, lifetime / 2) };
  };
  const tokenFor = async (repository: string | null): Promise<string | null> => {
    if (repository === null || !ours.has(repository)) return null;
    const held = known.get(repository);
    if (held !== undefined && (await held).until > open.patience.now()) return (await held).token;
    // Requests that come meanwhile wait for the same exchange.
    if (known.get(repository) === held) {
      const next = exchange(repository);
      known.set(repository, next);
      next.catch(() => known.delete(repository));
    }
    return (await known.get(repository)!).token;
  };
  return {
    access: "keyless",
    tokenFor,
    claim: (repository) => void ours.add(repository),
    secrets: () => secrets,
  };
}

interface Exchange {
  readonly repository: string;
  /** Keeps a secret out of texts. */
  readonly keep: (secret: string) => string;
}

/** One exchange (RFC 8693). Throws UNAUTHORIZED if the Hub does not trust this workflow. */
async function exchangeToken(keyless: Keyless, open: Transport, { repository, keep }: Exchange) {
  const identity = keep(await identityOf(keyless));
  const response = await open.fetch(`${open.endpoint}/oauth/token`, {
    method: "POST",
    headers: { "Content-Type": "application/json", accept: "application/json" },
    body: JSON.stringify({
      grant_type: "urn:ietf:params:oauth:grant-type:token-exchange",
      subject_token_type: "urn:ietf:params:oauth:token-type:id_token",
      subject_token: identity,
      resource: repository,
    }),
  });
  if (!response.ok) throw await untrusted(keyless, response, { open, repository });
  const answer = await readAnswer(answers.exchange, response, `a token for ${repository}`);
  keep(answer.access_token);
  return { token: checkToken(answer.access_token)!, seconds: answer.expires_in };
}

async function identityOf({ identityToken }: Keyless): Promise<string> {
  try {
    return await identityToken(audience);
  } catch (cause) {
    throw new OqeError(
      "UNAUTHORIZED",
      `GitHub gives this job no identity token: ${printable(reasonOf(cause))}`,
      "The job, and the workflow that calls it, need the line `id-token: write` below " +
        "`permissions:`. Or pass hub-token.",
      cause,
    );
  }
}

async function untrusted(
  keyless: Keyless,
  response: Response,
  { open, repository }: { readonly open: Transport; readonly repository: string },
): Promise<OqeError> {
  const said = printable(wordsOf(await response.text().catch(() => "")), 200);
  const answers = `POST ${open.endpoint}/oauth/token answers ${response.status}`;
  const reason = `${answers}${said === "" ? "" : `: ${said}`}`;
  if (response.status === 404) {
    return new OqeError(
      "UNAUTHORIZED",
      `This Hub gives no tokens to workflows (${reason})`,
      "Pass hub-token or HF_TOKEN.",
    );
  }
  return new OqeError(
    "UNAUTHORIZED",
    `The Hub gives this workflow no token for ${repository} (${reason})`,
    `1. The repository must exist; keyless runs cannot make it: ${open.endpoint}/new. ` +
      `2. At ${open.endpoint}/${repository}/settings, "Trusted Publishers", add GitHub Actions ` +
      `with ${claimsOf(keyless)}. Or pass hub-token once: that makes the repository.`,
  );
}

/** What the settings of a repository must say, to trust this run. */
function claimsOf({ repository, workflow, ref }: Keyless): string {
  const branch = /^refs\/heads\/(.+)$/.exec(ref)?.[1];
  const file = workflow === null ? "" : `, workflow ${workflow}`;
  // A run of a tag has no branch.
  const where = branch === undefined ? "no branch" : `branch ${branch}, or no branch`;
  return printable(`repository ${repository}${file} and ${where}`, 300);
}
