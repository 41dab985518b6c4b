import { createRepo } from "@huggingface/hub";
import { OqeError } from "../ground/errors.ts";
import { firstDifference, isBlank, isSame, isSameFile, type Main } from "./compare.ts";
import { adopt, strictFetch } from "./failure.ts";
import { type LocalFile, readFolder } from "./folder.ts";
import type { PushRequest, PushResult } from "./hub-types.ts";
import { readMain } from "./inspect.ts";
import { checkRepositoryId, printable } from "./names.ts";
import { retry, Transient } from "./retry.ts";
import { seal } from "./seal.ts";
import { askForLarge, stage, type UploadTarget } from "./stage.ts";
import { credentials, type Transport } from "./transport.ts";

/** One push: the folder and its target. */
interface Publication {
  readonly transport: Transport;
  readonly target: UploadTarget;
  readonly request: PushRequest;
  readonly files: readonly LocalFile[];
}

/**
 * Publishes a folder. Hashes the files, compares them with main, and creates the repository if it
 * is missing. Uploads the large files, commits everything at once, then reads main again and
 * compares. Main does not change before the commit. Nothing is sent if main has exactly these files
 * already.
 */
export async function push(transport: Transport, request: PushRequest): Promise<PushResult> {
  const target: UploadTarget = { id: checkRepositoryId(request.repository), right: "write" };
  const { report } = transport.patience;
  const url = `${transport.endpoint}/${target.id}`;
  const files = await readFolder(request.folder, (done, total) =>
    report.tick(done, total, "bytes hashed"),
  );
  const publication = { transport, target, request, files };
  checkExpected(request, files);
  if (!transport.authenticated) {
    throw new OqeError(
      "UNAUTHORIZED",
      `Publishing ${target.id} needs a token, and none was given`,
      "Pass hub-token or HF_TOKEN.",
    );
  }
  const before = request.state.exists ? await readMain(transport, target.id, "write") : null;
  if (before !== null && isSame(before, files))
    return { outcome: "unchanged", commit: before.head, url };
  if (request.state.exists) checkStill(target, request, before);

  const created = before === null && (await create(transport, target, request.private));
  try {
    const main = before ?? (await readNewMain(transport, target));
    if (isSame(main, files)) return { outcome: "unchanged", commit: main.head, url };
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

/** The files must be those of the receipt: the disk or another run may have changed them since. */
function checkExpected({ folder, expected }: PushRequest, files: readonly LocalFile[]): void {
  for (const [path, { bytes, sha256 }] of Object.entries(expected)) {
    const found = files.find((file) => file.path === path);
    if (found?.size === bytes && found.sha256 === sha256) continue;
    const fault = found === undefined ? "it is gone" : "size or SHA-256 differ";
    throw new OqeError(
      "CONFLICT",
      `${folder}/${path} is not the file that the receipt lists (${fault})`,
      "Another run may be using the same work folder. Run again, with a work-dir of its own.",
    );
  }
}

/** Uploads the large files, then commits all changes to main. Returns the commit. */
async function publish(publication: Publication, main: Main): Promise<string> {
  const { transport, target, request, files } = publication;
  const changed = files.filter((file) => !isSameFile(main.tree.get(file.path), file));
  const paths = new Set(files.map((file) => file.path)).add(".gitattributes");
  const large = await askForLarge(transport, target, changed);
  const staged = changed.filter((file) => large.has(file.path));
  const tick = inSteps((done, total) =>
    transport.patience.report.tick(done, total, "bytes uploaded"),
  );
  await stage(transport, target, staged, tick);
  const change = {
    title: request.title,
    description: request.description,
    parent: main.head,
    staged,
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
  { transport, target, files }: Publication,
  parent: Main,
  failure: unknown,
): Promise<string> {
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
  if (main.head !== parent.head && isSame(main, files)) {
    transport.patience.report.info(
      `${target.id}: the answer to the commit was lost, but main has it: ${main.head}`,
    );
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

/** True if this call made the repository; false if it exists (a race, or a lost answer). */
async function create(
  transport: Transport,
  target: UploadTarget,
  isPrivate: boolean,
): Promise<boolean> {
  try {
    await createRepo({
      repo: { type: "model", name: target.id },
      visibility: isPrivate ? "private" : "public",
      hubUrl: transport.endpoint,
      fetch: strictFetch(transport, target),
      ...(credentials(transport) as { accessToken: string }),
    });
    return true;
  } catch (failure) {
    const known = adopt(transport, target, failure);
    if (known instanceof OqeError && known.code === "CONFLICT") return false;
    throw known;
  }
}

/** Main of a repository that was just made. The Hub may show it only a moment later. */
function readNewMain(transport: Transport, target: UploadTarget): Promise<Main> {
  return retry(transport.patience, `Reading ${target.id}@main`, async () => {
    const main = await readMain(transport, target.id, "write");
    if (main === null)
      throw new Transient("the new repository has no main yet, or the token cannot see it");
    return main;
  });
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
  { transport, target, files }: Publication,
  { parent, commit }: { readonly parent: string; readonly commit: string },
): Promise<void> {
  const main = await retry(transport.patience, `Reading ${target.id}@main`, async () => {
    const seen = await readMain(transport, target.id, "write");
    if (seen === null || seen.head === parent)
      throw new Transient("main does not show the commit yet");
    return seen;
  });
  const wrong = firstDifference(main, files);
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

/** Passes a count on after every hundredth: the library counts every 64 KiB. */
function inSteps(
  tick: (done: number, total: number) => void,
): (done: number, total: number) => void {
  let last = -1;
  return (done, total) => {
    const step = Math.floor((done / Math.max(1, total)) * 100);
    if (step <= last) return;
    last = step;
    tick(Math.min(Math.round(done), total), total);
  };
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
