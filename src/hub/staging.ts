import { OqeError } from "../ground/errors.ts";
import { branchTarget, createBranch, movedBranch } from "./branch.ts";
import { isSameFile, type Main } from "./compare.ts";
import { create, readNewMain } from "./create.ts";
import { adopt } from "./failure.ts";
import { hashStaged, type LocalFile } from "./folder.ts";
import type { AmendRequest, StageRequest } from "./hub-types.ts";
import { readHead, readMain } from "./inspect.ts";
import { checkRepositoryId } from "./names.ts";
import { seal } from "./seal.ts";
import { askForLarge, inSteps, stage, type UploadTarget } from "./stage.ts";
import type { Transport } from "./transport.ts";
import { listTree } from "./tree.ts";

/** One call of `stage`: its files are hashed, and its deletions are of files that exist. */
interface Staging {
  readonly transport: Transport;
  readonly target: UploadTarget;
  readonly request: StageRequest;
  readonly files: readonly LocalFile[];
}

/**
 * Adds files to a branch beside main, in one commit. Makes the repository and the branch if they
 * are missing. A repeated call finds the commit of the first, and makes no second one.
 */
export function stageFiles(
  transport: Transport,
  request: StageRequest,
): Promise<{ readonly commit: string }> {
  return addFiles(transport, branchTarget(request.repository, request.branch), request);
}

/**
 * Changes some files of main in one commit, and leaves the others. A repeated call finds the commit
 * of the first, and makes no second one. Throws CONFLICT if main is not at `parent` any more.
 */
export function amendMain(
  transport: Transport,
  request: AmendRequest,
): Promise<{ readonly commit: string }> {
  const id = checkRepositoryId(request.repository);
  const target: UploadTarget = { id, branch: "main", right: "write" };
  return addFiles(transport, target, { ...request, branch: "main", private: false });
}

/** `opens`: a pull request takes the place of the commit to the branch. */
export async function addFiles(
  transport: Transport,
  target: UploadTarget,
  request: StageRequest,
  opens = false,
): Promise<{ readonly commit: string }> {
  if (transport.access === "none") {
    throw new OqeError(
      "UNAUTHORIZED",
      `Writing to ${target.id} needs a token, and none was given`,
      "Pass hub-token or HF_TOKEN.",
    );
  }
  const files: LocalFile[] = [];
  for (const file of request.files) files.push(await hashStaged(file));
  const staging = { transport, target, request, files };
  try {
    const start = await findStart(staging);
    const { base, head } = start;
    if (head?.head !== base.head) return { commit: await findLanded(staging, start) };
    if (isApplied(staging, base, base)) return { commit: base.head };
    return { commit: await add(staging, base, opens) };
  } catch (failure) {
    throw adopt(transport, target, failure);
  }
}

/** What the files are added to, and the head of the branch: the same, unless the branch moved. */
interface Start {
  readonly base: Main;
  readonly head: Main | null;
}

/** Makes the repository and the branch if the caller knows of none. */
async function findStart({ transport, target, request }: Staging): Promise<Start> {
  const subject = { ...target, revision: target.branch };
  if (request.parent !== null) {
    const head = await readHead(transport, subject);
    if (head?.head === request.parent) return { base: head, head };
    return { base: await readCommit(transport, target, request.parent), head };
  }
  const before = await readMain(transport, target.id, "write");
  if (before === null) await create(transport, target, request.private);
  const base = before ?? (await readNewMain(transport, target));
  const isNew = await createBranch(transport, target, base.head);
  return { base, head: isNew ? base : await readHead(transport, subject) };
}

/** The files of a commit. The Hub may have dropped a commit that no branch has any more. */
async function readCommit(
  transport: Transport,
  target: UploadTarget,
  commit: string,
): Promise<Main> {
  const subject = { ...target, revision: commit };
  const tree = await listTree(transport, subject, commit).catch((failure: unknown) => {
    if (failure instanceof OqeError && failure.code === "NOT_FOUND") return new Map();
    throw failure;
  });
  return { head: commit, tree };
}

/** Uploads the large files, then adds everything to the branch. Returns the commit. */
async function add(staging: Staging, base: Main, opens: boolean): Promise<string> {
  const { transport, target, request } = staging;
  const files = staging.files.filter((file) => !isSameFile(base.tree.get(file.path), file));
  const large = await askForLarge(transport, target, files);
  const staged = files.filter((file) => large.has(file.path));
  const { report } = transport.patience;
  const tick = inSteps((done, total) => report.tick(done, total, "bytes uploaded"));
  await stage(transport, target, staged, tick);
  const change = {
    title: request.title,
    description: "",
    parent: base.head,
    staged,
    inline: files.filter((file) => !large.has(file.path)),
    deleted: request.deleted.filter((path) => base.tree.has(path)),
    opens,
  };
  try {
    return await seal(transport, target, change);
  } catch (failure) {
    const known = adopt(transport, target, failure);
    if (opens || !(known instanceof OqeError) || !["CONFLICT", "NETWORK"].includes(known.code))
      throw known;
    const head = await readHead(transport, { ...target, revision: target.branch }).catch(
      () => base,
    );
    if (head?.head === base.head) throw known;
    return findLanded(staging, { base, head });
  }
}

/**
 * The head of a branch that moved, if it has exactly what this call adds to `base`: its commit was
 * made and the answer lost, or another run staged the same bytes. Else throws CONFLICT.
 */
async function findLanded(staging: Staging, { base, head }: Start): Promise<string> {
  const { transport, target } = staging;
  if (head !== null && isApplied(staging, base, head)) {
    const where = `${target.id}@${target.branch}`;
    transport.patience.report.info(`${where} has these files already: ${head.head}`);
    return head.head;
  }
  throw await movedBranch(transport, target, { expected: base.head, head });
}

/** Whether `head` has the files of `base`, changed as requested. `.gitattributes` is the Hub's. */
function isApplied({ files, request }: Staging, base: Main, head: Main): boolean {
  const added = new Map(files.map((file) => [file.path, file]));
  const kept = new Map(base.tree);
  for (const path of [...added.keys(), ...request.deleted, ".gitattributes"]) kept.delete(path);
  const others = [...head.tree].filter(([path]) => path !== ".gitattributes" && !added.has(path));
  return (
    files.every((file) => isSameFile(head.tree.get(file.path), file)) &&
    others.length === kept.size &&
    others.every(([path, { oid }]) => kept.get(path)?.oid === oid)
  );
}
