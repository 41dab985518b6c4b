import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { createEmulator, type Emulator } from "emulate";
import { AppTokens, app } from "./github-app.ts";
import {
  type Answer,
  badCredentials,
  type Call,
  inaccessible,
  isWrite,
  mayNotOpen,
  type Permission,
  type Right,
  refuseByLength,
  refuseByRights,
  validation,
} from "./github-refusals.ts";
import { namedDraft, refusePublishing, withTags } from "./github-releases.ts";

/** The token of a job (`secrets.GITHUB_TOKEN`), and that of a person with all rights. */
export const tokens = { job: "ghs_tokenOfThisJobOnly", person: "ghp_tokenOfAPerson" } as const;

const logins = {
  ...{ [tokens.job]: "github-actions[bot]", [tokens.person]: "maintainer" },
  [app.token]: app.login,
} as const;

type Rights = Record<Permission, Right>;

interface Interception {
  readonly call: RegExp;
  /** Gives an answer in GitHub's place, or null to let the call pass. */
  readonly answer: (call: Call) => Answer | null | Promise<Answer | null>;
}

/**
 * GitHub's API on 127.0.0.1 with one public repository, `acme/series`, whose branch `main` has a
 * README. An emulator keeps the state; this server refuses what GitHub refuses and the emulator
 * does not. Start it, give its `url` as GITHUB_API_URL and `tokens.job` as GITHUB_TOKEN, close it.
 * Job and App are integrations: the rights of their tokens count, and they cannot ask who they are.
 */
export class GitHubServer {
  readonly repository = "acme/series";
  /** The rights of the job's token, as the job's `permissions:` give them. */
  permissions: Rights = {
    contents: "write",
    issues: "write",
    "pull-requests": "write",
    actions: "write",
    checks: "write",
  };
  /** The switch "Allow GitHub Actions to create and approve pull requests". */
  mayOpenPullRequests = true;
  /** The tokens of the App. */
  readonly apps = new AppTokens();
  /** Calls of job and App, as `POST /repos/acme/series/issues`. A test empties them first. */
  calls: string[] = [];
  /** The part of `calls` that changes something. Refused ones count too. */
  writes: string[] = [];
  /** Bodies of the writes, in their order. */
  bodies: Record<string, unknown>[] = [];
  #interceptions: Interception[] = [];
  readonly #server: Server;
  #emulator: Emulator | undefined;

  private constructor() {
    this.#server = createServer((request, response) => {
      this.#serve(request, response).catch((error) => {
        response.writeHead(500).end(JSON.stringify({ message: String(error) }));
      });
    });
  }

  static async start(): Promise<GitHubServer> {
    const server = new GitHubServer();
    await new Promise<void>((done) => server.#server.listen(0, "127.0.0.1", done));
    const people = Object.values(logins);
    server.#emulator = await createEmulator({
      service: "github",
      port: 0,
      seed: {
        tokens: Object.fromEntries(
          Object.entries(logins).map(([token, login]) => [token, { login, scopes: ["repo"] }]),
        ),
        github: {
          users: people.map((login) => ({ login, name: login, email: `${login}@example.com` })),
          orgs: [{ login: "acme", members: people.map((login) => ({ login, role: "admin" })) }],
          repos: [{ owner: "acme", name: "series", auto_init: true }],
        },
      },
    });
    return server;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((done) => this.#server.close(done));
    await this.#emulator?.close();
  }

  /** The next call of the job that matches `POST /path` gets this answer; `times` calls do. */
  refuse(call: RegExp, answer: Answer, times = 1): void {
    for (let k = 0; k < times; k++) this.#interceptions.push({ call, answer: () => answer });
  }

  /** Before the next call of the job that matches, something else happens. */
  before(call: RegExp, run: () => Promise<unknown>): void {
    this.#interceptions.push({ call, answer: () => run().then(() => null) });
  }

  /** The next call that matches is done, but its answer is lost: GitHub answers 502. */
  loseAnswer(call: RegExp): void {
    const answer = async ({ method, path, body }: Call): Promise<Answer> => {
      await this.#ask(method, path, JSON.stringify(body), tokens.job);
      return { status: 502, body: { message: "Server Error" } };
    };
    this.#interceptions.push({ call, answer });
  }

  /** What a person does by hand below `/repos/acme/series`. Throws unless GitHub accepts it. */
  async person<T = Record<string, unknown>>(
    method: string,
    path: string,
    body?: object,
  ): Promise<T> {
    const full = `/repos/${this.repository}${path}`;
    const text = body && JSON.stringify(body);
    const { status, body: answer } = await this.#ask(method, full, text, tokens.person);
    if (status >= 400) throw new Error(`${method} ${full}: ${status} ${JSON.stringify(answer)}`);
    return answer as T;
  }

  /** A person commits one file onto a branch. Gives the commit. */
  async personCommits(branch: string, path: string, text: string): Promise<string> {
    const at = `/contents/${path}`;
    const found = await this.person<{ sha?: string }>("GET", `${at}?ref=${branch}`).catch(
      () => ({}) as { sha?: string },
    );
    const { commit } = await this.person<{ commit: { sha: string } }>("PUT", at, {
      message: `Edit ${path}`,
      content: Buffer.from(text).toString("base64"),
      branch,
      ...(found.sha !== undefined && { sha: found.sha }),
    });
    return commit.sha;
  }

  /** A file of a branch, as text; null if there is none. */
  async file(branch: string, path: string): Promise<string | null> {
    const found = await this.person<{ content: string }>(
      "GET",
      `/contents/${path}?ref=${branch}`,
    ).catch(() => null);
    return found === null ? null : Buffer.from(found.content, "base64").toString("utf8");
  }

  /** The commit of a branch or tag, such as `heads/main`; null if there is none. */
  async ref(name: string): Promise<string | null> {
    return this.person<{ object: { sha: string } }>("GET", `/git/ref/${name}`).then(
      ({ object }) => object.sha,
      () => null,
    );
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const raw = Buffer.concat(chunks);
    const isJson = /json|^$/.test(request.headers["content-type"] ?? "");
    const text = raw.toString("utf8");
    const method = request.method ?? "GET";
    const path = request.url ?? "/";
    const body = isJson && text !== "" ? JSON.parse(text) : {};
    const sent = (request.headers.authorization ?? "").replace(/^(token|bearer) /i, "");
    const rights = this.apps.rightsOf(sent);
    const token = rights === null ? sent : app.token;
    const call = { method, path, body };
    const releases = async () => this.person<Parameters<typeof namedDraft>[1]>("GET", "/releases");
    const isRelease = isWrite(call) && /\/releases(\/\d+)?$/.test(path);
    const answer =
      this.apps.answer(call) ??
      (await this.#refuse(call, token, rights ?? this.permissions)) ??
      (isRelease ? refusePublishing(call, await releases()) : null) ??
      (await this.#ask(
        method,
        path,
        (isRelease && namedDraft(call, await releases())) || raw,
        ...[token, request.headers["content-type"]],
      ));
    const payload = answer.status === 204 ? "" : JSON.stringify(answer.body);
    response
      .writeHead(answer.status, { "content-type": "application/json", ...answer.headers })
      .end(payload);
  }

  async #refuse(call: Call, token: string, rights: Rights): Promise<Answer | null> {
    if (!(token in logins)) return badCredentials;
    if (token === tokens.person) return null;
    const line = `${call.method} ${call.path}`;
    this.calls.push(line);
    if (isWrite(call)) {
      this.writes.push(line);
      this.bodies.push(call.body);
    }
    const at = this.#interceptions.findIndex(({ call }) => call.test(line));
    if (at !== -1) {
      const [{ answer }] = this.#interceptions.splice(at, 1) as [Interception];
      const given = await answer(call);
      if (given !== null) return given;
    }
    if (call.path === "/user") return inaccessible;
    return (
      refuseByRights(call, rights) ??
      refuseByLength(call) ??
      (await this.#refuseByState(call, token === app.token || this.mayOpenPullRequests))
    );
  }

  /** Refusals that depend on what there is already. */
  async #refuseByState({ method, path, body }: Call, mayOpen: boolean): Promise<Answer | null> {
    const post = method === "POST" ? path : "";
    if (/\/pulls$/.test(post)) {
      if (!mayOpen) return mayNotOpen;
      return this.#refusePull(String(body.head), String(body.base));
    }
    const upload = /^(.*\/releases\/\d+)\/assets\?name=([^&]+)/.exec(post);
    if (upload !== null) {
      const [, release = "", name = ""] = upload;
      const { body: found } = await this.#ask("GET", release, undefined, tokens.person);
      const { assets } = found as { assets: { name: string }[] };
      if (assets.some((asset) => asset.name === decodeURIComponent(name)))
        return validation({ resource: "ReleaseAsset", code: "already_exists", field: "name" });
    }
    return null;
  }

  async #refusePull(head: string, base: string): Promise<Answer | null> {
    const open = await this.person<unknown[]>("GET", `/pulls?state=open&head=acme:${head}`);
    const custom = (message: string) =>
      validation({ resource: "PullRequest", code: "custom", message });
    if (open.length > 0) return custom(`A pull request already exists for acme:${head}.`);
    const found = await this.person<{ ahead_by: number }>(
      "GET",
      `/compare/${base}...${head}`,
    ).catch(() => null);
    if (found === null)
      return validation({ resource: "PullRequest", field: "head", code: "invalid" });
    return found.ahead_by === 0 ? custom(`No commits between ${base} and ${head}`) : null;
  }

  /** The emulator's answer, mended where GitHub's is different. */
  async #ask(
    method: string,
    path: string,
    ...[body, token, type]: [body: string | Uint8Array | undefined, token: string, type?: string]
  ): Promise<Answer> {
    if (this.#emulator === undefined) throw new Error("the emulator is not running");
    const answer = await fetch(this.#emulator.url + path, {
      method,
      headers: { authorization: `token ${token}`, "content-type": type ?? "application/json" },
      ...(body !== undefined && isWrite({ method }) && { body }),
    });
    const text = withTags((await answer.text()).replaceAll(this.#emulator.url, this.url));
    const isBot = (key: string, value: unknown) =>
      key !== "" && /\[bot\]"/.test(JSON.stringify((value as { login?: unknown })?.login) ?? "")
        ? { ...(value as object), type: "Bot" }
        : value;
    const parsed = text === "" ? null : JSON.parse(text, isBot);
    const link = answer.headers.get("link")?.replaceAll(this.#emulator.url, this.url);
    const found = { status: answer.status, body: parsed, headers: link ? { link } : {} };
    return method === "GET" ? this.#mend(path, found) : found;
  }

  async #mend(path: string, answer: Answer): Promise<Answer> {
    const pull = /\/pulls\/(\d+)\/files/.exec(path);
    if (pull !== null && answer.status === 200) return this.#pullFiles(pull[1]!);
    // A draft is only in the list of releases.
    const isDraft = (answer.body as { draft?: boolean } | null)?.draft === true;
    if (/\/releases\/tags\//.test(path) && isDraft)
      return { status: 404, body: { message: "Not Found" } };
    return answer;
  }

  async #pullFiles(number: string): Promise<Answer> {
    const pull = await this.person<{ base: { ref: string }; head: { sha: string } }>(
      "GET",
      `/pulls/${number}`,
    );
    const { files } = await this.person<{ files: unknown[] }>(
      "GET",
      `/compare/${pull.base.ref}...${pull.head.sha}`,
    );
    return { status: 200, body: files };
  }
}
