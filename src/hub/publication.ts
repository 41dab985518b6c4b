import { OqeError } from "../ground/errors.ts";
import { firstDifference, isSame, isSameFile, type Main, type WantedFiles } from "./compare.ts";
import { adopt } from "./failure.ts";
import { type HashedFile, type LocalFile, requireUnchanged } from "./folder.ts";
import type { PushRequest } from "./hub-types.ts";
import { readHead } from "./inspect.ts";
import { Transient } from "./patience.ts";
import { retry } from "./retry.ts";
import { seal } from "./seal.ts";
import { askForLarge, inSteps, stage, type UploadTarget } from "./stage.ts";
import { checkStored } from "./stored.ts";
import type { Transport } from "./transport.ts";

/** One push: its files and their target. */
export interface Publication extends WantedFiles {
  readonly transport: Transport;
  readonly target: UploadTarget;
  readonly request: PushRequest;
  /** Files of the folder. */
  readonly local: readonly LocalFile[];
  /** Files that the storage has already. */
  readonly staged: readonly HashedFile[];
}

/** Uploads the large files, then commits all changes. Returns the commit. */
export async function publish(
  publication: Publication,
  main: Main,
  opens = false,
): Promise<string> {
  const { transport, target, request, files, keep } = publication;
  const isNew = (file: HashedFile) => !isSameFile(main.tree.get(file.path), file);
  const changed = publication.local.filter(isNew);
  const staged = publication.staged.filter(isNew);
  const paths = new Set([...files.map((file) => file.path), ...keep, ".gitattributes"]);
  // The storage is that of the repository, whichever branch refers to it.
  const storage = { ...target, branch: "main" };
  await checkStored(transport, storage, staged);
  const large = await askForLarge(transport, storage, changed);
  const sent = changed.filter((file) => large.has(file.path));
  const tick = inSteps((done, total) =>
    transport.patience.report.tick(done, total, "bytes uploaded"),
  );
  await stage(transport, storage, sent, tick).finally(() => requireUnchanged(sent));
  const change = {
    title: request.title,
    description: request.description,
    parent: main.head,
    staged: [...sent, ...staged],
    inline: changed.filter((file) => !large.has(file.path)),
    deleted: [...main.tree.keys()].filter((path) => !paths.has(path)),
    opens,
  };
  try {
    return await seal(transport, target, change);
  } catch (failure) {
    if (opens) throw failure;
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
  const main = await readTarget(publication).catch(() => null);
  if (main === null) {
    throw new OqeError(
      failure.code,
      failure.message,
      `Whether ${target.id} has the commit is not known. Run again: the next run finds out.`,
    );
  }
  if (main.head !== parent.head && isSame(main, publication)) {
    const why = "the answer to the commit was lost, or another run made it";
    transport.patience.report.info(
      `${target.id}: ${why}; ${target.branch} has these files: ${main.head}`,
    );
    return main.head;
  }
  if (main.head === parent.head) throw failure;
  throw new OqeError(
    "CONFLICT",
    `Somebody else committed to ${target.id} during the upload: ` +
      `${target.branch} was at ${parent.head} and is at ${main.head}`,
    "Look at that commit, then run again; finished uploads are not sent twice.",
  );
}

/** The branch that the commit went to. */
function readTarget({ transport, target }: Publication): Promise<Main | null> {
  return readHead(transport, { ...target, revision: target.branch });
}

/** Compares main with the folder, file by file, once main shows the commit. */
export async function confirm(
  publication: Publication,
  { parent, commit }: { readonly parent: string; readonly commit: string },
): Promise<void> {
  const { transport, target } = publication;
  const { branch } = target;
  const main = await retry(transport.patience, `Reading ${target.id}@${branch}`, async () => {
    const seen = await readTarget(publication);
    if (seen === null || seen.head === parent)
      throw new Transient(`${branch} does not show the commit yet`);
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
    `${who} ${target.id}@${commit}, but ${branch} differs from what was sent: ${wrong}`,
    "Look at its history, then run again.",
  );
}
