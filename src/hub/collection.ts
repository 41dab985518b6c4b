import { createHash } from "node:crypto";
import { createCollection, listCollections } from "@huggingface/hub";
import type * as v from "valibot";
import { OqeError } from "../ground/errors.ts";
import { answers, parseAnswer, readAnswer } from "./answers.ts";
import { isMade } from "./create.ts";
import { adopt, strictFetch } from "./failure.ts";
import type { CollectionRequest, CollectionResult } from "./hub-types.ts";
import { checkRepositoryId } from "./names.ts";
import type { UploadTarget } from "./stage.ts";
import { authorization, credentials, type Transport } from "./transport.ts";

/** Longest texts that the Hub takes, in characters. */
const longest = { title: 59, description: 150 } as const;
/** More collections of one owner than this are an endless listing. */
const collectionLimit = 10_000;
/** End of the note of an item that we added. An item with another note belongs to people. */
const ourNote = ", by oqe-publisher";

type Collection = v.InferOutput<typeof answers.collection>;

/** What all requests for one collection share. */
interface Refresh {
  readonly transport: Transport;
  readonly request: CollectionRequest;
  /** For messages. */
  readonly subject: UploadTarget;
}

/**
 * Makes the collection of a series, or adds and removes what changed. Items and notes of people
 * stay, and so do title and description once they are there. Nothing is sent if nothing changed.
 */
export async function refreshCollection(
  transport: Transport,
  request: CollectionRequest,
): Promise<CollectionResult> {
  const id = `${request.namespace}/collections`;
  const subject = { id, branch: "main", right: "write" } as const;
  const refresh = { transport, request, subject };
  for (const { repository } of request.items) checkRepositoryId(repository);
  try {
    const known = await findCollection(refresh);
    const slug = known ?? (await make(refresh));
    const changes = await fill(refresh, slug);
    const url = `${transport.endpoint}/collections/${slug}`;
    if (known === null) return { outcome: "created", url };
    return { outcome: changes > 0 ? "updated" : "unchanged", url };
  } catch (failure) {
    throw inWords(adopt(transport, subject, failure), request);
  }
}

/** A right to repositories is none to collections. */
function inWords(failure: unknown, { namespace }: CollectionRequest): unknown {
  const isRight = failure instanceof OqeError && /^(FORBIDDEN|UNAUTHORIZED)$/.test(failure.code);
  if (!isRight) return failure;
  return new OqeError(
    failure.code,
    `The collections of ${namespace} cannot be written: ${failure.message}`,
    `Give the token the permission to write to the collections of ${namespace}, or set ` +
      "`collection: false` in the series file. A token of a keyless run never has it.",
  );
}

/** A sign in the description. The Hub keeps no other fields of ours. */
function markOf({ namespace, series }: CollectionRequest): string {
  const hash = createHash("sha256").update(`${namespace}/${series}`).digest("hex");
  return `[oqe:${hash.slice(0, 10)}]`;
}

/** The slug of the collection with our mark, or of one with the title; null: there is none. */
async function findCollection({ transport, request, subject }: Refresh): Promise<string | null> {
  const found: v.InferOutput<typeof answers.collections>[number][] = [];
  const listing = listCollections({
    search: { owner: [request.namespace] },
    hubUrl: transport.endpoint,
    fetch: strictFetch(transport, subject),
    ...(credentials(transport) as { accessToken: string }),
  });
  for await (const one of listing) {
    found.push(...parseAnswer(answers.collections, [one], `collections of ${request.namespace}`));
    if (found.length > collectionLimit)
      throw new OqeError("NETWORK", `The list of collections of ${request.namespace} never ends`);
  }
  const sorted = found.sort((a, b) => (a.slug < b.slug ? -1 : 1));
  const marked = sorted.filter(({ description }) => description?.includes(markOf(request)));
  const titled = sorted.filter(({ title }) => title === cut(request.title, longest.title));
  return (marked[0] ?? titled[0])?.slug ?? null;
}

async function make(refresh: Refresh): Promise<string> {
  const { transport, request, subject } = refresh;
  const mark = ` ${markOf(request)}`;
  const description = cut(request.description, longest.description - mark.length) + mark;
  const { namespace } = request;
  const collection = { namespace, title: cut(request.title, longest.title), description };
  let slug: string | null = null;
  const isNew = await isMade(transport, subject, async () => {
    const made = await createCollection({
      collection: { ...collection, private: request.private },
      hubUrl: transport.endpoint,
      fetch: strictFetch(transport, subject),
      ...(credentials(transport) as { accessToken: string }),
    });
    slug = parseAnswer(answers.newCollection, made, "the new collection").slug;
  });
  // The answer was lost, or another run made it meanwhile.
  const known = isNew ? slug : await findCollection(refresh);
  if (known !== null) return known;
  throw new OqeError(
    "CONFLICT",
    `The Hub says that ${namespace} has a collection "${collection.title}", and lists none`,
    `Look at ${transport.endpoint}/${namespace}, then run again.`,
  );
}

/** Adds the missing tiers in their places, removes superseded ones. Returns how many changed. */
async function fill(refresh: Refresh, slug: string): Promise<number> {
  const { request } = refresh;
  let now = await read(refresh, slug);
  let changes = 0;
  const placeOf = (repository: string) =>
    now.items.findIndex((one) => one.type === "model" && one.id === repository);
  for (const [at, { repository, tier }] of request.items.entries()) {
    if (placeOf(repository) !== -1) continue;
    const item = { type: "model", id: repository };
    await isMade(refresh.transport, refresh.subject, () =>
      send(refresh, `POST ${slug}/items`, { item, note: `${tier}${ourNote}` }),
    );
    changes++;
    now = await read(refresh, slug);
    const later = request.items.slice(at + 1).map((one) => placeOf(one.repository));
    const position = Math.min(...later.filter((place) => place !== -1));
    const own = now.items[placeOf(repository)];
    // The Hub adds behind all others. A tier stands before those that follow it in the series.
    const isBehind = Number.isFinite(position) && placeOf(repository) > position;
    if (own === undefined || !isBehind) continue;
    await send(refresh, `PATCH ${slug}/items/${own._id}`, { position });
    now = await read(refresh, slug);
  }
  const wanted = new Set(request.items.map(({ repository }) => repository));
  for (const { _id, type, id, note } of now.items) {
    const isOurs = type === "model" && note?.text.endsWith(ourNote) === true;
    if (!request.isWhole || !isOurs || wanted.has(id)) continue;
    await send(refresh, `DELETE ${slug}/items/${_id}`);
    changes++;
  }
  return changes;
}

async function read(refresh: Refresh, slug: string): Promise<Collection> {
  return readAnswer(answers.collection, await send(refresh, `GET ${slug}`), `collection ${slug}`);
}

/** One request below /api/collections. */
async function send(
  { transport, subject }: Refresh,
  line: `${"GET" | "POST" | "PATCH" | "DELETE"} ${string}`,
  body?: unknown,
): Promise<Response> {
  const [method, path] = line.split(" ") as [string, string];
  return strictFetch(transport, subject)(`${transport.endpoint}/api/collections/${path}`, {
    method,
    headers: {
      accept: "application/json",
      ...(body === undefined ? {} : { "Content-Type": "application/json" }),
      ...authorization(transport),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
}

function cut(text: string, most: number): string {
  const line = text.replace(/[\p{Cc}\u2028\u2029]+/gu, " ");
  return line.length > most ? `${line.slice(0, most - 1)}…` : line;
}
