import {
  goesToLfs,
  initialAttributes,
  largestRegularFile,
  looksLikeText,
  trackInLfs,
} from "./attributes.ts";
import { checkMayPropose, checkMayWrite } from "./auth.ts";
import {
  type LfsFile,
  type Operation,
  parseCommit,
  preuploadRequest,
  type RegularFile,
} from "./commit-request.ts";
import { type Context, type RepoContext, resolveRevision } from "./context.ts";
import { refuse } from "./errors.ts";
import { decodeUtf8, json, type Reply, readBody, readJson } from "./exchange.ts";
import { checkFrontMatter } from "./front-matter.ts";
import {
  type Commit,
  type FileEntry,
  lfsEntry,
  makeCommit,
  sortTree,
  type Tree,
} from "./history.ts";
import { checkPath } from "./names.ts";
import type { StoredRepo } from "./stored-repo.ts";

/** Largest commit request, in bytes. */
const largestCommit = 256 * 1024 * 1024;

/**
 * A pull request needs a write token; a commit to a branch needs the right to write to the
 * repository. Returns whether it is a pull request.
 */
function checkMayCommit(context: RepoContext): boolean {
  const proposes = context.query.get("create_pr") === "1";
  if (proposes) checkMayPropose(context.user);
  else checkMayWrite(context.user, context.repo);
  return proposes;
}

/**
 * `POST /api/models/<id>/preupload/<rev>`: says for each file whether it goes to the commit or to
 * LFS.
 */
export async function preupload(context: RepoContext): Promise<Reply> {
  checkMayCommit(context);
  const { repo, hub } = context;
  const commit = resolveRevision(repo, context.params.revision!);
  const body = await readJson(context.request, preuploadRequest);
  const attributes = body.gitAttributes ?? (await attributesOf(repo, commit.tree));
  const files = body.files.map((file) => {
    const path = checkPath(file.path);
    const { size, sample } = file;
    const isText = looksLikeText(Buffer.from(sample, "base64"));
    const isLarge =
      size >= (isText ? Math.max(hub.lfsThreshold, largestRegularFile) : hub.lfsThreshold);
    const uploadMode = size > 0 && (isLarge || goesToLfs(attributes, path)) ? "lfs" : "regular";
    const known = commit.tree.get(path);
    return {
      path,
      uploadMode,
      shouldIgnore: false,
      oid: known ? (known.lfs ? known.sha256 : known.blob) : null,
    };
  });
  return json({ files, commitOid: commit.id });
}

async function attributesOf(repo: StoredRepo, tree: Tree): Promise<string> {
  const entry = tree.get(".gitattributes");
  return entry ? (await repo.objects.read(entry.sha256)).toString("utf8") : initialAttributes;
}

/**
 * Applies the operations in order. Objects of a refused commit stay without a reference, invisible.
 */
async function applyOperations(
  context: RepoContext,
  parent: Tree,
  operations: readonly Operation[],
): Promise<Tree> {
  const files = new Map(parent);
  const tracked: string[] = [];
  for (const { key, value } of operations) {
    if (key === "file") files.set(checkPath(value.path), await addFile(context.repo, value));
    else if (key === "lfsFile") {
      const path = checkPath(value.path);
      files.set(path, await findLfsFile(context.repo, value));
      tracked.push(path);
    } else if (key === "deletedFile") {
      if (!files.delete(checkPath(value.path))) throw refuse.noEntry(value.path);
    } else deleteFolder(files, value.path);
  }
  checkNoFileIsFolder(files);
  await track(context.repo, files, tracked);
  return sortTree(files);
}

async function addFile(repo: StoredRepo, file: RegularFile): Promise<FileEntry> {
  const { path, content, encoding } = file;
  const bytes = Buffer.from(content, encoding);
  if (
    encoding === "base64" &&
    bytes.toString("base64").replace(/=+$/, "") !== content.replace(/=+$/, "")
  ) {
    throw refuse.badRequest(`${path}: "content" is not valid base64`);
  }
  if (bytes.length > largestRegularFile) {
    throw refuse.badRequest(`${path}: files larger than 10 MiB must be uploaded to LFS first`);
  }
  if (path === "README.md") {
    const { errors } = checkFrontMatter(bytes.toString("utf8"));
    if (errors.length > 0)
      throw refuse.badRequest(`Invalid metadata in README.md: ${errors.join("; ")}`);
  }
  return repo.addRegular(bytes);
}

async function findLfsFile(repo: StoredRepo, { path, oid, size }: LfsFile): Promise<FileEntry> {
  const known = await repo.objects.size(oid);
  if (known === null) {
    throw refuse.badRequest(
      "Your push was rejected because an LFS pointer pointed to a file that does not exist: " +
        path,
    );
  }
  if (size !== null && size !== undefined && size !== known)
    throw refuse.badRequest(`${path}: the object has ${known} bytes, not ${size}`);
  return lfsEntry(oid, known);
}

function deleteFolder(files: Map<string, FileEntry>, path: string): void {
  const folder = checkPath(path.replace(/\/$/, ""));
  const inside = [...files.keys()].filter((file) => file.startsWith(`${folder}/`));
  if (inside.length === 0) throw refuse.noEntry(folder);
  for (const file of inside) files.delete(file);
}

function checkNoFileIsFolder(files: ReadonlyMap<string, FileEntry>): void {
  for (const path of files.keys()) {
    for (let end = path.lastIndexOf("/"); end > 0; end = path.lastIndexOf("/", end - 1)) {
      if (files.has(path.slice(0, end)))
        throw refuse.badRequest(`${path.slice(0, end)} cannot be both a file and a folder`);
    }
  }
}

/** Adds to `.gitattributes` the LFS files that it does not cover, as the Hub does. */
async function track(
  repo: StoredRepo,
  files: Map<string, FileEntry>,
  paths: readonly string[],
): Promise<void> {
  if (paths.length === 0) return;
  const entry = files.get(".gitattributes");
  const before = entry ? (await repo.objects.read(entry.sha256)).toString("utf8") : "";
  const after = trackInLfs(before, paths);
  if (after !== before) files.set(".gitattributes", await repo.addRegular(Buffer.from(after)));
}

/**
 * `POST /api/models/<id>/commit/<branch>[?create_pr=1]`. Accepts a commit that changes nothing, as
 * the Hub does.
 */
export async function commit(context: RepoContext): Promise<Reply> {
  const proposes = checkMayCommit(context);
  const { repo, hub } = context;
  const revision = context.params.revision!;
  const { header, operations } = parseCommit(
    decodeUtf8(await readBody(context.request, largestCommit)),
  );
  return hub.store.change(repo.id, async () => {
    const wanted = header.parentCommit;
    const parent = proposes && wanted ? repo.commitByPrefix(wanted) : headOf(repo, revision);
    if (!parent) throw refuse.noRevision(wanted!);
    if (!proposes && wanted && !parent.id.startsWith(wanted)) throw refuse.parentMoved();
    const tree = await applyOperations(context, parent.tree, operations);
    const made = makeCommit([parent], tree, {
      title: header.summary,
      message: header.description,
      author: context.user!.name,
    });
    await repo.addCommit(made);
    const pullRequest = proposes ? await openPullRequest(repo, parent, made) : null;
    if (!proposes) await moveBranch(repo, revision, made);
    return json(answer(context, made, pullRequest));
  });
}

function answer(context: Context & { repo: StoredRepo }, made: Commit, pullRequest: number | null) {
  const base = `${context.origin}/${context.repo.id}`;
  return {
    success: true,
    commitOid: made.id,
    commitUrl: `${base}/commit/${made.id}`,
    hookOutput: "",
    ...(pullRequest === null ? {} : { pullRequestUrl: `${base}/discussions/${pullRequest}` }),
  };
}

/** Head of a branch or open pull request; tags and commits cannot be committed to. */
function headOf(repo: StoredRepo, revision: string): Commit {
  const isBranch = Object.hasOwn(repo.state.branches, revision);
  const isOpenPull = repo.state.discussions.some(
    (discussion) =>
      `refs/pr/${discussion.num}` === revision &&
      (discussion.status === "open" || discussion.status === "draft"),
  );
  if (!isBranch && !isOpenPull) throw refuse.noRevision(revision);
  return resolveRevision(repo, revision);
}

async function moveBranch(repo: StoredRepo, revision: string, made: Commit): Promise<void> {
  const { branches, discussions } = repo.state;
  if (Object.hasOwn(branches, revision)) {
    await repo.setState({ ...repo.state, branches: { ...branches, [revision]: made.id } });
    return;
  }
  const moved = discussions.map((pull) =>
    `refs/pr/${pull.num}` === revision ? { ...pull, head: made.id } : pull,
  );
  await repo.setState({ ...repo.state, discussions: moved });
}

async function openPullRequest(repo: StoredRepo, base: Commit, made: Commit): Promise<number> {
  const num = repo.state.discussions.length + 1;
  const pull = {
    num,
    title: made.title,
    description: made.message,
    author: made.author,
    isPullRequest: true,
    status: "open" as const,
    base: base.id,
    head: made.id,
    mergeCommit: null,
  };
  await repo.setState({ ...repo.state, discussions: [...repo.state.discussions, pull] });
  return num;
}
