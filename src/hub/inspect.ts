import { type Repository, readBytes, readText } from "../checkpoint/repository.ts";
import { OqeError } from "../ground/errors.ts";
import type { Main } from "./compare.ts";
import type { Subject } from "./failure.ts";
import type { RemoteState } from "./hub-types.ts";
import { cardPath, receiptPath } from "./hub-types.ts";
import { checkRepositoryId } from "./names.ts";
import { remoteRepository } from "./pull.ts";
import { parseSums, type Sums, sha256Of, sumsPath } from "./sums.ts";
import type { Transport } from "./transport.ts";
import { listTree, resolveRevision } from "./tree.ts";

/** A receipt has some hundred kilobytes (one line per module). A larger file is not ours. */
const largestRead = 32 << 20;
/** A card has some ten kilobytes, and what people write in it. */
const largestCard = 4 << 20;

/** Head and files of main; null if there is no such repository. Throws for statuses 401 and 403. */
export function readMain(
  transport: Transport,
  repository: string,
  right: "read" | "write",
): Promise<Main | null> {
  return readHead(transport, { id: checkRepositoryId(repository), revision: "main", right });
}

/** The same of any branch, which `revision` names; null also if there is no such branch. */
export async function readHead(
  transport: Transport,
  subject: Subject & { readonly id: string; readonly revision: string },
): Promise<Main | null> {
  const repository = subject.id;
  try {
    const { id, commit } = await resolveRevision(transport, subject);
    if (id !== repository) {
      // The Hub redirects an old name to the new one, so a push to it would change the renamed
      // repository.
      throw new OqeError(
        "CONFLICT",
        `${repository} is now called ${id} on the Hub`,
        "Publish under that name, or under a new one.",
      );
    }
    return { head: commit, tree: await listTree(transport, subject, commit) };
  } catch (failure) {
    if (failure instanceof OqeError && failure.code === "NOT_FOUND") return null;
    throw failure;
  }
}

/** The state of main, with the receipt that marks it as ours. */
export async function inspect(transport: Transport, repository: string): Promise<RemoteState> {
  const main = await readMain(transport, repository, "read");
  if (main === null)
    return { exists: false, head: null, files: new Map(), sums: null, ...unmarked };
  return readState(transport, repository, main);
}

/** The same of any commit. */
export async function readState(
  transport: Transport,
  repository: string,
  main: Main,
): Promise<RemoteState> {
  const remote = remoteRepository(transport, repository, main.head, main.tree);
  const read = (path: string) =>
    main.tree.has(path) ? readText(remote, path, largestRead) : Promise.resolve(null);
  const text = await read(sumsPath);
  const sums = text === null ? null : parseSums(text);
  const files = await hashFiles(remote, main.tree, sums);
  const found = { exists: true, head: main.head, files, sums };
  const receipt = await read(receiptPath);
  if (receipt === null) return { ...found, ...unmarked };
  const isRead = (main.tree.get(cardPath)?.size ?? 0) <= largestCard;
  return { ...found, receipt, card: isRead ? await read(cardPath) : null };
}

/** A repository that nothing marks as ours. */
const unmarked = { receipt: null, card: null };

/**
 * Size and SHA-256 of every file. The listing has the SHA-256 of large files only. Small ones that
 * `sums` names are read.
 */
async function hashFiles(
  remote: Repository,
  tree: Main["tree"],
  sums: Sums | null,
): Promise<RemoteState["files"]> {
  const files = new Map<string, { size: number; sha256: string | null }>();
  for (const [path, { size, sha256 }] of tree) {
    const isRead = sha256 === null && sums?.has(path) === true && size <= largestRead;
    const hash = isRead ? sha256Of(await readBytes(remote, path, largestRead)) : sha256;
    files.set(path, { size, sha256: hash });
  }
  return files;
}
