import type { ByteSource, Repository } from "../checkpoint/repository.ts";
import { OqeError } from "../ground/errors.ts";
import type { TreeFile } from "./answers.ts";
import { checkRepositoryId, checkRevision } from "./names.ts";
import { openRemote } from "./range.ts";
import type { Transport } from "./transport.ts";
import { listTree, resolveRevision } from "./tree.ts";

/**
 * A model on the Hub at one commit. The revision is resolved once: changes of its branch during the
 * run have no effect.
 */
export async function pull(
  transport: Transport,
  id: string,
  revision = "main",
): Promise<Repository> {
  checkRepositoryId(id);
  checkRevision(revision);
  const resolved = await resolveRevision(transport, { id, revision, right: "read" });
  if (resolved.id !== id) transport.patience.report.info(`${id} is now called ${resolved.id}`);
  const tree = await listTree(
    transport,
    { id: resolved.id, revision, right: "read" },
    resolved.commit,
  );
  return remoteRepository(transport, resolved.id, resolved.commit, tree);
}

/** A listed commit as a `Repository`. */
export function remoteRepository(
  transport: Transport,
  id: string,
  commit: string,
  tree: ReadonlyMap<string, TreeFile>,
): Repository {
  const files = new Map([...tree].map(([path, { size }]) => [path, size]));
  // One source per file for the whole run: it remembers the storage link, and the Hub limits
  // requests for links (range.ts).
  const sources = new Map<string, ByteSource>();
  return {
    id,
    name: id.slice(id.indexOf("/") + 1),
    revision: commit,
    files,
    sha256: new Map(
      [...tree].flatMap(([path, { sha256 }]) => (sha256 === null ? [] : [[path, sha256]])),
    ),
    blobs: new Map([...tree].flatMap(([path, { oid, sha256 }]) => (sha256 ? [] : [[path, oid]]))),
    async open(path: string): Promise<ByteSource> {
      const size = files.get(path);
      if (size !== undefined) {
        const source = sources.get(path) ?? openRemote(transport, { id, commit, path, size });
        sources.set(path, source);
        return source;
      }
      throw new OqeError(
        "MISSING_FILE",
        `${id}@${commit} has no file ${path}`,
        `Its files are listed at ${transport.endpoint}/${id}/tree/${commit}.`,
      );
    },
  };
}
