import * as v from "valibot";
import { count, flag, line, object } from "../ground/schema.ts";
import { checkMayCreate, checkMayRead, mayRead } from "./auth.ts";
import type { Collection, CollectionItem } from "./collection-store.ts";
import { type Context, page } from "./context.ts";
import { refuse } from "./errors.ts";
import { json, type Reply, readJson } from "./exchange.ts";
import { sha256Of } from "./history.ts";
import { datasetsRoot } from "./names.ts";

/** Longest texts that the Hub takes, in characters. */
const longest = { title: 59, description: 150, note: 500 } as const;

/** A listing has this many items of each collection. */
const listedItems = 4;

const text = (most: number) =>
  v.pipe(v.string("text"), v.maxLength(most, `text of at most ${most} characters`));
const title = v.pipe(text(longest.title), v.minLength(1, "a title"));
const newCollection = object({
  title,
  namespace: line,
  description: v.nullish(text(longest.description), ""),
  private: v.nullish(flag, false),
});
const changedCollection = object({
  title: v.nullish(title),
  description: v.nullish(text(longest.description)),
  private: v.nullish(flag),
});
const newItem = object({
  item: object({ type: line, id: line }),
  note: v.nullish(text(longest.note)),
});
const changedItem = object({
  note: v.nullish(text(longest.note)),
  position: v.nullish(count),
});

/** `GET /api/collections?owner&item&q&limit` */
export async function listCollections(context: Context): Promise<Reply> {
  const { query, hub } = context;
  const owners = query.getAll("owner");
  const items = query.getAll("item");
  const words = query.get("q")?.toLowerCase() ?? "";
  const found = hub.collections.all().filter((one) => {
    const has = (wanted: string) =>
      one.items.some((own) => `${own.type}s/${own.repository}` === wanted);
    const said = `${one.title}\n${one.description}`.toLowerCase();
    return (
      maySee(context, one) &&
      (owners.length === 0 || owners.includes(one.namespace)) &&
      (items.length === 0 || items.some(has)) &&
      said.includes(words)
    );
  });
  const { shown, headers } = page(context, found, ({ slug }) => slug, Math.min(100, hub.pageSize));
  const listed = shown.map((one) => describe(context, one, listedItems));
  return json(listed, 200, headers);
}

/** `POST /api/collections` `{title, namespace, description?, private?}` */
export async function createCollection(context: Context): Promise<Reply> {
  const body = await readJson(context.request, newCollection);
  checkMayCreate(context.user, body.namespace);
  return json(describe(context, await context.hub.collections.create(body)));
}

/** `GET /api/collections/<namespace>/<name>-<id>` */
export async function readCollection(context: Context): Promise<Reply> {
  return json(describe(context, find(context)));
}

/** `PATCH /api/collections/<slug>` `{title?, description?, private?}` */
export async function changeCollection(context: Context): Promise<Reply> {
  const { slug } = findOwn(context);
  const body = await readJson(context.request, changedCollection);
  const changed = await context.hub.collections.update(slug, (now) => ({
    ...now,
    title: body.title ?? now.title,
    description: body.description ?? now.description,
    private: body.private ?? now.private,
  }));
  return json({ success: true, data: describe(context, changed) });
}

/** `DELETE /api/collections/<slug>` */
export async function deleteCollection(context: Context): Promise<Reply> {
  await context.hub.collections.remove(findOwn(context).slug);
  return json({ success: true });
}

/** `POST /api/collections/<slug>/items` `{item: {type, id}, note?}`: behind the others. */
export async function addItem(context: Context): Promise<Reply> {
  const { slug } = findOwn(context);
  const { item, note = null } = await readJson(context.request, newItem);
  const { type, id: repository } = item;
  if (type !== "model" && type !== "dataset")
    throw refuse.badRequest("This local Hub puts models and datasets only into collections");
  const key = type === "dataset" ? `${datasetsRoot}/${repository}` : repository;
  checkMayRead(context.user, context.hub.store.get(key));
  const changed = await context.hub.collections.update(slug, (now) => {
    if (now.items.some((one) => one.type === type && one.repository === repository))
      throw refuse.conflict("This item is already in the collection");
    const id = sha256Of(`${slug}/${type}/${repository}/${now.items.length}`).slice(0, 24);
    return { ...now, items: [...now.items, { id, type, repository, note }] };
  });
  return json(describe(context, changed));
}

/** `PATCH /api/collections/<slug>/items/<id>` `{note?, position?}` */
export async function changeItem(context: Context): Promise<Reply> {
  const { slug } = findOwn(context);
  const { note, position } = await readJson(context.request, changedItem);
  await context.hub.collections.update(slug, (now) => {
    const own = findItem(context, now);
    const changed = { ...own, note: note ?? own.note };
    const others = now.items.filter((one) => one !== own);
    const at = position ?? now.items.indexOf(own);
    return { ...now, items: [...others.slice(0, at), changed, ...others.slice(at)] };
  });
  return json({ success: true });
}

/** `DELETE /api/collections/<slug>/items/<id>` */
export async function deleteItem(context: Context): Promise<Reply> {
  const { slug } = findOwn(context);
  await context.hub.collections.update(slug, (now) => {
    const own = findItem(context, now);
    return { ...now, items: now.items.filter((one) => one !== own) };
  });
  return json({ success: true });
}

function findItem({ params }: Context, { items }: Collection): CollectionItem {
  const found = items.find(({ id }) => id === params.item);
  if (found === undefined) throw refuse.noEntry(`item ${params.item}`);
  return found;
}

/** Throws 404 for a collection that is missing or that the user may not see. */
function find(context: Context): Collection {
  const { namespace, name } = context.params;
  const slug = `${namespace}/${name}`;
  const found = context.hub.collections.get(slug);
  if (!maySee(context, found)) throw refuse.noCollection(slug);
  return found;
}

/** The same, and 401 or 403 for one that the user may not change. */
function findOwn(context: Context): Collection {
  const found = find(context);
  checkMayCreate(context.user, found.namespace);
  return found;
}

function maySee(context: Context, { private: isPrivate, namespace }: Collection): boolean {
  if (!isPrivate) return true;
  try {
    checkMayCreate(context.user, namespace);
    return true;
  } catch {
    return false;
  }
}

/** Items whose repository is gone, or that the user may not see, are left out, as on the Hub. */
function describe(context: Context, collection: Collection, most = Number.POSITIVE_INFINITY) {
  const { slug, namespace, title, description, private: isPrivate } = collection;
  const visible = collection.items.filter(({ type, repository }) => {
    const key = type === "dataset" ? `${datasetsRoot}/${repository}` : repository;
    return mayRead(context.user, context.hub.store.get(key));
  });
  return {
    slug,
    title,
    ...(description === "" ? {} : { description }),
    gating: false,
    lastUpdated: "2024-01-01T00:00:00.000Z",
    owner: { type: "org", name: namespace, fullname: namespace, avatarUrl: "" },
    items: visible.slice(0, most).map(({ id, type, repository, note }, position) => ({
      _id: id,
      position,
      type,
      repoType: type,
      id: repository,
      author: repository.split("/")[0],
      ...(note === null ? {} : { note: { html: note, text: note } }),
    })),
    theme: "orange",
    private: isPrivate,
    // Only the whole collection says this.
    ...(most < Number.POSITIVE_INFINITY
      ? {}
      : { position: 0, shareUrl: `${context.origin}/collections/${slug}` }),
    upvotes: 0,
    isUpvotedByUser: false,
  };
}
