import { createHash } from "node:crypto";
import { OqeError } from "../ground/errors.ts";
import { checkRevision, pathFault, printable } from "../hub/names.ts";
import type { GitHub } from "./client.ts";
import { TreeReader } from "./tree-reader.ts";

export interface BranchFiles {
  readonly branch: string;
  /** The branch that the files are meant for. */
  readonly base: string;
  /** Path → content; null removes the file. */
  readonly files: ReadonlyMap<string, string | Uint8Array | null>;
  /** First line and, after an empty one, more. */
  readonly message: string;
  /** Head of the branch when the files were made, null for none. Left out: they fit any. */
  readonly seen?: string | null;
}

export interface Committed {
  /** `nothing`: the base has these files already. */
  readonly outcome: "committed" | "unchanged" | "nothing";
  /** Head of the branch; null if there is none. */
  readonly commit: string | null;
  /** Commits of people on the branch, which are kept. */
  readonly kept: number;
}

const permission = "contents: write";

/**
 * Puts files onto a branch by GitHub's API, in one commit that GitHub signs where the token is a
 * job's or an App's. The branch is made if it is missing and never moved by force. Commits of
 * people on it stay: the files are put on top of them. A branch that has the files writes nothing.
 * Throws CONFLICT if the branch moved since `seen`: the files lack what came.
 */
export async function commitFiles(github: GitHub, wanted: BranchFiles): Promise<Committed> {
  checkRevision(wanted.branch);
  for (const path of wanted.files.keys()) checkPath(path);
  return github.settle({ what: `commit to the branch ${wanted.branch}`, permission }, async () => {
    const start = await findStart(github, wanted);
    checkSeen(wanted, start.head);
    const trees = new TreeReader(github);
    const changes = await trees.differences(start.tree, wanted.files);
    const commit = start.head?.commit ?? null;
    if (start.kept === 0 && changes.size === 0) return { outcome: "nothing", commit, kept: 0 };
    if (!(await isStale(trees, start, wanted)))
      return { outcome: "unchanged", commit, kept: start.kept };
    const tree = await writeTree(github, start.tree, changes);
    const written = await writeCommit(github, { ...start, tree }, wanted);
    return { outcome: "committed", commit: written, kept: start.kept };
  });
}

/** Whether the base lacks one of the files: otherwise there is nothing to propose. */
export async function isNew(github: GitHub, wanted: BranchFiles): Promise<boolean> {
  const verb = { what: `read the branch ${wanted.base}`, permission: "contents: read" } as const;
  return github.settle(verb, async () => {
    const { tree } = await baseHead(github, wanted.base);
    return (await new TreeReader(github).differences(tree, wanted.files)).size > 0;
  });
}

/** The head of a branch, null if it is missing; and the same if people committed to it. */
export async function headsOf(
  github: GitHub,
  at: Pick<BranchFiles, "branch" | "base">,
): Promise<{ readonly head: Head | null; readonly people: Head | null }> {
  const { head, kept } = await findStart(github, at);
  return { head, people: kept === 0 ? null : head };
}

function checkSeen({ branch, seen }: BranchFiles, head: Head | null): void {
  if (seen === undefined || seen === (head?.commit ?? null)) return;
  throw new OqeError(
    "CONFLICT",
    `the branch ${printable(branch)} moved while its files were made`,
    "Nothing was overwritten. Run again when the other run or person is done.",
  );
}

function checkPath(path: string): void {
  const fault =
    pathFault(path) ??
    (/^\.github(\/|$)/i.test(path) ? "workflows are a person's to change" : null);
  if (fault === null) return;
  throw new OqeError(
    "BAD_INPUT",
    `"${printable(path)}" cannot be committed: ${fault}`,
    "Please report this: the paths come from names that were checked.",
  );
}

/** The last commit of a branch. */
export interface Head {
  readonly commit: string;
  readonly tree: string;
}

/** What the new commit is built on. */
interface Start {
  /** The tree that the files are put into. */
  readonly tree: string;
  readonly parents: readonly string[];
  /** The branch; null if it is missing. */
  readonly head: Head | null;
  readonly kept: number;
  /** Files that an earlier proposal changed and this one does not name. */
  readonly leftOver: readonly string[];
}

async function findStart(
  github: GitHub,
  { branch, base }: Pick<BranchFiles, "branch" | "base">,
): Promise<Start> {
  const onto = await baseHead(github, base);
  const head = await readHead(github, branch);
  const fresh = { tree: onto.tree, parents: [onto.commit], kept: 0, leftOver: [] };
  if (head === null) return { ...fresh, head };
  const basehead = `${onto.commit}...${head.commit}`;
  const { data } = await github.rest.repos.compareCommitsWithBasehead({ ...github.at, basehead });
  if (data.ahead_by === 0) return { ...fresh, head };
  const foreign = data.commits.filter(({ commit }) => !isOwnCommit(commit));
  const unseen = data.ahead_by - data.commits.length;
  const kept = foreign.length + Math.max(0, unseen);
  if (kept > 0) return { tree: head.tree, parents: [head.commit], head, kept, leftOver: [] };
  const parents = data.behind_by === 0 ? [head.commit] : [head.commit, onto.commit];
  const leftOver = (data.files ?? []).map(({ filename }) => filename);
  return { ...fresh, parents, head, leftOver };
}

/** Whether the branch lacks a wanted file, or has one that only an earlier proposal wanted. */
async function isStale(trees: TreeReader, start: Start, { files }: BranchFiles): Promise<boolean> {
  if (start.head === null) return true;
  if (start.leftOver.some((path) => !files.has(path))) return true;
  return (await trees.differences(start.head.tree, files)).size > 0;
}

/** Throws NOT_FOUND if there is no such branch. */
export async function baseHead(github: GitHub, base: string): Promise<Head> {
  const head = await readHead(github, base);
  if (head !== null) return head;
  throw new OqeError(
    "NOT_FOUND",
    `${github.repository} has no branch ${printable(base)}`,
    "Push a first commit to it, or check the repository's default branch.",
  );
}

async function readHead({ rest, at }: GitHub, branch: string): Promise<Head | null> {
  const found = await rest.git.getRef({ ...at, ref: `heads/${branch}` }).catch((error) => {
    if (error?.status === 404) return null;
    throw error;
  });
  if (found === null) return null;
  const commit = found.data.object.sha;
  const { data } = await rest.git.getCommit({ ...at, commit_sha: commit });
  return { commit, tree: data.tree.sha };
}

/**
 * A commit of ours names its own tree. So one that a person amended, rebased or merged is not ours,
 * whoever its author is.
 */
function isOwnCommit({ message, tree }: { message: string; tree: { sha: string } }): boolean {
  return message.trimEnd().endsWith(`\nOqe-Tree: ${tree.sha}`);
}

type Changes = ReadonlyMap<string, string | Uint8Array | null>;

/** Text goes with the tree itself, other bytes as blobs before it. */
async function writeTree({ rest, at }: GitHub, base: string, changes: Changes): Promise<string> {
  if (changes.size === 0) return base;
  const entries = [];
  for (const [path, content] of changes) {
    const entry = { path, mode: "100644", type: "blob" } as const;
    if (typeof content === "string") entries.push({ ...entry, content });
    else entries.push({ ...entry, sha: content === null ? null : await writeBlob(content) });
  }
  const { data } = await rest.git.createTree({ ...at, base_tree: base, tree: entries });
  return data.sha;

  async function writeBlob(bytes: Uint8Array): Promise<string> {
    const content = Buffer.from(bytes).toString("base64");
    const { data } = await rest.git.createBlob({ ...at, content, encoding: "base64" });
    return data.sha;
  }
}

/** Without author and committer, so that GitHub fills them in and signs. */
async function writeCommit(
  { rest, at }: GitHub,
  { tree, parents, head }: Start,
  { branch, message }: BranchFiles,
): Promise<string> {
  const text = `${message.trim()}\n\nOqe-Tree: ${tree}`;
  const { data } = await rest.git.createCommit({
    ...at,
    ...{ message: text, tree, parents: [...parents] },
  });
  if (head === null)
    await rest.git.createRef({ ...at, ref: `refs/heads/${branch}`, sha: data.sha });
  else await rest.git.updateRef({ ...at, ref: `heads/${branch}`, sha: data.sha, force: false });
  return data.sha;
}

/** A hash of files and their contents, in any order. */
export function filesDigest(files: BranchFiles["files"]): string {
  const hash = createHash("sha256");
  for (const path of [...files.keys()].sort()) {
    const content = files.get(path)!;
    const own = content === null ? "none" : createHash("sha256").update(content).digest("hex");
    hash.update(`${JSON.stringify(path)} ${own}\n`);
  }
  return hash.digest("hex").slice(0, 32);
}
