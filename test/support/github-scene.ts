import { afterAll, beforeAll, beforeEach } from "vitest";
import { type GitHub, type GitHubOptions, openGitHub } from "../../src/github/client.ts";
import { silentReport } from "../../src/ground/report.ts";
import { GitHubServer, tokens } from "./github-server.ts";

/** What the tests of one file share: a server, and the job's view of its repository. */
export class GitHubScene {
  /** Lines of the job's log. Emptied before each test, as the server's records are. */
  lines: string[] = [];
  #server: GitHubServer | undefined;
  #github: GitHub | undefined;

  get server(): GitHubServer {
    if (this.#server === undefined) throw new Error("the server starts in beforeAll");
    return this.#server;
  }

  get github(): GitHub {
    if (this.#github === undefined) throw new Error("the server starts in beforeAll");
    return this.#github;
  }

  /** Does not wait for limits and pauses, but counts them. */
  async connect(options: Partial<GitHubOptions> = {}): Promise<GitHub> {
    const report = { ...silentReport, info: (line: string) => void this.lines.push(line) };
    const { url: apiUrl, repository } = this.server;
    return openGitHub({ token: tokens.job, apiUrl, repository, report, second: 0, ...options });
  }

  async open(): Promise<void> {
    this.#server = await GitHubServer.start();
    this.#github = await this.connect();
  }

  /** Forgets what was recorded. */
  forget(): void {
    this.lines = [];
    this.server.calls = [];
    this.server.writes = [];
    this.server.bodies = [];
  }

  close(): Promise<void> {
    return this.server.close();
  }
}

/** Starts a server before the tests of a file and closes it after them. */
export function githubScene(): GitHubScene {
  const scene = new GitHubScene();
  beforeAll(() => scene.open());
  beforeEach(() => scene.forget());
  afterAll(() => scene.close());
  return scene;
}

/** The failure of a call, as the entries print it. Throws if it succeeds. */
export async function failureOf(
  call: Promise<unknown>,
): Promise<{ readonly code: string; readonly message: string; readonly hint: string }> {
  const failure = await call.then(
    () => null,
    (error) => error,
  );
  if (failure === null) throw new Error("the call succeeded");
  const { code, message, hint } = failure;
  return { code, message, hint };
}
