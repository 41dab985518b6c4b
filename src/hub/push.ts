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
import { askForLarge, stage, type Target } from "./stage.ts";
import { credentials, type Transport } from "./transport.ts";

/**
 * Publishes a folder: hash → compare with main → create the repo where it is missing → stage the large files → seal all
 * of it in one commit → read main again and compare. Nothing is on main before the seal, and nothing is sent when main
 * holds exactly these files already.
 */
export async function push(transport: Transport, request: PushRequest): Promise<PushResult> {
  const target: Target = { id: checkRepositoryId(request.repository), right: "write" };
  const { report } = transport.patience;
  const url = `${transport.endpoint}/${target.id}`;
  const files = await readFolder(request.folder, (done, total) =>
    report.tick(done, total, "bytes hashed"),
  );
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
        `${target.id} was created and filled by somebody else meanwhile`,
        "Look at it, then run again.",
      );
    }
    const commit = await publish(transport, target, request, main, files);
    await confirm(transport, target, main.head, commit, files);
    return { outcome: "published", commit, url };
  } catch (failure) {
    throw await explainLeftover(transport, target, created, adopt(transport, target, failure));
  }
}

/** What goes up must be what the receipt says: a disk, or another run in the same folder, may have changed it since. */
function checkExpected({ folder, expected }: PushRequest, files: readonly LocalFile[]): void {
  for (const [path, { bytes, sha256 }] of Object.entries(expected)) {
    const found = files.find((file) => file.path === path);
    if (found?.size === bytes && found.sha256 === sha256) continue;
    throw new OqeError(
      "CONFLICT",
      `${folder}/${path} is not the file that the receipt lists (${found === undefined ? "it is gone" : "size or SHA-256 differ"})`,
      "Another run may be using the same work folder. Run again, with a work-dir of its own.",
    );
  }
}

/** The two steps that change the Hub: large files into its storage, then main by one commit. */
async function publish(
  transport: Transport,
  target: Target,
  request: PushRequest,
  main: Main,
  files: readonly LocalFile[],
): Promise<string> {
  const { report } = transport.patience;
  const changed = files.filter((file) => !isSameFile(main.tree.get(file.path), file));
  const kept = new Set(files.map((file) => file.path)).add(".gitattributes");
  const large = await askForLarge(transport, target, changed);
  const staged = changed.filter((file) => large.has(file.path));
  await stage(
    transport,
    target,
    staged,
    inSteps((done, total) => report.tick(done, total, "bytes uploaded")),
  );
  const change = {
    title: request.title,
    description: request.description,
    parent: main.head,
    staged,
    inline: changed.filter((file) => !large.has(file.path)),
    deleted: [...main.tree.keys()].filter((path) => !kept.has(path)),
  };
  try {
    return await seal(transport, target, change);
  } catch (failure) {
    return findLanded(transport, target, main, files, adopt(transport, target, failure));
  }
}

/**
 * After a failed seal: the commit may have landed and only its answer been lost; then a repeat met a moved main (412).
 * Main tells. Returns its head where it holds exactly our files, else throws what happened.
 */
async function findLanded(
  transport: Transport,
  target: Target,
  parent: Main,
  files: readonly LocalFile[],
  failure: unknown,
): Promise<string> {
  if (!(failure instanceof OqeError) || (failure.code !== "CONFLICT" && failure.code !== "NETWORK"))
    throw failure;
  const main = await readMain(transport, target.id, "write").catch(() => null);
  if (main === null) {
    throw new OqeError(
      failure.code,
      failure.message,
      `Whether the commit to ${target.id} landed is not known. Run again: it will say.`,
    );
  }
  if (main.head !== parent.head && isSame(main, files)) {
    transport.patience.report.info(
      `${target.id}: the answer to the commit was lost, but main holds it: ${main.head}`,
    );
    return main.head;
  }
  if (main.head === parent.head) throw failure;
  throw new OqeError(
    "CONFLICT",
    `Somebody else committed to ${target.id} while this run uploaded: main was at ${parent.head} and is at ${main.head}`,
    "Look at that commit, then run again; finished uploads are not sent twice.",
  );
}

/** True where this call made the repo; false where it exists (a race, or a repeat after a lost answer). */
async function create(transport: Transport, target: Target, isPrivate: boolean): Promise<boolean> {
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

/** Main of a repo that was just made; the Hub's readers may see it a moment later. */
function readNewMain(transport: Transport, target: Target): Promise<Main> {
  return retry(transport.patience, `Reading ${target.id}@main`, async () => {
    const main = await readMain(transport, target.id, "write");
    if (main === null)
      throw new Transient("the new repository has no main yet, or the token cannot see it");
    return main;
  });
}

function checkStill(target: Target, request: PushRequest, now: Main | null): void {
  if (now !== null && now.head === request.state.head) return;
  throw new OqeError(
    "CONFLICT",
    `${target.id} changed since this run looked at it: main was at ${request.state.head} and is ${now === null ? "gone" : `at ${now.head}`}`,
    "Look at its history, then run again.",
  );
}

/** Main after the seal, file by file against what was meant. */
async function confirm(
  transport: Transport,
  target: Target,
  parent: string,
  commit: string,
  files: readonly LocalFile[],
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
      ? (["NETWORK", "The Hub holds"] as const)
      : (["CONFLICT", `Somebody else committed ${main.head} after`] as const);
  throw new OqeError(
    code,
    `${who} ${target.id}@${commit}, but main differs from what was sent: ${wrong}`,
    "Look at its history, then run again.",
  );
}

/** Passes a count on when it moved by a hundredth: the library counts every 64 KiB. */
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

/** A failed first publish leaves a new, empty repo (we never delete one): the hint says so. */
async function explainLeftover(
  transport: Transport,
  target: Target,
  created: boolean,
  failure: unknown,
): Promise<unknown> {
  if (!created || !(failure instanceof OqeError)) return failure;
  const main = await readMain(transport, target.id, "write").catch(() => null);
  if (main !== null && !isBlank(main)) return failure;
  const left = `${printable(target.id)} was created by this run and holds nothing yet; the next run fills it.`;
  return new OqeError(
    failure.code,
    failure.message,
    failure.hint === "" ? left : `${failure.hint} ${left}`,
  );
}
