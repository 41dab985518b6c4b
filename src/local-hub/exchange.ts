import { createReadStream } from "node:fs";
import { open } from "node:fs/promises";
import type { IncomingMessage, ServerResponse } from "node:http";
import { pipeline } from "node:stream/promises";
import * as v from "valibot";
import { describeIssue } from "../ground/schema.ts";
import { type Refusal, refuse } from "./errors.ts";

/** Bytes `start` to `end` (exclusive) of a file. */
export interface FileSlice {
  readonly file: string;
  readonly start: number;
  readonly end: number;
}

/** Answer of a handler. */
export interface Reply {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Buffer | string | FileSlice | { readonly json: unknown };
}

export function json(value: unknown, status = 200, headers: Record<string, string> = {}): Reply {
  return { status, headers, body: { json: value } };
}

export function refusalReply(error: Refusal): Reply {
  const message = error.message.replace(/[^\x20-\x7e]+/g, " ");
  return json({ error: error.message, ...error.fields }, error.status, {
    ...(error.code ? { "X-Error-Code": error.code } : {}),
    "X-Error-Message": message,
    ...error.headers,
  });
}

/** Largest JSON body that is read; commits have their own limit. */
export const jsonLimit = 16 * 1024 * 1024;

export async function readBody(request: IncomingMessage, limit: number): Promise<Buffer> {
  if (Number(request.headers["content-length"] ?? 0) > limit) throw refuse.tooLarge(limit);
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > limit) throw refuse.tooLarge(limit);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** The body by its schema; an empty body is `{}`. Throws 400, naming the field. */
export async function readJson<const S extends v.GenericSchema>(
  request: IncomingMessage,
  schema: S,
): Promise<v.InferOutput<S>> {
  const text = decodeUtf8(await readBody(request, jsonLimit));
  return parseBody(text.trim() === "" ? "{}" : text, schema);
}

/** The same from its text. */
export function parseBody<const S extends v.GenericSchema>(
  text: string,
  schema: S,
): v.InferOutput<S> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw refuse.badRequest("The request body is not valid JSON");
  }
  const { success, output, issues } = v.safeParse(schema, value, { abortEarly: true });
  if (!success) throw refuse.badRequest(`The request body: ${describeIssue(issues[0])}`);
  return output;
}

export function decodeUtf8(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw refuse.badRequest("The request body is not valid UTF-8");
  }
}

/**
 * Sends a reply. `keep` is the share of the body to send before the connection is cut: below 1 only
 * for injected faults.
 */
export async function send(
  response: ServerResponse,
  reply: Reply,
  withBody: boolean,
  keep = 1,
): Promise<void> {
  const { body } = reply;
  const bytes = isSlice(body) ? null : encode(body);
  const length = bytesOf(reply);
  response.writeHead(reply.status, {
    ...(body !== undefined && typeof body === "object" && "json" in body
      ? { "Content-Type": "application/json; charset=utf-8" }
      : {}),
    ...reply.headers,
    ...(reply.status === 304 ? {} : { "Content-Length": String(length) }),
  });
  const wanted = Math.floor(length * keep);
  if (withBody && wanted > 0) {
    if (bytes) response.write(bytes.subarray(0, wanted));
    else if (isSlice(body)) {
      const source = createReadStream(body.file, {
        start: body.start,
        end: body.start + wanted - 1,
      });
      await pipeline(source, response, { end: false });
    }
  }
  if (keep < 1) {
    // Wait until the bytes are sent, then cut the connection.
    await new Promise<void>((resolve) => response.write("", () => resolve()));
    response.destroy();
  } else response.end();
}

/** Size of the body. */
export function bytesOf({ body }: Reply): number {
  return isSlice(body) ? body.end - body.start : encode(body).length;
}

export function isSlice(body: Reply["body"]): body is FileSlice {
  return body !== undefined && typeof body === "object" && "file" in body;
}

/** The body as bytes. */
export async function readReply({ body }: Reply): Promise<Buffer> {
  return isSlice(body) ? readSlice(body) : encode(body);
}

/** The bytes of a slice with the lowest bit of the file's byte `at` changed. */
export async function flipped(slice: FileSlice, at: number): Promise<Buffer> {
  const bytes = await readSlice(slice);
  bytes[at - slice.start]! ^= 1;
  return bytes;
}

async function readSlice({ file, start, end }: FileSlice): Promise<Buffer> {
  const bytes = Buffer.alloc(end - start);
  const handle = await open(file);
  await handle.read(bytes, 0, bytes.length, start).finally(() => handle.close());
  return bytes;
}

function encode(body: Exclude<Reply["body"], FileSlice>): Buffer {
  if (body === undefined) return Buffer.alloc(0);
  if (typeof body === "string") return Buffer.from(body);
  return Buffer.isBuffer(body) ? body : Buffer.from(JSON.stringify(body.json));
}
