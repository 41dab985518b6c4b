import * as v from "valibot";
import { flag, object, oneOf } from "../ground/schema.ts";
import { checkMayPropose } from "./auth.ts";
import { type RepoContext, resolveRevision } from "./context.ts";
import { refuse } from "./errors.ts";
import { json, type Reply, readJson } from "./exchange.ts";
import { type Commit, dateOf, makeCommit, sortTree, type Tree } from "./history.ts";
import type { Discussion, StoredRepo } from "./stored-repo.ts";

const newDiscussion = object({
  title: v.pipe(
    v.string("text"),
    v.check(({ length }) => length >= 3 && length <= 200, "text of 3 to 200 characters"),
  ),
  description: v.nullish(v.string("text"), ""),
  pullRequest: v.nullish(flag, false),
});
const newStatus = object({ status: oneOf(["open", "closed"]) });

const createdAt = "2024-01-01T00:00:00.000Z";

function summary(repo: StoredRepo, { num, title, author, status, isPullRequest }: Discussion) {
  return {
    num,
    title,
    author: { name: author },
    status,
    isPullRequest,
    createdAt,
    repo: { name: repo.id, type: "model" },
  };
}

/** Discussions on a page of the listing. */
const pageLength = 50;

/**
 * `GET /api/models/<id>/discussions?p&type&status&author`, newest first. `status`: `open`, `closed`
 * (also merged), or `all`.
 */
export async function listDiscussions({ repo, query }: RepoContext): Promise<Reply> {
  const [type, status, author] = ["type", "status", "author"].map((name) => query.get(name));
  const found = repo.state.discussions.filter((one) => {
    const isOpen = one.status === "open" || one.status === "draft";
    return (
      (type !== "pull_request" || one.isPullRequest) &&
      (type !== "discussion" || !one.isPullRequest) &&
      (status !== "open" || isOpen) &&
      (status !== "closed" || !isOpen) &&
      (author === null || one.author === author)
    );
  });
  const start = Math.max(0, Number(query.get("p")) || 0) * pageLength;
  const shown = found.reverse().slice(start, start + pageLength);
  return json({ discussions: shown.map((one) => summary(repo, one)), count: found.length, start });
}

/** `GET /api/models/<id>/discussions/<num>` */
export async function discussion(context: RepoContext): Promise<Reply> {
  const { repo } = context;
  const found = find(context);
  const comment = { edited: false, hidden: false, latest: { raw: found.description } };
  const event = {
    id: `${found.num}-0`,
    type: "comment",
    createdAt,
    author: { name: found.author },
    data: comment,
  };
  const commitEvents = commitsOf(repo, found).map((commit) => ({
    id: commit.id,
    type: "commit",
    createdAt: dateOf(commit),
    author: { name: commit.author },
    data: { subject: commit.title, oid: commit.id },
  }));
  const pull = {
    changes: {
      base: "refs/heads/main",
      ...(found.mergeCommit ? { mergeCommitId: found.mergeCommit } : {}),
    },
    filesWithConflicts: found.status === "merged" ? [] : conflicts(repo, found),
    diff: "",
  };
  return json({
    ...summary(repo, found),
    events: [event, ...commitEvents],
    ...(found.isPullRequest ? pull : {}),
  });
}

function find(context: RepoContext): Discussion {
  const found = context.repo.state.discussions.find(
    (one) => String(one.num) === context.params.num,
  );
  if (!found) throw refuse.noEntry(`discussion ${context.params.num}`);
  return found;
}

/** Commits of a pull request after its base, oldest first. */
function commitsOf(repo: StoredRepo, { base, head }: Discussion): Commit[] {
  const commits: Commit[] = [];
  for (let id = head; id && id !== base; id = commits.at(-1)!.parents[0] ?? null)
    commits.push(repo.commit(id)!);
  return commits.reverse();
}

/** `POST /api/models/<id>/discussions` `{title, description, pullRequest}` */
export async function createDiscussion(context: RepoContext): Promise<Reply> {
  checkMayPropose(context.user);
  const { repo, hub } = context;
  const { title, description, pullRequest } = await readJson(context.request, newDiscussion);
  return hub.store.change(repo.id, async () => {
    const main = pullRequest ? resolveRevision(repo, "main").id : null;
    const made: Discussion = {
      num: repo.state.discussions.length + 1,
      title,
      description,
      author: context.user!.name,
      isPullRequest: main !== null,
      status: main === null ? "open" : "draft",
      base: main,
      head: main,
      mergeCommit: null,
    };
    await repo.setState({ ...repo.state, discussions: [...repo.state.discussions, made] });
    return json(summary(repo, made));
  });
}

/** `POST /api/models/<id>/discussions/<num>/status` `{status}` */
export async function setStatus(context: RepoContext): Promise<Reply> {
  const { repo, hub } = context;
  const { status } = await readJson(context.request, newStatus);
  return hub.store.change(repo.id, async () => {
    const found = find(context);
    if (found.status === "merged") throw refuse.badRequest("The pull request is merged");
    await replace(repo, { ...found, status });
    return json({
      newStatus: { id: "status", type: "status-change", createdAt, data: { status } },
    });
  });
}

/** `POST /api/models/<id>/discussions/<num>/merge` */
export async function merge(context: RepoContext): Promise<Reply> {
  const { repo, hub } = context;
  return hub.store.change(repo.id, async () => {
    const found = find(context);
    if (!found.isPullRequest || found.status === "merged" || found.status === "closed") {
      throw refuse.badRequest("Only an open pull request can be merged");
    }
    const clashing = conflicts(repo, found);
    if (clashing.length > 0) throw refuse.conflict(`Files with conflicts: ${clashing.join(", ")}`);
    const main = resolveRevision(repo, "main");
    const head = repo.commit(found.head!)!;
    const tree = replay(repo.commit(found.base!)!.tree, head.tree, main.tree);
    const merged = makeCommit([main, head], tree, {
      title: `${found.title} (#${found.num})`,
      author: context.user!.name,
    });
    await repo.addCommit(merged);
    const discussions = repo.state.discussions.map((one) =>
      one.num === found.num ? { ...one, status: "merged" as const, mergeCommit: merged.id } : one,
    );
    await repo.setState({
      ...repo.state,
      branches: { ...repo.state.branches, main: merged.id },
      discussions,
    });
    return json({
      newStatus: { id: "status", type: "status-change", createdAt, data: { status: "merged" } },
    });
  });
}

async function replace(repo: StoredRepo, changed: Discussion): Promise<void> {
  const discussions = repo.state.discussions.map((one) =>
    one.num === changed.num ? changed : one,
  );
  await repo.setState({ ...repo.state, discussions });
}

/** Paths that differ between two trees. */
function changedPaths(before: Tree, after: Tree): string[] {
  const paths = new Set([...before.keys(), ...after.keys()]);
  return [...paths].filter((path) => before.get(path)?.sha256 !== after.get(path)?.sha256).sort();
}

/** Files that both the pull request and main changed since its base, differently. */
function conflicts(repo: StoredRepo, pull: Discussion): string[] {
  if (!pull.isPullRequest) return [];
  const [base, head] = [repo.commit(pull.base!)!.tree, repo.commit(pull.head!)!.tree];
  const main = resolveRevision(repo, "main").tree;
  const onMain = new Set(changedPaths(base, main));
  return changedPaths(base, head).filter(
    (path) => onMain.has(path) && main.get(path)?.sha256 !== head.get(path)?.sha256,
  );
}

function replay(base: Tree, head: Tree, onto: Tree): Tree {
  const files = new Map(onto);
  for (const path of changedPaths(base, head)) {
    const entry = head.get(path);
    if (entry) files.set(path, entry);
    else files.delete(path);
  }
  return sortTree(files);
}
