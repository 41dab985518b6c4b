import { readFile, stat } from "node:fs/promises";
import * as v from "valibot";
import { OqeError } from "../ground/errors.ts";
import { reasonOf } from "../ground/reasons.ts";
import { parse, readJson } from "../ground/schema.ts";
import { checkRevision, isRepositoryId, printable } from "../hub/names.ts";
import type { GitHub } from "./client.ts";

/** What started the run, as far as this program acts on it. All texts are checked. */
export type GitHubEvent =
  | { readonly kind: "tag"; readonly tag: string; readonly sha: string; readonly forced: boolean }
  | {
      readonly kind: "push";
      readonly branch: string;
      readonly sha: string;
      /** Head before the push; null for a new branch. */
      readonly before: string | null;
      readonly isDefaultBranch: boolean;
    }
  | { readonly kind: "schedule"; readonly cron: string }
  | { readonly kind: "workflow_dispatch"; readonly inputs: Readonly<Record<string, string>> }
  | {
      readonly kind: "repository_dispatch";
      readonly type: string;
      /** The repository on the Hub that changed, if the sender names one. */
      readonly repository: string | null;
    }
  | {
      readonly kind: "pull_request";
      readonly number: number;
      readonly head: string;
      /** Its token can only read. */
      readonly isFork: boolean;
    }
  | { readonly kind: "other"; readonly name: string };

/** GitHub delivers events of at most 25 MB. */
const largest = 32 * 1024 * 1024;
const zeros = /^0+$/;

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Reads the event of the run from the environment of a runner. `workflow_call` has the event of its
 * caller. A branch or tag that git would not allow, and an id that the Hub would not allow, are
 * refused. Throws BAD_INPUT.
 */
export async function readEvent(environment: Environment): Promise<GitHubEvent> {
  const name = environment.GITHUB_EVENT_NAME ?? "";
  const payload = await readPayload(environment.GITHUB_EVENT_PATH ?? "");
  switch (name) {
    case "push":
    case "workflow_call":
      return readPush(check(pushSchema, payload), environment);
    case "schedule":
      return { kind: "schedule", cron: check(scheduleSchema, payload).schedule };
    case "workflow_dispatch":
      return { kind: "workflow_dispatch", inputs: readInputs(check(dispatchSchema, payload)) };
    case "repository_dispatch":
      return readDispatch(check(repositoryDispatchSchema, payload));
    case "pull_request":
    case "pull_request_target":
      return readPull(check(pullSchema, payload));
    default:
      return { kind: "other", name: name.replace(/[^\w]/g, "") };
  }
}

const hint = "A runner writes this file. If it is GitHub's own, please report the event.";
const where = "the event of this run (GITHUB_EVENT_PATH)";
const check = <const S extends v.GenericSchema>(schema: S, payload: unknown) =>
  parse(schema, payload, { where, code: "BAD_INPUT", hint });

async function readPayload(path: string): Promise<unknown> {
  const fault = (reason: string, cause?: unknown) =>
    new OqeError("BAD_INPUT", `${where} ${reason}`, hint, cause);
  const text = await stat(path)
    .then(({ size }) => {
      if (size > largest) throw fault(`has ${size} bytes; GitHub's have at most 25 MB`);
      return readFile(path, "utf8");
    })
    .catch((cause) => {
      throw cause instanceof OqeError ? cause : fault(`cannot be read: ${reasonOf(cause)}`, cause);
    });
  return readJson(text, { where, code: "BAD_INPUT", hint });
}

const text = (limit: number) =>
  v.pipe(v.string("a text"), v.maxLength(limit, `at most ${limit} characters`));
const hash = v.pipe(
  v.string("a commit"),
  v.regex(/^[0-9a-f]{40}$/, "a commit of 40 hexadecimal digits"),
);
const ref = text(512);

const pushSchema = v.object({
  ref: v.optional(ref),
  before: v.optional(hash),
  after: v.optional(hash),
  forced: v.optional(v.boolean("true or false"), false),
  created: v.optional(v.boolean("true or false"), false),
  deleted: v.optional(v.boolean("true or false"), false),
  repository: v.optional(v.object({ default_branch: v.optional(ref) })),
});
const scheduleSchema = v.object({ schedule: v.optional(text(100), "") });
const dispatchSchema = v.object({
  inputs: v.optional(v.nullable(v.record(v.string(), v.unknown()))),
});
const repositoryDispatchSchema = v.object({
  action: v.optional(text(100), ""),
  client_payload: v.optional(v.nullable(v.object({ repository: v.optional(v.unknown()) }))),
});
const pullSchema = v.object({
  number: v.pipe(v.number("a number"), v.integer("a whole number"), v.minValue(1, "at least 1")),
  pull_request: v.object({
    head: v.object({ sha: hash, repo: v.nullable(v.object({ full_name: text(200) })) }),
    base: v.object({ repo: v.object({ full_name: text(200) }) }),
  }),
});

type Push = v.InferOutput<typeof pushSchema>;

function readPush(push: Push, { GITHUB_REF, GITHUB_SHA }: Environment): GitHubEvent {
  const ref = push.ref ?? GITHUB_REF ?? "";
  const sha = push.after ?? GITHUB_SHA ?? "";
  const [, kind, name = ""] = /^refs\/(tags|heads)\/(.+)$/s.exec(ref) ?? [];
  if (ref === "") throw new OqeError("BAD_INPUT", `${where} names no branch or tag`, hint);
  if (push.deleted || kind === undefined) return { kind: "other", name: "push" };
  checkName(name);
  if (!/^[0-9a-f]{40}$/.test(sha))
    throw new OqeError("BAD_INPUT", `${where} names no commit for ${name}`, hint);
  if (kind === "tags") return { kind: "tag", tag: name, sha, forced: push.forced && !push.created };
  const before = push.before === undefined || zeros.test(push.before) ? null : push.before;
  const isDefaultBranch = name === (push.repository?.default_branch ?? "main");
  return { kind: "push", branch: name, sha, before, isDefaultBranch };
}

/**
 * git allows names that a shell or a workflow would take for something else, such as `$(id)`. A tag
 * becomes a tag on the Hub and the name of a release, so it must be plain.
 */
function checkName(name: string): void {
  checkRevision(name);
  if (/^[\p{L}\p{N}._+@#=,/-]+$/u.test(name)) return;
  throw new OqeError(
    "BAD_INPUT",
    `"${printable(name)}" cannot be the branch or tag of a run`,
    "Letters, digits and . _ + @ # = , / - are allowed. Push a tag or branch with a plain name.",
  );
}

/** Inputs of a run by hand: texts, numbers and truth values, each as a text. */
function readInputs({ inputs }: v.InferOutput<typeof dispatchSchema>): Record<string, string> {
  const plain = Object.entries(inputs ?? {}).flatMap(([name, value]) =>
    ["string", "number", "boolean"].includes(typeof value) ? [[name, String(value)] as const] : [],
  );
  return Object.fromEntries(plain);
}

function readDispatch({
  action,
  client_payload,
}: v.InferOutput<typeof repositoryDispatchSchema>): GitHubEvent {
  const named = client_payload?.repository ?? null;
  if (named !== null && (typeof named !== "string" || !isRepositoryId(named)))
    throw new OqeError(
      "BAD_INPUT",
      "the repository_dispatch names a repository that the Hub does not allow",
      "Send client_payload: { repository: <namespace>/<name> }, or leave it out for all models.",
    );
  return { kind: "repository_dispatch", type: action.replace(/[^\w-]/g, ""), repository: named };
}

/** A fork that was deleted since is a fork. */
function readPull({ number, pull_request }: v.InferOutput<typeof pullSchema>): GitHubEvent {
  const { head, base } = pull_request;
  const isFork = head.repo?.full_name.toLowerCase() !== base.repo.full_name.toLowerCase();
  return { kind: "pull_request", number, head: head.sha, isFork };
}

/** GitHub compares at most this many files. */
const mostCompared = 300;

/**
 * Paths that a push or pull request changes; the payload does not tell them. null where they are
 * not known: a new branch, too many files, any other event.
 */
export async function changedPaths(
  github: GitHub,
  event: GitHubEvent,
): Promise<readonly string[] | null> {
  const { rest, at, paginate } = github;
  if (event.kind === "pull_request") {
    const what = `list the files of pull request ${event.number}`;
    return github.settle({ what, permission: "pull-requests: read" }, async () => {
      const sought = { ...at, pull_number: event.number, per_page: 100 };
      return namesOf(await paginate(rest.pulls.listFiles, sought), 3000);
    });
  }
  if (event.kind !== "push" || event.before === null) return null;
  const basehead = `${event.before}...${event.sha}`;
  const verb = {
    what: `compare the commits of ${event.branch}`,
    permission: "contents: read",
  } as const;
  return github.settle(verb, async () => {
    const answer = await rest.repos
      .compareCommitsWithBasehead({ ...at, basehead })
      .catch((error) => {
        if (error?.status === 404) return null; // a forced push: the old head is gone
        throw error;
      });
    return answer === null ? null : namesOf(answer.data.files ?? [], mostCompared);
  });
}

interface Changed {
  readonly filename: string;
  readonly previous_filename?: string | undefined;
}

/** The names of changed files, old ones of renamed files included; null if GitHub cut the list. */
function namesOf(files: readonly Changed[], most: number): readonly string[] | null {
  if (files.length >= most) return null;
  return files.flatMap(({ filename, previous_filename: old }) =>
    old === undefined ? [filename] : [filename, old],
  );
}
