import {
  type Answer,
  badCredentials,
  type Call,
  type Permission,
  type Right,
} from "./github-refusals.ts";

/** The GitHub App that is installed in `acme/series`. Its tokens are `token` and a number. */
export const app = {
  clientId: "Iv23liOfThisTestOnly",
  privateKey: "-----BEGIN KEY-----\nkeyOfThisTestOnly\n-----END KEY-----",
  token: "ghs_tokenOfTheApp",
  login: "acme-cards[bot]",
} as const;

const none: Record<Permission, Right> = {
  ...{ contents: "none", issues: "none", "pull-requests": "none" },
  ...{ actions: "none", checks: "none" },
};

/** Hands out tokens of the App. Each has the rights that were asked for, and no others. */
export class AppTokens {
  /** The rights of each token, as they were asked for: `{ pull_requests: "write" }`. */
  readonly asked: Record<string, Right>[] = [];

  /** The rights of a token that was handed out; null for any other. */
  rightsOf(token: string): Record<Permission, Right> | null {
    const asked = this.asked[Number(token.replace(app.token, "")) - 1];
    if (asked === undefined || !token.startsWith(app.token)) return null;
    const given = Object.entries(asked).map(([name, right]) => [name.replaceAll("_", "-"), right]);
    return { ...none, ...Object.fromEntries(given) };
  }

  /** The answer to a call that asks for a token; null if it is another call. */
  answer({ method, path, body }: Call): Answer | null {
    if (method !== "POST" || !/^\/app\/installations\/\d+\/access_tokens$/.test(path)) return null;
    if (body.client !== app.clientId || body.key !== app.privateKey) return badCredentials;
    this.asked.push(body.permissions as Record<string, Right>);
    return { status: 201, body: { token: `${app.token}${this.asked.length}` } };
  }
}
