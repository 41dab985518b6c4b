import * as v from "valibot";
import { count, line, list, object, oneOf, sha256 } from "../ground/schema.ts";
import type { Context, RepoContext } from "./context.ts";
import { refuse } from "./errors.ts";
import { json, type Reply, readJson } from "./exchange.ts";
import { uploadedParts } from "./storage.ts";

/** Most objects of a batch request; the Hub's clients send 100 and 256. */
const largestBatch = 1000;

export interface TransferLimits {
  /** Size in bytes from which an object is uploaded in parts. */
  readonly multipartThreshold: number;
  readonly partSize: number;
}

/** An object: SHA-256 and bytes. */
const lfsObject = object({ oid: sha256, size: count });
type BatchObject = v.InferOutput<typeof lfsObject>;

const batch = object({
  operation: oneOf(["upload", "download"]),
  hash_algo: v.optional(oneOf(["sha256", "sha_256"])),
  transfers: v.nullish(list(line), ["basic"]),
  objects: v.pipe(
    list(lfsObject, largestBatch),
    v.check(({ length }) => length > 0, "a list of at least one object"),
  ),
});

const completion = object({ oid: sha256, parts: uploadedParts });

/**
 * `POST /<id>.git/info/lfs/objects/batch`: how to upload or fetch each object. Never offers xet,
 * which needs a server of its own.
 */
export async function lfsBatch(context: RepoContext, limits: TransferLimits): Promise<Reply> {
  const { operation, transfers, objects } = await readJson(context.request, batch);
  const multipart =
    transfers.includes("multipart") &&
    objects.some((object) => object.size >= limits.multipartThreshold);
  const describe = operation === "download" ? describeDownload : describeUpload;
  const answers = [];
  for (const object of objects) answers.push(await describe(context, object, multipart, limits));
  const answer = {
    transfer: multipart ? "multipart" : "basic",
    objects: answers,
    hash_algo: "sha256",
  };
  return json(answer, 200, { "Content-Type": "application/vnd.git-lfs+json" });
}

async function describeDownload(context: RepoContext, object: BatchObject) {
  const size = await context.repo.objects.size(object.oid);
  if (size === null) return { ...object, error: { code: 404, message: "Object does not exist" } };
  const href = context.hub.storage.downloadUrl(context.repo, object.oid, object.oid);
  return { oid: object.oid, size, authenticated: true, actions: { download: { href } } };
}

async function describeUpload(
  context: RepoContext,
  object: BatchObject,
  multipart: boolean,
  limits: TransferLimits,
) {
  const { hub, repo, origin } = context;
  const known = await repo.objects.size(object.oid);
  if (known !== null && known !== object.size) {
    return { ...object, error: { code: 422, message: `The object is known with ${known} bytes` } };
  }
  if (known !== null) return object; // no actions: already there
  if (object.size === 0)
    return { ...object, error: { code: 422, message: "Empty files cannot be LFS objects" } };
  const verify = { href: `${origin}/${repo.id}.git/info/lfs/verify`, header: {} };
  if (!multipart || object.size < limits.multipartThreshold) {
    const upload = { href: hub.storage.basicUploadUrl(repo, object.oid, object.size), header: {} };
    return { ...object, authenticated: true, actions: { upload, verify } };
  }
  const { id, urls } = hub.storage.startMultipart(repo, object.oid, object.size, limits.partSize);
  const header: Record<string, string> = { chunk_size: String(limits.partSize) };
  for (const [index, url] of urls.entries()) header[String(index + 1).padStart(5, "0")] = url;
  const href = hub.storage.sign(origin, "POST", "/api/complete_multipart", {
    repo: repo.id,
    upload: id,
  });
  return { ...object, authenticated: true, actions: { upload: { href, header }, verify } };
}

/**
 * `POST /api/complete_multipart?…`: on the Hub's origin, but authorized by its signature like the
 * parts.
 */
export async function completeMultipart(context: Context): Promise<Reply> {
  const { hub, query, path } = context;
  if (!hub.storage.isSigned("POST", path, query))
    throw refuse.forbidden("The signature does not fit, or has expired");
  const repo = hub.store.get(query.get("repo") ?? "");
  if (!repo) throw refuse.noRepository(true);
  const { oid, parts } = await readJson(context.request, completion);
  await hub.storage.complete(repo, query.get("upload") ?? "", oid, parts);
  return json({ success: true });
}

/** `POST /<id>.git/info/lfs/verify`: whether an object exists. Its hash was checked on arrival. */
export async function lfsVerify(context: RepoContext): Promise<Reply> {
  const { oid, size } = await readJson(context.request, lfsObject);
  const known = await context.repo.objects.size(oid);
  if (known === null) throw refuse.noEntry(oid);
  if (known !== size) throw refuse.badRequest(`The object has ${known} bytes, not ${size}`);
  return json({ success: true });
}
