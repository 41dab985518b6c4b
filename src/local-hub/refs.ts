import * as v from "valibot";
import { flag, line, object } from "../ground/schema.ts";
import { type RepoContext, resolveRevision } from "./context.ts";
import { refuse } from "./errors.ts";
import { json, type Reply, readJson } from "./exchange.ts";
import { makeCommit } from "./history.ts";
import { checkRefName } from "./names.ts";

const newBranch = object({
  startingPoint: v.nullish(line),
  emptyBranch: v.nullish(flag, false),
  overwrite: v.nullish(flag, false),
});
const newTag = object({ tag: line, message: v.nullish(v.string("text"), "") });

/** `GET /api/models/<id>/refs` */
export async function refs(context: RepoContext): Promise<Reply> {
  const { branches, tags, discussions } = context.repo.state;
  const pulls = discussions.filter(
    (discussion) => discussion.isPullRequest && discussion.head !== null,
  );
  return json({
    branches: Object.entries(branches).map(([name, id]) => ({
      name,
      ref: `refs/heads/${name}`,
      targetCommit: id,
    })),
    converts: [],
    tags: Object.entries(tags).map(([name, { commit }]) => ({
      name,
      ref: `refs/tags/${name}`,
      targetCommit: commit,
    })),
    pullRequests: pulls.map(({ num, head }) => ({
      name: String(num),
      ref: `refs/pr/${num}`,
      targetCommit: head,
    })),
  });
}

/** `POST /api/models/<id>/branch/<name>` `{startingPoint?, emptyBranch?, overwrite?}` */
export async function createBranch(context: RepoContext): Promise<Reply> {
  const { repo, hub } = context;
  const name = checkRefName(context.params.branch);
  const { startingPoint, emptyBranch, overwrite } = await readJson(context.request, newBranch);
  return hub.store.change(repo.id, async () => {
    const exists = Object.hasOwn(repo.state.branches, name);
    if (exists && !overwrite) throw refuse.conflict(`Reference already exists: refs/heads/${name}`);
    if (exists && !startingPoint && !emptyBranch) return { status: 200, body: "OK" };
    const start = emptyBranch
      ? makeCommit([], new Map(), { title: "initial commit", author: context.user!.name })
      : resolveRevision(repo, startingPoint ?? "main");
    await repo.addCommit(start);
    await repo.setState({ ...repo.state, branches: { ...repo.state.branches, [name]: start.id } });
    return { status: 200, body: "OK" };
  });
}

/** `DELETE /api/models/<id>/branch/<name>` */
export async function deleteBranch(context: RepoContext): Promise<Reply> {
  const { repo, hub } = context;
  const name = context.params.branch!;
  if (name === "main") throw refuse.forbidden("The branch main cannot be deleted");
  return hub.store.change(repo.id, async () => {
    if (!Object.hasOwn(repo.state.branches, name)) throw refuse.noRevision(name);
    const { [name]: _removed, ...branches } = repo.state.branches;
    await repo.setState({ ...repo.state, branches });
    return { status: 200, body: "OK" };
  });
}

/** `POST /api/models/<id>/tag/<rev>` `{tag, message?}` */
export async function createTag(context: RepoContext): Promise<Reply> {
  const { repo, hub } = context;
  const { tag, message } = await readJson(context.request, newTag);
  const name = checkRefName(tag);
  return hub.store.change(repo.id, async () => {
    const target = resolveRevision(repo, context.params.revision!);
    if (Object.hasOwn(repo.state.tags, name))
      throw refuse.conflict(`Tag reference exists already: refs/tags/${name}`);
    const added = { commit: target.id, message };
    await repo.setState({ ...repo.state, tags: { ...repo.state.tags, [name]: added } });
    return { status: 200, body: "OK" };
  });
}

/** `DELETE /api/models/<id>/tag/<name>` */
export async function deleteTag(context: RepoContext): Promise<Reply> {
  const { repo, hub } = context;
  const name = context.params.revision!;
  return hub.store.change(repo.id, async () => {
    if (!Object.hasOwn(repo.state.tags, name)) throw refuse.noRevision(name);
    const { [name]: _removed, ...tags } = repo.state.tags;
    await repo.setState({ ...repo.state, tags });
    return { status: 200, body: "OK" };
  });
}
