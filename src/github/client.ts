import type { getOctokit } from "@actions/github";
import { retry } from "@octokit/plugin-retry";
import { throttling } from "@octokit/plugin-throttling";
import { OqeError } from "../ground/errors.ts";
import type { Report } from "../ground/report.ts";
import { printable } from "../hub/names.ts";
import { explain, isWorthAnother, type Verb } from "./refusal.ts";

/** Limits of waiting, in seconds unless said otherwise. docs/github-writes.md names them too. */
export const patience = {
  /** Of one client, for all rate limits together. A job has better things to do than to wait. */
  longestWait: 900,
  /** Where a secondary limit has no `Retry-After`: GitHub asks for at least a minute. */
  untoldWait: 60,
  /** Attempts of a read that GitHub's servers fail. The waits are 1, 4 and 9 s. */
  reads: 4,
  /** Attempts of a verb whose write fails or meets someone else's. Each reads the state again. */
  attempts: 3,
  /** Until an answer begins. */
  silence: 120,
} as const;

type Octokit = ReturnType<typeof getOctokit>;

/** Who wrote a comment, an issue or a pull request. */
export interface Author {
  readonly login: string;
  readonly type: string;
}

/** One repository on GitHub, as the token sees it. The verbs of this module take it. */
export interface GitHub {
  /** `owner/name`. */
  readonly repository: string;
  readonly at: { readonly owner: string; readonly repo: string };
  readonly rest: Octokit["rest"];
  readonly request: Octokit["request"];
  readonly paginate: Octokit["paginate"];
  readonly report: Report;
  /**
   * Runs one verb. A failed write, or one that met someone else's, runs the whole verb again, so it
   * must begin with reading. Throws an OqeError in words.
   */
  settle<T>(verb: Verb, attempt: () => Promise<T>): Promise<T>;
  /** Whether the holder of this token wrote it. */
  isOwn(author: Author | null | undefined): Promise<boolean>;
}

export interface GitHubOptions {
  /** The job's token, a GitHub App's, or a personal access token. */
  readonly token: string;
  /** GITHUB_API_URL. */
  readonly apiUrl: string;
  /** `owner/name`. */
  readonly repository: string;
  readonly report: Report;
  /** Milliseconds of a second. Tests make it short. */
  readonly second?: number;
}

/**
 * Opens a repository on GitHub. Nothing is sent yet. Reads are repeated after failures, all calls
 * wait for rate limits as GitHub asks, and writes keep GitHub's pace of one a second.
 * Throws BAD_INPUT or UNAUTHORIZED for options that cannot be used.
 */
export async function openGitHub(options: GitHubOptions): Promise<GitHub> {
  const { repository, report, second = 1000 } = options;
  const { token, apiUrl } = checkOptions(options);
  const { getOctokit } = await loadToolkit();
  const waiting = new RateWaiting(report);
  const octokit = getOctokit(
    token,
    {
      baseUrl: apiUrl,
      log: { debug: silent, info: silent, warn: silent, error: silent },
      retry: {
        retries: patience.reads - 1,
        retryAfterBaseValue: second,
        doNotRetry: [400, 401, 403, 404, 409, 410, 422, 429, 451],
      },
      throttle: {
        fallbackSecondaryRateRetryAfter: patience.untoldWait,
        retryAfterBaseValue: second,
        onRateLimit: waiting.ask("rate limit"),
        onSecondaryRateLimit: waiting.ask("secondary rate limit"),
        ...(second < 1000 && { write: unpaced as never, notifications: unpaced as never }),
      },
    },
    deadline as never,
    retry as never,
    throttling as never,
  );
  octokit.hook.before("request", (request) => {
    // A write that failed may have been done: only its verb knows how to look.
    if (request.method !== "GET") request.request = { ...request.request, retries: 0 };
  });
  const [owner = "", repo = ""] = repository.split("/");
  const account = new Account(octokit, (verb, run) => settle(verb, run));
  const settle = <T>(verb: Verb, attempt: () => Promise<T>) =>
    settleWith({ repository, token, report, second }, verb, attempt);
  return {
    ...{ repository, report, settle, at: { owner, repo } },
    ...{ rest: octokit.rest, request: octokit.request, paginate: octokit.paginate },
    isOwn: (author) => account.wrote(author),
  };
}

const silent = () => {};

/** Stands for a queue of the throttling plugin, without its pauses. */
const unpaced = { key: () => ({ schedule: (_options: unknown, run: () => unknown) => run() }) };

function checkOptions({ token, apiUrl, repository }: GitHubOptions) {
  if (!/^[\w-]+\/(?!\.{1,2}$)[\w.-]+$/.test(repository))
    throw new OqeError(
      "BAD_INPUT",
      `"${printable(repository)}" is not a repository on GitHub: expected <owner>/<name>`,
      "GITHUB_REPOSITORY names it; a runner sets that.",
    );
  if (!/^[\x21-\x7e]+$/.test(token))
    throw new OqeError(
      "UNAUTHORIZED",
      `no usable token for ${repository} on GitHub`,
      "Set the input github-token. Its default is the job's own token.",
    );
  const url = URL.canParse(apiUrl) ? new URL(apiUrl) : null;
  const isLocal = url?.protocol === "http:" && /^(127\.0\.0\.1|localhost)$/.test(url.hostname);
  if (url === null || (url.protocol !== "https:" && !isLocal))
    throw new OqeError(
      "BAD_INPUT",
      `"${printable(apiUrl)}" is not the address of GitHub's API: expected https`,
      "GITHUB_API_URL names it; a runner sets that. http is for this machine only.",
    );
  return { token, apiUrl: apiUrl.replace(/\/+$/, "") };
}

/** The toolkit reads the event when it is loaded, and throws if that is damaged. */
async function loadToolkit(): Promise<typeof import("@actions/github")> {
  try {
    return await import("@actions/github");
  } catch (cause) {
    throw new OqeError(
      "BAD_INPUT",
      "the event of this run cannot be read",
      "GITHUB_EVENT_PATH must name the event's JSON file; a runner sets that.",
      cause,
    );
  }
}

/**
 * A plugin that gives up an attempt without an answer. It is the innermost: one call, one clock.
 */
function deadline(octokit: Octokit): void {
  octokit.hook.wrap("request", (request, options) => {
    const signal = AbortSignal.timeout(patience.silence * 1000);
    return request({ ...options, request: { ...options.request, signal } });
  });
}

/** What is left of the time for rate limits. */
class RateWaiting {
  #left: number = patience.longestWait;
  readonly #report: Report;

  constructor(report: Report) {
    this.#report = report;
  }

  /** Answers the throttling plugin whether to wait, and tells the log. */
  ask(limit: string) {
    return (seconds: number, { method, url }: { method: string; url: string }): boolean => {
      const call = `${method} ${url}`;
      if (!(seconds <= this.#left)) {
        this.#report.info(
          `GitHub's ${limit} is reached (${call}). It asks for ${seconds} s, and of the ` +
            `${patience.longestWait} s that a run waits ${this.#left} s are left.`,
        );
        return false;
      }
      this.#left -= Math.max(0, seconds);
      this.#report.info(`GitHub's ${limit} is reached (${call}): waiting ${seconds} s.`);
      return true;
    };
  }
}

/** The token's account. The token of a job or of an App has none that it could ask for. */
class Account {
  #login: Promise<string | null> | undefined;
  readonly #octokit: Octokit;
  readonly #settle: GitHub["settle"];

  constructor(octokit: Octokit, settle: GitHub["settle"]) {
    this.#octokit = octokit;
    this.#settle = settle;
  }

  async wrote(author: Author | null | undefined): Promise<boolean> {
    if (!author) return false;
    this.#login ??= this.#ask();
    const login = await this.#login;
    return login === null ? author.type === "Bot" : author.login === login;
  }

  #ask(): Promise<string | null> {
    return this.#settle({ what: "ask whose token this is", permission: null }, () =>
      this.#octokit.rest.users.getAuthenticated().then(
        ({ data }) => data.login,
        (error) => {
          if (/not accessible by integration/i.test(error?.message)) return null;
          throw error;
        },
      ),
    );
  }
}

interface Settling {
  readonly repository: string;
  readonly token: string;
  readonly report: Report;
  readonly second: number;
}

async function settleWith<T>(
  settling: Settling,
  verb: Verb,
  attempt: () => Promise<T>,
): Promise<T> {
  for (let count = 1; ; count++) {
    try {
      return await attempt();
    } catch (error) {
      if (error instanceof OqeError) throw error;
      if (count === patience.attempts || !isWorthAnother(error)) {
        const { repository, token } = settling;
        throw explain(error, verb, { repository, token });
      }
      settling.report.info(`Reading again before the next attempt to ${verb.what}.`);
      await new Promise((done) => setTimeout(done, count ** 2 * settling.second));
    }
  }
}
