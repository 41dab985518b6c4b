import { OqeError } from "../ground/errors.ts";
import { isBlank, isSame, type Main } from "./compare.ts";
import { create, readNewMain } from "./create.ts";
import { adopt } from "./failure.ts";
import { type HashedFile, type LocalFile, readFolder } from "./folder.ts";
import type { PushRequest, PushResult } from "./hub-types.ts";
import { readMain } from "./inspect.ts";
import { checkRepositoryId, printable } from "./names.ts";
import { propose } from "./propose.ts";
import { confirm, type Publication, publish } from "./publication.ts";
import type { UploadTarget } from "./stage.ts";
import type { Transport } from "./transport.ts";

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
    if (request.proposes) return await propose(publication, main);
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
