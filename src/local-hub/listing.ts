import { createHash } from "node:crypto";
import * as v from "valibot";
import { flag, list, object } from "../ground/schema.ts";
import { page, type RepoContext, resolveRevision, splitRevision } from "./context.ts";
import { refuse } from "./errors.ts";
import { decodeUtf8, json, jsonLimit, parseBody, type Reply, readBody } from "./exchange.ts";
import { type Commit, dateOf, type FileEntry, lfsPointer, type Tree } from "./history.ts";
import type { StoredRepo } from "./stored-repo.ts";

/**
 * Entries of a page with `expand`. The Hub's pages are shorter too, because each entry needs a walk
 * over commits.
 */
const expandedPage = 50;
const commitsPage = 1000;

interface Item {
  readonly path: string;
  /** Null for a folder. */
  readonly entry: FileEntry | null;
}

/** `GET /api/models/<id>/tree/<rev>[/<folder>]?recursive&expand&limit&cursor` */
export async function tree(context: RepoContext): Promise<Reply> {
  const { commit, path } = splitRevision(context.repo, context.rest);
  const folder = path.replace(/\/$/, "");
  const recursive = isTrue(context.query.get("recursive"));
  const expand = isTrue(context.query.get("expand"));
  const below = itemsBelow(commit.tree, folder);
  if (folder !== "" && below.length === 0) throw refuse.noEntry(folder, commit.id);
  const prefix = folder === "" ? 0 : folder.length + 1;
  const items = recursive ? below : below.filter((item) => !item.path.slice(prefix).includes("/"));
  const most = expand ? Math.min(expandedPage, context.hub.pageSize) : context.hub.pageSize;
  const { shown, headers } = page(context, items, (item) => item.path, most);
  return json(
    shown.map((item) => describe(context.repo, commit, item, expand)),
    200,
    headers,
  );
}

function isTrue(value: unknown): boolean {
  return value === true || /^(true|1)$/i.test(String(value));
}

/** Files and folders below a folder, in path order. */
function itemsBelow(files: Tree, folder: string): Item[] {
  const prefix = folder === "" ? "" : `${folder}/`;
  const items = new Map<string, Item>();
  for (const [path, entry] of files) {
    if (!path.startsWith(prefix)) continue;
    for (
      let slash = path.indexOf("/", prefix.length);
      slash !== -1;
      slash = path.indexOf("/", slash + 1)
    ) {
      const inner = path.slice(0, slash);
      items.set(inner, { path: inner, entry: null });
    }
    items.set(path, { path, entry });
  }
  return [...items.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
}

function describe(repo: StoredRepo, commit: Commit, { path, entry }: Item, expand: boolean) {
  const last = expand ? { lastCommit: lastChange(repo, commit, path) } : {};
  if (entry === null)
    return { type: "directory", oid: folderId(commit.tree, path), size: 0, path, ...last };
  const { blob: oid, size, sha256, lfs } = entry;
  const pointer = lfs
    ? { lfs: { oid: sha256, size, pointerSize: lfsPointer(sha256, size).length } }
    : {};
  return { type: "file", oid, size, ...pointer, path, ...last };
}

/** In place of git's tree id. Like that id it depends on the files below. */
function folderId(files: Tree, folder: string): string {
  const hash = createHash("sha1");
  for (const [path, entry] of files)
    if (path.startsWith(`${folder}/`)) hash.update(`${path}\0${entry.blob}\n`);
  return hash.digest("hex");
}

/** The newest commit on the first-parent line that changed a file or anything in a folder. */
function lastChange(repo: StoredRepo, from: Commit, path: string) {
  const idAt = (commit: Commit) => commit.tree.get(path)?.blob ?? folderId(commit.tree, path);
  let commit = from;
  for (const id = idAt(from); ; ) {
    const parent = commit.parents.length > 0 ? repo.commit(commit.parents[0]!) : undefined;
    if (!parent || idAt(parent) !== id) break;
    commit = parent;
  }
  return { id: commit.id, title: commit.title, date: dateOf(commit) };
}

const pathsRequest = object({ paths: list(v.string("a path")), expand: v.nullish(flag, false) });

/**
 * `POST /api/models/<id>/paths-info/<rev>`: JSON from JavaScript, a form from Python. Leaves out
 * paths that do not exist.
 */
export async function pathsInfo(context: RepoContext): Promise<Reply> {
  const commit = resolveRevision(context.repo, context.params.revision!);
  const text = decodeUtf8(await readBody(context.request, jsonLimit));
  const isForm = context.request.headers["content-type"]?.startsWith(
    "application/x-www-form-urlencoded",
  );
  const form = new URLSearchParams(isForm ? text : "");
  const { paths, expand } = isForm
    ? { paths: form.getAll("paths"), expand: form.get("expand") }
    : parseBody(text, pathsRequest);
  const all = new Map(itemsBelow(commit.tree, "").map((item) => [item.path, item]));
  const found = paths
    .map((path) => all.get(path.replace(/\/$/, "")))
    .filter((item) => item !== undefined);
  return json(found.map((item) => describe(context.repo, commit, item, isTrue(expand))));
}

/** A commit and its ancestors along first parents, newest first. */
function line(repo: StoredRepo, from: Commit): Commit[] {
  const commits: Commit[] = [];
  for (let commit: Commit | undefined = from; commit; commit = repo.commit(commit.parents[0] ?? ""))
    commits.push(commit);
  return commits;
}

/** `GET /api/models/<id>/commits/<rev>?limit&cursor` */
export async function commits(context: RepoContext): Promise<Reply> {
  const { commit, path } = splitRevision(context.repo, context.rest);
  if (path !== "") throw refuse.noRevision(context.rest.join("/"));
  const all = line(context.repo, commit);
  const { shown, headers } = page(
    context,
    all,
    (item) => item.id,
    Math.min(commitsPage, context.hub.pageSize),
  );
  const formatted = context.query.getAll("expand[]").includes("formatted");
  const body = shown.map((item) => ({
    id: item.id,
    title: item.title,
    message: item.message,
    authors: [{ user: item.author, avatar: "" }],
    date: dateOf(item),
    ...(formatted ? { formatted: { title: item.title, message: item.message } } : {}),
  }));
  return json(body, 200, { ...headers, "X-Total-Count": String(all.length) });
}
