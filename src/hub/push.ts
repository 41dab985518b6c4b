import { OqeError } from "../ground/errors.ts";
import {
  firstDifference,
  isBlank,
  isSame,
  isSameFile,
  type Main,
  type WantedFiles,
} from "./compare.ts";
import { create, readNewMain } from "./create.ts";
import { adopt } from "./failure.ts";
import { type HashedFile, type LocalFile, readFolder, requireUnchanged } from "./folder.ts";
import type { PushRequest, PushResult } from "./hub-types.ts";
import { readMain } from "./inspect.ts";
import { checkRepositoryId, printable } from "./names.ts";
import { Transient } from "./patience.ts";
import { retry } from "./retry.ts";
import { seal } from "./seal.ts";
import { askForLarge, inSteps, stage, type UploadTarget } from "./stage.ts";
import { checkStored } from "./stored.ts";
import type { Transport } from "./transport.ts";

/** One push: its files and their target. */
interface Publication extends WantedFiles {
  readonly transport: Transport;
  readonly target: UploadTarget;
  readonly request: PushRequest;
  /** Files of the folder. */
  readonly local: readonly LocalFile[];
  /** Files that the storage has already. */
  readonly staged: readonly HashedFile[];
}

/**
 * Publishes a folder. Hashes the files, compares them with main, and creates the repository if it
 * is missing. Uploads the large files, commits everything at once, then reads main again and
 * compares. Main does not change before the commit. Nothing is sent if main has exactly these files
 * already.
 */
export async function push(transport: Transport, request: PushRequest): Promise<PushResult> {
  const target: UploadTarget = {
    id: checkRepositoryId(request.repository),
    branch: "main",
    right: "write",
  };
  const { report } = transport.patience;
  const url = `${transport.endpoint}/${target.id}`;
  const local = await readFolder(request.folder, (done, total) =>
    report.tick(done, total, "bytes hashed"),
  );
  const staged = listStaged(request, local);
  const files = [...local, ...staged];
  const { keep } = request;
  const publication = { transport, target, request, local, staged, files, keep };
  checkExpected(request, files);
  if (transport.access === "none") {
    throw new OqeError(
      "UNAUTHORIZED",
      `Publishing ${target.id} needs a token, and none was given`,
      "Pass hub-token or HF_TOKEN.",
    );
  }
  const before = request.state.exists ? await readMain(transport, target.id, "write") : null;
  if (before !== null && isSame(before, publication))
    return { outcome: "unchanged", commit: before.head, url };
  if (request.state.exists) checkStill(target, request, before);

  const created = before === null && (await create(transport, target, request.private));
  try {
    const main = before ?? (await readNewMain(transport, target));
    if (isSame(main, publication)) return { outcome: "unchanged", commit: main.head, url };
    if (before === null && !isBlank(main)) {
      throw new OqeError(
        "CONFLICT",
        `Somebody else created ${target.id} and committed to it during this run`,
        "Look at the repository, then run again.",
      );
    }
    const commit = await publish(publication, main);
    await confirm(publication, { parent: main.head, commit });
    return { outcome: "published", commit, url };
  } catch (failure) {
    const known = adopt(transport, target, failure);
    throw created ? await explainLeftover(publication, known) : known;
  }
}

/** Files that the storage has already. Throws BAD_INPUT if the folder has one of them too. */
function listStaged(request: PushRequest, local: readonly LocalFile[]): HashedFile[] {
  const both = local.find(({ path }) => Object.hasOwn(request.staged ?? {}, path));
  if (both !== undefined)
    throw new OqeError("BAD_INPUT", `${both.path} is staged, and in ${request.folder} as well`);
  return Object.entries(request.staged ?? {}).map(([path, { bytes, sha256 }]) => {
    return { path, size: bytes, sha256, oid: null };
  });
}

/**
 * The files must be those that this run made: the disk or another run may have changed them since.
 * None of them may be where others have theirs.
 */
function checkExpected(request: PushRequest, files: readonly HashedFile[]): void {
  const { folder, expected, keep, repository } = request;
  const found = new Map(files.map(({ path, sha256 }) => [path, sha256]));
  for (const path of new Set([...expected.keys(), ...found.keys()])) {
    if (found.get(path) === expected.get(path)) continue;
    const fault = !found.has(path) ? "gone" : expected.has(path) ? "another one" : "new";
    throw new OqeError(
      "CONFLICT",
      `${folder}/${path} is not as this run made it: it is ${fault}`,
      "Another run may be using the same work folder. Run again, with a work-dir of its own.",
    );
  }
  const taken = keep.find((path) => found.has(path));
  if (taken === undefined) return;
  throw new OqeError(
    "NOT_OURS",
    `${repository} has a file ${taken} that oqe-publisher did not write`,
    "Remove or rename it there, or set overwrite to replace it.",
  );
}

/** Uploads the large files, then commits all changes to main. Returns the commit. */
async function publish(publication: Publication, main: Main): Promise<string> {
  const { transport, target, request, files, keep } = publication;
  const isNew = (file: HashedFile) => !isSameFile(main.tree.get(file.path), file);
  const changed = publication.local.filter(isNew);
  const staged = publication.staged.filter(isNew);
  const paths = new Set([...files.map((file) => file.path), ...keep, ".gitattributes"]);
  await checkStored(transport, target, staged);
  const large = await askForLarge(transport, target, changed);
  const sent = changed.filter((file) => large.has(file.path));
  const tick = inSteps((done, total) =>
    transport.patience.report.tick(done, total, "bytes uploaded"),
  );
  await stage(transport, target, sent, tick).finally(() => requireUnchanged(sent));
  const change = {
    title: request.title,
    description: request.description,
    parent: main.head,
    staged: [...sent, ...staged],
    inline: changed.filter((file) => !large.has(file.path)),
    deleted: [...main.tree.keys()].filter((path) => !paths.has(path)),
  };
  try {
    return await seal(transport, target, change);
  } catch (failure) {
    return findLanded(publication, main, adopt(transport, target, failure));
  }
}

/**
 * The commit after a failed request for it. The commit may have been made and only its answer lost;
 * a repeated request then fails because main has moved (412). Returns the head of main if main has
 * exactly our files, else throws the failure.
 */
async function findLanded(
  publication: Publication,
  parent: Main,
  failure: unknown,
): Promise<string> {
  const { transport, target } = publication;
  if (!(failure instanceof OqeError) || (failure.code !== "CONFLICT" && failure.code !== "NETWORK"))
    throw failure;
  const main = await readMain(transport, target.id, "write").catch(() => null);
  if (main === null) {
    throw new OqeError(
      failure.code,
      failure.message,
      `Whether ${target.id} has the commit is not known. Run again: the next run finds out.`,
    );
  }
  if (main.head !== parent.head && isSame(main, publication)) {
    const why = "the answer to the commit was lost, or another run made it";
    transport.patience.report.info(`${target.id}: ${why}; main has these files: ${main.head}`);
    return main.head;
  }
  if (main.head === parent.head) throw failure;
  throw new OqeError(
    "CONFLICT",
    `Somebody else committed to ${target.id} during the upload: ` +
      `main was at ${parent.head} and is at ${main.head}`,
    "Look at that commit, then run again; finished uploads are not sent twice.",
  );
}

function checkStill(target: UploadTarget, request: PushRequest, now: Main | null): void {
  if (now !== null && now.head === request.state.head) return;
  const change = now === null ? "gone" : `at ${now.head}`;
  throw new OqeError(
    "CONFLICT",
    `${target.id} changed since this run read it: ` +
      `main was at ${request.state.head} and is ${change}`,
    "Look at its history, then run again.",
  );
}

/** Compares main with the folder, file by file, once main shows the commit. */
async function confirm(
  publication: Publication,
  { parent, commit }: { readonly parent: string; readonly commit: string },
): Promise<void> {
  const { transport, target } = publication;
  const main = await retry(transport.patience, `Reading ${target.id}@main`, async () => {
    const seen = await readMain(transport, target.id, "write");
    if (seen === null || seen.head === parent)
      throw new Transient("main does not show the commit yet");
    return seen;
  });
  const wrong = firstDifference(main, publication);
  if (wrong === null) return;
  const [code, who] =
    main.head === commit
      ? (["NETWORK", "The Hub has"] as const)
      : (["CONFLICT", `Somebody else committed ${main.head} after`] as const);
  throw new OqeError(
    code,
    `${who} ${target.id}@${commit}, but main differs from what was sent: ${wrong}`,
    "Look at its history, then run again.",
  );
}

/**
 * Adds to the hint that a failed first push leaves a new, empty repository behind. We never delete
 * a repository.
 */
async function explainLeftover(
  { transport, target }: Publication,
  failure: unknown,
): Promise<unknown> {
  if (!(failure instanceof OqeError)) return failure;
  const main = await readMain(transport, target.id, "write").catch(() => null);
  if (main !== null && !isBlank(main)) return failure;
  const left =
    `This run created ${printable(target.id)}, which is still empty; ` + "the next run fills it.";
  return new OqeError(
    failure.code,
    failure.message,
    failure.hint === "" ? left : `${failure.hint} ${left}`,
  );
}
