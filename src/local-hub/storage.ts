import { createHmac, randomBytes, randomUUID, timingSafeEqual } from "node:crypto";
import { createReadStream } from "node:fs";
import { rm } from "node:fs/promises";
import type { IncomingMessage } from "node:http";
import type * as v from "valibot";
import { count, line, list, object } from "../ground/schema.ts";
import { refuse } from "./errors.ts";
import type { Reply } from "./exchange.ts";
import { receive, TooLong } from "./objects.ts";
import { sliceReply } from "./ranges.ts";
import type { Store } from "./store.ts";
import type { StoredRepo } from "./stored-repo.ts";

/** Lifetime of a signed URL, in seconds. */
const lifetime = 900;

interface Part {
  readonly file: string;
  readonly md5: string;
  readonly size: number;
}

/** Parts with the ETags that their uploads were answered with. */
export const uploadedParts = list(object({ partNumber: count, etag: line }));
type UploadedParts = v.InferOutput<typeof uploadedParts>;

interface Upload {
  readonly id: string;
  readonly repo: string;
  readonly oid: string;
  readonly size: number;
  readonly partSize: number;
  readonly parts: Map<number, Part>;
}

/**
 * The second origin, which stores LFS objects behind signed URLs like the real Hub (there S3 and a
 * CDN). It accepts no token. `leakedTokens` counts requests with one: their client sent the token
 * to another origin.
 */
export class Storage {
  leakedTokens = 0;
  /** SHA-256 of an object -> bytes that uploads of it brought, all attempts together. */
  readonly received = new Map<string, number>();
  url = "";
  readonly #store: Store;
  readonly #secret = randomBytes(32);
  readonly #uploads = new Map<string, Upload>();

  constructor(store: Store) {
    this.#store = store;
  }

  /** Signs method, path and query; `base` is the origin that will serve the URL. */
  sign(
    base: string,
    method: string,
    path: string,
    values: Record<string, string | number>,
  ): string {
    const query = new URLSearchParams();
    for (const [name, value] of Object.entries(values)) query.set(name, String(value));
    query.set("expires", String(Math.floor(Date.now() / 1000) + lifetime));
    query.set("signature", this.#signature(method, path, query));
    return `${base}${path}?${query}`;
  }

  #signature(method: string, path: string, query: URLSearchParams): string {
    const unsigned = [...query].filter(([name]) => name !== "signature").sort();
    return createHmac("sha256", this.#secret)
      .update(JSON.stringify([method, path, unsigned]))
      .digest("hex");
  }

  /** Whether a URL has our signature for this method and has not expired. */
  isSigned(method: string, path: string, query: URLSearchParams): boolean {
    const given = Buffer.from(query.get("signature") ?? "");
    const right = Buffer.from(this.#signature(method === "HEAD" ? "GET" : method, path, query));
    if (given.length !== right.length || !timingSafeEqual(given, right)) return false;
    return Number(query.get("expires")) >= Date.now() / 1000;
  }

  downloadUrl(repo: StoredRepo, oid: string, filename: string): string {
    return this.sign(this.url, "GET", `/${repo.id}/${oid}`, { filename });
  }

  basicUploadUrl(repo: StoredRepo, oid: string, size: number): string {
    return this.sign(this.url, "PUT", `/${repo.id}/${oid}`, { size });
  }

  /** Opens a multipart upload: the id of its completion and one URL per part, in order. */
  startMultipart(
    repo: StoredRepo,
    oid: string,
    size: number,
    partSize: number,
  ): { id: string; urls: string[] } {
    const id = randomUUID();
    this.#uploads.set(id, { id, repo: repo.id, oid, size, partSize, parts: new Map() });
    const urls = Array.from({ length: Math.ceil(size / partSize) }, (_, index) =>
      this.sign(this.url, "PUT", `/${repo.id}/${oid}`, {
        upload: id,
        part: index + 1,
        size: Math.min(partSize, size - index * partSize),
      }),
    );
    return { id, urls };
  }

  async handle(request: IncomingMessage): Promise<Reply> {
    const [path = "", text = ""] = request.url!.split(/\?(.*)/s);
    const query = new URLSearchParams(text);
    if (request.headers.authorization !== undefined) {
      this.leakedTokens++;
      return storageError(
        400,
        "InvalidArgument",
        "Only one auth mechanism allowed; the token must stay with the Hub",
      );
    }
    const method = request.method ?? "";
    const [, id, oid] = /^\/((?:[^/]+\/){1,2}[^/]+)\/([0-9a-f]{64})$/.exec(path) ?? [];
    if (!["GET", "HEAD", "PUT"].includes(method) || !this.isSigned(method, path, query)) {
      return storageError(
        403,
        "AccessDenied",
        "The signature does not fit this request, or has expired",
      );
    }
    const repo = this.#store.get(id!);
    if (!repo) return storageError(404, "NoSuchBucket", "The repo is gone");
    return method === "PUT"
      ? this.#put(repo, oid!, request, query)
      : this.#get(repo, oid!, request, query);
  }

  async #get(
    repo: StoredRepo,
    oid: string,
    request: IncomingMessage,
    query: URLSearchParams,
  ): Promise<Reply> {
    const size = await repo.objects.size(oid);
    if (size === null) return storageError(404, "NoSuchKey", "There is no such object");
    const name = (query.get("filename") ?? oid).replace(/[^\w.-]/g, "_");
    return sliceReply(repo.objects.path(oid), size, request.headers.range, {
      ETag: `"${oid}"`,
      "Content-Type": "application/octet-stream",
      "Content-Disposition": `attachment; filename="${name}"`,
    });
  }

  async #put(
    repo: StoredRepo,
    oid: string,
    request: IncomingMessage,
    query: URLSearchParams,
  ): Promise<Reply> {
    const size = Number(query.get("size"));
    const announced = request.headers["content-length"];
    if (announced === undefined)
      return storageError(411, "MissingContentLength", "Content-Length is needed");
    if (Number(announced) !== size) {
      return storageError(
        400,
        "EntityTooLarge",
        `The URL is for ${size} bytes, the request brings ${announced}`,
      );
    }
    const file = await repo.objects.asidePath();
    try {
      const got = await receive(this.#counted(request, oid), file, size);
      if (got.size !== size) throw new TooLong();
      const upload = query.get("upload");
      return upload === null
        ? await this.#keepObject(repo, oid, file, got)
        : await this.#keepPart(upload, Number(query.get("part")), { file, md5: got.md5, size });
    } catch (error) {
      await rm(file, { force: true });
      if (error instanceof TooLong)
        return storageError(400, "IncompleteBody", `Expected ${size} bytes`);
      throw error;
    }
  }

  async *#counted(request: AsyncIterable<Uint8Array>, oid: string) {
    for await (const chunk of request) {
      this.received.set(oid, (this.received.get(oid) ?? 0) + chunk.length);
      yield chunk;
    }
  }

  async #keepObject(
    repo: StoredRepo,
    oid: string,
    file: string,
    got: { sha256: string; md5: string },
  ): Promise<Reply> {
    if (got.sha256 !== oid) {
      await rm(file, { force: true });
      return storageError(
        400,
        "BadDigest",
        `Expected bytes with SHA-256 ${oid}, got ${got.sha256}`,
      );
    }
    await repo.objects.adopt(file, oid);
    return { status: 200, headers: { ETag: `"${got.md5}"` } };
  }

  async #keepPart(id: string, number: number, part: Part): Promise<Reply> {
    const upload = this.#uploads.get(id);
    if (!upload) {
      await rm(part.file, { force: true });
      return storageError(404, "NoSuchUpload", "The upload is finished or unknown");
    }
    const before = upload.parts.get(number);
    upload.parts.set(number, part);
    if (before) await rm(before.file, { force: true });
    return { status: 200, headers: { ETag: `"${part.md5}"` } };
  }

  /**
   * Joins the parts of an upload. A repeated call succeeds, because the answer to the first may be
   * lost.
   */
  async complete(repo: StoredRepo, id: string, oid: string, given: UploadedParts): Promise<void> {
    const upload = this.#uploads.get(id);
    if (!upload || upload.oid !== oid) {
      if ((await repo.objects.size(oid)) !== null) return;
      throw refuse.badRequest("The multipart upload is unknown");
    }
    checkParts(upload, given);
    const files = [...upload.parts].sort(([a], [b]) => a - b).map(([, part]) => part.file);
    const whole = await repo.objects.asidePath();
    const got = await receive(concatenate(files), whole, upload.size);
    await this.#forget(repo, oid);
    if (got.sha256 !== oid || got.size !== upload.size) {
      await rm(whole, { force: true });
      throw refuse.badRequest(`Expected bytes with SHA-256 ${oid}, got ${got.sha256}`);
    }
    await repo.objects.adopt(whole, oid);
  }

  /** Removes all uploads of this object, abandoned ones included. */
  async #forget(repo: StoredRepo, oid: string): Promise<void> {
    for (const upload of [...this.#uploads.values()].filter(
      (one) => one.repo === repo.id && one.oid === oid,
    )) {
      this.#uploads.delete(upload.id);
      for (const part of upload.parts.values()) await rm(part.file, { force: true });
    }
  }
}

function checkParts(upload: Upload, given: UploadedParts): void {
  const count = Math.ceil(upload.size / upload.partSize);
  if (given.length !== count) throw refuse.badRequest(`Expected ${count} parts`);
  const named = new Map(given.map(({ partNumber, etag }) => [partNumber, etag]));
  for (let number = 1; number <= count; number++) {
    const part = upload.parts.get(number);
    if (!part) throw refuse.badRequest(`Part ${number} has not been uploaded`);
    if (named.get(number)?.replace(/"/g, "") !== part.md5) {
      throw refuse.badRequest(`Part ${number}: the etag is not that of the uploaded part`);
    }
  }
}

async function* concatenate(files: readonly string[]): AsyncGenerator<Uint8Array> {
  for (const file of files) yield* createReadStream(file) as AsyncIterable<Uint8Array>;
}

function storageError(status: number, code: string, message: string): Reply {
  const error = `<Error><Code>${code}</Code><Message>${message}</Message></Error>`;
  const xml = `<?xml version="1.0" encoding="UTF-8"?>\n${error}`;
  return { status, headers: { "Content-Type": "application/xml" }, body: xml };
}
