import { type RepoContext, splitRevision } from "./context.ts";
import { refuse } from "./errors.ts";
import type { Reply } from "./exchange.ts";
import { lfsPointer } from "./history.ts";
import { sliceReply } from "./ranges.ts";

/**
 * `GET|HEAD /<id>/resolve/<rev>/<path>`: sends regular files, redirects to the storage origin for
 * LFS files.
 */
export async function resolveFile(context: RepoContext): Promise<Reply> {
  const { repo, hub, rest, request } = context;
  const { commit, path } = splitRevision(repo, rest);
  const entry = commit.tree.get(path);
  if (!entry) throw refuse.noEntry(path, commit.id);
  if (!entry.lfs) {
    const headers = {
      "X-Repo-Commit": commit.id,
      ETag: `"${entry.blob}"`,
      "Content-Type": contentType(path),
    };
    return sliceReply(repo.objects.path(entry.sha256), entry.size, request.headers.range, headers);
  }
  return {
    status: 302,
    headers: {
      "X-Repo-Commit": commit.id,
      "X-Linked-Size": String(entry.size),
      "X-Linked-ETag": `"${entry.sha256}"`,
      ETag: `"${entry.sha256}"`,
      "Accept-Ranges": "bytes",
      Location: hub.storage.downloadUrl(repo, entry.sha256, path.split("/").at(-1)!),
    },
    body: "",
  };
}

/** `GET|HEAD /<id>/raw/<rev>/<path>`: the file in git, which is the pointer of an LFS file. */
export async function rawFile(context: RepoContext): Promise<Reply> {
  const { commit, path } = splitRevision(context.repo, context.rest);
  const entry = commit.tree.get(path);
  if (!entry) throw refuse.noEntry(path, commit.id);
  const headers = {
    "X-Repo-Commit": commit.id,
    ETag: `"${entry.blob}"`,
    "Content-Type": "text/plain; charset=utf-8",
  };
  const { range } = context.request.headers;
  if (!entry.lfs)
    return sliceReply(context.repo.objects.path(entry.sha256), entry.size, range, headers);
  const pointer = Buffer.from(lfsPointer(entry.sha256, entry.size));
  return sliceReply(pointer, pointer.length, range, headers);
}

function contentType(path: string): string {
  return /\.(md|txt|json|jinja|py|yaml|yml|gitattributes)$|(^|\/)(LICENSE|NOTICE)$/i.test(path)
    ? "text/plain; charset=utf-8"
    : "application/octet-stream";
}
