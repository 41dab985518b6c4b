import * as v from "valibot";
import { flag, line, list, object } from "../ground/schema.ts";
import { checkMayCreate, checkMayRead, checkMayWrite, describeUser, mayRead } from "./auth.ts";
import { type Context, page, type RepoContext, resolveRevision } from "./context.ts";
import { refuse } from "./errors.ts";
import { json, type Reply, readJson } from "./exchange.ts";
import { checkFrontMatter, readFrontMatter } from "./front-matter.ts";
import { type Commit, dateOf, type FileEntry, lfsPointer, sha256Of } from "./history.ts";
import { checkId, checkPath } from "./names.ts";
import type { StoredRepo } from "./stored-repo.ts";

/** `GET /api/whoami-v2` */
export async function whoami(context: Context): Promise<Reply> {
  if (!context.user) throw refuse.unauthorized();
  const every = [...new Set(context.hub.store.all().map((repo) => repo.namespace))];
  return json(describeUser(context.user, every));
}

/**
 * `POST /api/validate-yaml`: status 400 with `errors`, else 200. Python's client reads the status,
 * others the lists.
 */
export async function validateYaml(context: Context): Promise<Reply> {
  const { content } = await readJson(context.request, card);
  const { errors, warnings } = checkFrontMatter(content);
  const messages = (list: readonly string[]) => list.map((message) => ({ message }));
  return json(
    { errors: messages(errors), warnings: messages(warnings) },
    errors.length > 0 ? 400 : 200,
  );
}

const card = object({ content: v.string("text") });
const repoName = {
  name: line,
  organization: v.nullish(line),
  type: v.nullish(line, "model"),
};
const newRepo = object({
  ...repoName,
  private: v.nullish(flag, false),
  visibility: v.nullish(line),
  license: v.nullish(line),
  files: v.nullish(
    list(object({ path: line, content: v.string("text"), encoding: v.nullish(line) })),
    [],
  ),
});
const namedRepo = object(repoName);

/** The repository that a create or delete request names. The default organization is the user. */
function idOf(context: Context, body: v.InferOutput<typeof namedRepo>): string {
  const { name, organization, type } = body;
  if (!context.user) throw refuse.unauthorized();
  if (type !== "model")
    throw refuse.badRequest("This local Hub makes models only; its datasets are folders");
  return checkId(organization ?? context.user.name, name);
}

/** `POST /api/repos/create` */
export async function createRepo(context: Context): Promise<Reply> {
  const body = await readJson(context.request, newRepo);
  const id = idOf(context, body);
  checkMayCreate(context.user, id.split("/")[0]!);
  const isPrivate = body.private || body.visibility === "private";
  const files = new Map<string, Uint8Array>();
  if (body.license) files.set("README.md", Buffer.from(`---\nlicense: ${body.license}\n---\n`));
  for (const { path, content, encoding } of body.files) {
    const bytes = Buffer.from(content, encoding === "base64" ? "base64" : "utf8");
    files.set(checkPath(path), bytes);
  }
  await context.hub.store.create(id, isPrivate, files, context.origin);
  return json({ url: `${context.origin}/${id}`, name: id, id });
}

/** `DELETE /api/repos/delete` */
export async function deleteRepo(context: Context): Promise<Reply> {
  const id = idOf(context, await readJson(context.request, namedRepo));
  const repo = checkMayRead(context.user, context.hub.store.get(id));
  checkMayWrite(context.user, repo);
  await context.hub.store.remove(id);
  return { status: 200, body: "OK" };
}

/** `GET /api/models/<id>[/revision/<rev>]?expand…&blobs`, and the same of a dataset. */
export async function repoInfo(context: RepoContext): Promise<Reply> {
  const { repo, query } = context;
  const commit = resolveRevision(repo, context.params.revision ?? "main");
  const full = await describeRepo(context, repo, commit);
  const asked = [...query.getAll("expand"), ...query.getAll("expand[]")];
  if (asked.length > 0) {
    const chosen = Object.entries(full).filter(
      ([key]) => key === "_id" || key === "id" || asked.includes(key),
    );
    return json(Object.fromEntries(chosen));
  }
  const withBlobs = /^(true|1)$/i.test(query.get("blobs") ?? "");
  const siblings = [...commit.tree].map(([path, entry]) => ({
    rfilename: path,
    ...(withBlobs ? blobOf(entry) : {}),
  }));
  return json({ ...full, siblings });
}

function blobOf({ size, blob, sha256, lfs }: FileEntry) {
  return {
    size,
    blobId: blob,
    ...(lfs ? { lfs: { sha256, size, pointerSize: lfsPointer(sha256, size).length } } : {}),
  };
}

async function describeRepo(context: Context, repo: StoredRepo, commit: Commit) {
  const cardData = await cardDataOf(repo, commit);
  const text = (key: string) =>
    typeof cardData?.[key] === "string" ? { [key]: cardData[key] } : {};
  return {
    _id: sha256Of(repo.id).slice(0, 24),
    id: repo.apiId,
    ...(repo.isDataset ? {} : { modelId: repo.apiId }),
    author: repo.namespace,
    sha: commit.id,
    createdAt: "2024-01-01T00:00:00.000Z",
    lastModified: dateOf(commit),
    private: repo.state.private,
    gated: Object.hasOwn(context.hub.gated, repo.id) ? "manual" : false,
    disabled: false,
    downloads: 0,
    likes: 0,
    tags: tagsOf(cardData, commit),
    ...text("pipeline_tag"),
    ...text("library_name"),
    ...(cardData ? { cardData } : {}),
    siblings: [...commit.tree.keys()].map((rfilename) => ({ rfilename })),
    spaces: [],
  };
}

async function cardDataOf(
  repo: StoredRepo,
  commit: Commit,
): Promise<Record<string, unknown> | null> {
  const entry = commit.tree.get("README.md");
  if (!entry || entry.lfs) return null;
  return readFrontMatter((await repo.objects.read(entry.sha256)).toString("utf8"));
}

/**
 * Tags of a model on the Hub: those of the card, and those that follow from its other keys and
 * files.
 */
function tagsOf(card: Record<string, unknown> | null, commit: Commit): string[] {
  const strings = (value: unknown) =>
    (Array.isArray(value) ? value : [value]).filter((item) => typeof item === "string");
  const bases = strings(card?.base_model);
  const relation = typeof card?.base_model_relation === "string" ? card.base_model_relation : null;
  return [
    ...new Set([
      ...strings(card?.library_name),
      ...([...commit.tree.keys()].some((path) => path.endsWith(".safetensors"))
        ? ["safetensors"]
        : []),
      ...strings(card?.tags),
      ...strings(card?.pipeline_tag),
      ...strings(card?.language),
      ...bases.map((id) => `base_model:${id}`),
      ...(relation ? bases.map((id) => `base_model:${relation}:${id}`) : []),
      ...strings(card?.license).map((id) => `license:${id}`),
    ]),
  ];
}

/** `GET /api/models?author&search&filter&limit` */
export async function listModels(context: Context): Promise<Reply> {
  const { query, hub, user } = context;
  const search = query.get("search")?.toLowerCase() ?? "";
  const author = query.get("author");
  const filters = query.getAll("filter").flatMap((filter) => filter.split(","));
  const found = [];
  for (const repo of hub.store.all()) {
    if (repo.isDataset || !mayRead(user, repo) || !repo.id.toLowerCase().includes(search)) continue;
    if (author !== null && !repo.id.startsWith(`${author}/`)) continue;
    const {
      siblings: _siblings,
      spaces: _spaces,
      ...model
    } = await describeRepo(context, repo, repo.resolve("main")!);
    if (filters.every((filter) => model.tags.includes(filter))) found.push(model);
  }
  const { shown, headers } = page(context, found, (model) => model.id, hub.pageSize);
  return json(shown, 200, headers);
}
